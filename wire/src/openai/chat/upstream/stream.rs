use canon::{BlockKind, Event, Fault, Finish, Kind, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{call_id, stop};
use crate::openai::usage::ChatUsage;

/// Reads the chunks of an answer: a pure state machine, fed with the data of server-sent events.
///
/// Chunks name no blocks, so a block ends where one of another kind begins, and a call where the next one does.
#[derive(Debug, Default)]
pub struct Stream {
    blocks: u32,
    open: Option<(u32, Open)>,
    calls: usize,
    ended: Option<Finish>,
    usage: Option<Usage>,
    deltas: u64,
    done: bool,
}

/// What the open block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Reasoning,
    /// A call, by the server's number for it.
    Call(Option<u64>),
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default, borrow)]
    model: Option<&'a RawValue>,
    #[serde(default, borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<ChatUsage>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default, borrow)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default, alias = "reasoning")]
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Function,
}

#[derive(Default, Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

/// What a relay must know of a chunk that it passes on.
#[derive(Default)]
pub(in crate::openai::chat) struct Seen<'a> {
    /// The value that names the model, a slice of the data.
    pub(in crate::openai::chat) model: Option<&'a str>,
    /// It carries usage and nothing else.
    pub(in crate::openai::chat) only_usage: bool,
}

impl Stream {
    /// At the beginning of an answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the data of the next event, and adds what it says to `out`.
    ///
    /// # Errors
    /// [`Kind::UpstreamStream`] where it is not a chunk, or says that the server failed.
    pub fn push(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.see(data, out).map(|_| ())
    }

    /// The same, for a relay.
    pub(in crate::openai::chat) fn see<'a>(
        &mut self,
        data: &'a str,
        out: &mut Vec<Event>,
    ) -> Result<Seen<'a>, Fault> {
        if self.done || data.is_empty() {
            return Ok(Seen::default());
        }
        if data == "[DONE]" {
            self.done = true;
            self.close(out);
            return Ok(Seen::default());
        }
        let chunk: Chunk<'_> = serde_json::from_str(data).map_err(|error| broken(&error))?;
        if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
            return Err(broken(&error.get()));
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.canon());
        }
        let mut seen = Seen { model: chunk.model.map(RawValue::get), only_usage: false };
        let Some(choice) = chunk.choices.into_iter().flatten().next() else {
            seen.only_usage = chunk.usage.is_some();
            return Ok(seen);
        };
        self.delta(choice.delta.unwrap_or_default(), out)?;
        if let Some(reason) = choice.finish_reason {
            self.close(out);
            let (reason, stop_sequence) = stop(Some(&reason), choice.stop_reason, self.calls > 0);
            self.ended = Some(Finish { stop_sequence, ..Finish::new(reason, Usage::default()) });
        }
        Ok(seen)
    }

    /// Whether the server has said why the answer ended. Only usage and the end mark can follow.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.is_some() || self.done
    }

    /// Whether the end mark has come: nothing follows it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What the server said it used, so far as it said so.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// How many pieces of an answer came: mostly one a token, so a guess at the answer's length where the server
    /// does not count.
    #[must_use]
    pub fn deltas(&self) -> u64 {
        self.deltas
    }

    /// The bytes have ended. The usage is zero where the server did not say it.
    ///
    /// # Errors
    /// [`Kind::UpstreamStream`] if they ended too early.
    pub fn end(&mut self, out: &mut Vec<Event>) -> Result<Finish, Fault> {
        if !self.has_ended() {
            return Err(broken(&"it ended without a reason or an end mark"));
        }
        self.close(out);
        let (reason, _) = stop(None, None, self.calls > 0);
        let finish = self.ended.take().unwrap_or_else(|| Finish::new(reason, Usage::default()));
        Ok(Finish { usage: self.usage.unwrap_or_default(), ..finish })
    }

    fn delta(&mut self, delta: Delta, out: &mut Vec<Event>) -> Result<(), Fault> {
        if let Some(text) = delta.reasoning_content.filter(|text| !text.is_empty()) {
            let index = self.block(Open::Reasoning, out);
            out.push(Event::Reasoning { index, text });
        }
        for text in [delta.content, delta.refusal].into_iter().flatten().filter(|text| !text.is_empty()) {
            let index = self.block(Open::Text, out);
            out.push(Event::Text { index, text });
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call, out)?;
        }
        Ok(())
    }

    /// The open block, if it is of that kind, or a new one.
    fn block(&mut self, kind: Open, out: &mut Vec<Event>) -> u32 {
        self.deltas += 1;
        if let Some((index, open)) = self.open
            && open == kind
        {
            return index;
        }
        self.start(kind, if kind == Open::Text { BlockKind::Text } else { BlockKind::Reasoning }, out)
    }

    fn start(&mut self, open: Open, kind: BlockKind, out: &mut Vec<Event>) -> u32 {
        self.close(out);
        let index = self.blocks;
        self.blocks += 1;
        self.open = Some((index, open));
        out.push(Event::BlockStart { index, kind });
        index
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some((index, _)) = self.open.take() {
            out.push(Event::BlockStop { index });
        }
    }

    fn call(&mut self, call: Call, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Function { name, arguments } = call.function;
        // Some servers repeat the name in every piece, and some number nothing.
        let continues = match self.open {
            Some((_, Open::Call(number))) => {
                number == call.index && (call.index.is_some() || call.id.is_none())
            }
            _ => false,
        };
        let begins = !continues && name.as_ref().is_some_and(|name| !name.is_empty());
        let index = match (name.filter(|name| !name.is_empty() && !continues), self.open) {
            (Some(name), _) => {
                let id = call_id(call.id, self.calls);
                self.calls += 1;
                self.start(Open::Call(call.index), BlockKind::ToolUse { id, name }, out)
            }
            (None, Some((index, Open::Call(_)))) if continues || call.index.is_none() => index,
            (None, _) => return Err(broken(&"a piece of a tool call belongs to no call that is open")),
        };
        // A piece that brings both the name and the first of the arguments is one.
        let says = arguments.as_ref().is_some_and(|fragment| !fragment.is_empty());
        self.deltas += u64::from(begins || says);
        if let Some(fragment) = arguments.filter(|fragment| !fragment.is_empty()) {
            out.push(Event::ToolInput { index, fragment });
        }
        Ok(())
    }
}

fn broken(why: &impl std::fmt::Display) -> Fault {
    Fault::new(
        Kind::UpstreamStream,
        "The model's provider failed in the middle of the answer. Retry, or shorten the answer.",
    )
    .with_detail(why)
}
