//! An answer's text as events.

use canon::{BlockKind, Event};

use super::form::Reading;
use crate::grammar::{CALL_CLOSE, CALL_INPUT, CALL_NAME, CALL_OPEN};
use crate::sampler::{Random, StopScanner};

/// Reads an answer as it is made. Calls stand in it as the grammar has it, so each is read by its fixed parts.
#[derive(Debug)]
pub(crate) struct Reader {
    reading: Reading,
    state: State,
    /// Blocks that have started.
    blocks: u32,
    calls: u32,
    random: Random,
}

#[derive(Debug)]
enum State {
    /// Text, of which what could open a call is held back.
    Text {
        /// Whether its block has started.
        open: bool,
        scanner: StopScanner,
        /// White space that belongs to the text if more of it comes.
        space: String,
    },
    /// A call, up to its input.
    Head(String),
    /// A call's input.
    Input(Depth),
    /// After a call's input, up to where text may come again.
    Tail(String),
}

/// How deep in a JSON text one is.
#[derive(Debug, Default)]
struct Depth {
    open: u32,
    in_string: bool,
    escaped: bool,
}

impl Reader {
    /// `random` names calls.
    pub(crate) fn new(reading: Reading, random: Random) -> Self {
        let state = match reading {
            Reading::Call => State::Head(String::new()),
            Reading::Text | Reading::TextOrCalls => text(reading),
        };
        Self { reading, state, blocks: 0, calls: 0, random }
    }

    /// Takes more of the answer, and adds what it says to `events`.
    pub(crate) fn push(&mut self, piece: &str, events: &mut Vec<Event>) {
        let mut rest = piece.to_owned();
        while !rest.is_empty() {
            rest = match &mut self.state {
                State::Text { .. } => self.text(&rest, events),
                State::Head(_) => self.head(&rest, events),
                State::Input(_) => self.input(&rest, events),
                State::Tail(_) => self.tail(&rest),
            };
        }
    }

    /// Ends the answer, and closes what is open.
    pub(crate) fn finish(&mut self, events: &mut Vec<Event>) {
        if let State::Text { scanner, .. } = &mut self.state {
            let held = scanner.finish();
            self.words(&held, events);
            if let State::Text { open: true, space, .. } = &mut self.state {
                let index = self.blocks - 1;
                let text = std::mem::take(space);
                if !text.is_empty() {
                    events.push(Event::Text { index, text });
                }
            }
        }
        self.close(events);
    }

    /// Whether a call was made in full.
    pub(crate) const fn has_called(&self) -> bool {
        self.calls > 0
    }

    /// Whether the last that was said is a call, made in full.
    pub(crate) fn ends_with_call(&self) -> bool {
        let quiet = match &self.state {
            State::Text { open, scanner, .. } => !open && scanner.is_empty(),
            State::Tail(_) => self.reading == Reading::Call,
            State::Head(_) | State::Input(_) => false,
        };
        quiet && self.has_called()
    }

    fn text(&mut self, piece: &str, events: &mut Vec<Event>) -> String {
        let State::Text { scanner, .. } = &mut self.state else { return String::new() };
        let passed = scanner.push(piece);
        let opens = passed.stop.is_some();
        let rest = if opens { scanner.finish() } else { String::new() };
        self.words(&passed.text, events);
        if opens {
            self.close(events);
            self.state = State::Head(String::new());
        }
        rest
    }

    /// Says text, and holds back the white space that it ends with where a call may follow.
    fn words(&mut self, text: &str, events: &mut Vec<Event>) {
        let State::Text { open, space, .. } = &mut self.state else { return };
        let said = match self.reading {
            Reading::Text => text,
            Reading::TextOrCalls | Reading::Call => text.trim_end(),
        };
        if !said.is_empty() {
            if !*open {
                *open = true;
                events.push(Event::BlockStart { index: self.blocks, kind: BlockKind::Text });
                self.blocks += 1;
            }
            let text = std::mem::take(space) + said;
            events.push(Event::Text { index: self.blocks - 1, text });
        }
        space.push_str(text.get(said.len()..).unwrap_or_default());
    }

    fn head(&mut self, piece: &str, events: &mut Vec<Event>) -> String {
        let State::Head(head) = &mut self.state else { return String::new() };
        head.push_str(piece);
        let Some((name, rest)) = head.split_once(CALL_INPUT) else { return String::new() };
        let name = name.trim_start().strip_prefix(CALL_NAME).unwrap_or_default().to_owned();
        let rest = rest.to_owned();
        let kind = BlockKind::ToolUse { id: call_id(&mut self.random), name };
        events.push(Event::BlockStart { index: self.blocks, kind });
        self.blocks += 1;
        self.state = State::Input(Depth::default());
        rest
    }

    fn input(&mut self, piece: &str, events: &mut Vec<Event>) -> String {
        let State::Input(depth) = &mut self.state else { return String::new() };
        let end = piece.char_indices().find_map(|(at, c)| depth.take(c).then_some(at + c.len_utf8()));
        let (fragment, rest) = piece.split_at(end.unwrap_or(piece.len()));
        events.push(Event::ToolInput { index: self.blocks - 1, fragment: fragment.to_owned() });
        if end.is_some() {
            self.close(events);
            self.calls += 1;
            self.state = State::Tail(String::new());
        }
        rest.to_owned()
    }

    fn tail(&mut self, piece: &str) -> String {
        let State::Tail(tail) = &mut self.state else { return String::new() };
        tail.push_str(piece);
        let Some((_, rest)) = tail.split_once(CALL_CLOSE) else { return String::new() };
        let rest = rest.to_owned();
        self.state = text(self.reading);
        rest
    }

    /// Stops the block that is open.
    fn close(&mut self, events: &mut Vec<Event>) {
        let open = match &mut self.state {
            State::Text { open, .. } => std::mem::take(open),
            State::Input(_) => true,
            State::Head(_) | State::Tail(_) => false,
        };
        if open {
            events.push(Event::BlockStop { index: self.blocks - 1 });
        }
    }
}

fn text(reading: Reading) -> State {
    let opens: &[String] = match reading {
        Reading::Text => &[],
        Reading::TextOrCalls | Reading::Call => &[CALL_OPEN.to_owned()],
    };
    State::Text { open: false, scanner: StopScanner::new(opens), space: String::new() }
}

impl Depth {
    /// Takes a character of an object, and says whether it is the last.
    fn take(&mut self, c: char) -> bool {
        if self.in_string {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match c {
            '"' => self.in_string = true,
            '{' | '[' => self.open += 1,
            '}' | ']' => {
                self.open = self.open.saturating_sub(1);
                return self.open == 0;
            }
            _ => {}
        }
        false
    }
}

/// A name for a call, as Bedrock spells them: `tooluse_` and 22 letters and digits, which are 130 bits.
fn call_id(random: &mut Random) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = |_| {
        let at = usize::try_from(random.bits() % 62).unwrap_or(0);
        char::from(LETTERS.get(at).copied().unwrap_or(b'0'))
    };
    std::iter::once("tooluse_".to_owned()).chain((0..22).map(letter).map(String::from)).collect()
}

#[cfg(test)]
mod tests;
