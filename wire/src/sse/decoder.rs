use std::collections::VecDeque;
use std::fmt;

/// Reads server-sent events from bytes that come in any pieces.
#[derive(Debug)]
pub struct Frames {
    bytes_max: usize,
    line: Vec<u8>,
    /// The last byte was a CR, so that an LF now belongs to it.
    after_cr: bool,
    /// Nothing but the first line may start with a byte order mark.
    begun: bool,
    event: Vec<u8>,
    data: Option<Vec<u8>>,
    ready: VecDeque<Frame>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its name; empty where it has none.
    pub event: String,
    /// What it carries: its `data` lines, joined by line feeds.
    pub data: String,
}

/// An event was larger than allowed; nothing more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlong {
    /// The limit.
    pub bytes_max: usize,
}

impl Frames {
    /// Reads events of at most `bytes_max` bytes each.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            line: Vec::new(),
            after_cr: false,
            begun: false,
            event: Vec::new(),
            data: None,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes. An event that is not complete when the bytes end for good is not an event.
    ///
    /// # Errors
    /// [`Overlong`], from which there is no return. The events before it can still be had.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Overlong> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes.first() == Some(&b'\n') {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.grow(piece.len())?;
            self.line.extend_from_slice(piece);
            if let Some((end, rest)) = rest.split_first() {
                self.after_cr = *end == b'\r';
                self.end_line();
                bytes = rest;
            } else {
                bytes = rest;
            }
        }
        Ok(())
    }

    /// The next event that is complete.
    pub fn pop(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    fn grow(&self, more: usize) -> Result<(), Overlong> {
        let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len) + self.event.len();
        if held + more > self.bytes_max { Err(Overlong { bytes_max: self.bytes_max }) } else { Ok(()) }
    }

    fn end_line(&mut self) {
        let mut taken = std::mem::take(&mut self.line);
        let mut line = taken.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch();
        } else {
            self.field(line);
        }
        taken.clear();
        self.line = taken;
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.event = value.to_vec(),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            // Comments have an empty name; `id` and `retry` are for reconnecting, which no model API does.
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let event = std::mem::take(&mut self.event);
        if let Some(data) = self.data.take() {
            self.ready.push_back(Frame { event: text(event), data: text(data) });
        }
    }
}

/// §9.2.4: decoded as UTF-8, with U+FFFD for what is not.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl fmt::Display for Overlong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a server-sent event is larger than {} bytes", self.bytes_max)
    }
}

impl std::error::Error for Overlong {}
