use std::borrow::Cow;

use bytes::Bytes;
use canon::{Event, Fault, Finish};
use serde_json::{Value, json};

use super::upstream::{Answered, Stream, decode_answer};
use crate::object::{Node, read};
use crate::sse::Frame;

/// Room for what is written around a document.
const ENVELOPE_BYTES: usize = 64;

/// Passes a request and its answer on as they are, but for the model's name, and reads the answer in passing.
///
/// A stream is always asked for its usage; where the client did not ask, the chunk that carries nothing else is kept
/// from it.
#[derive(Debug)]
pub struct Relay {
    /// The model's name as the client has it: a JSON string.
    model: String,
    usage_wanted: bool,
    stream: Stream,
    /// What the client gets when the receipt is durable: everything from the reason of the end on.
    held: Vec<u8>,
}

impl Relay {
    /// The request's body for a server that calls the model `upstream_model`, and that can be asked for the usage of
    /// a stream (`stream_usage`) or not.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`], for a body that [`super::decode`] would refuse too.
    pub fn new(body: &[u8], upstream_model: &str, stream_usage: bool) -> Result<(Self, Bytes), Fault> {
        let root = read(body)?;
        let mut object = root.object()?;
        let mut splice = Splice::new(body);
        let model = object.need("model", |node| Ok(node.text()))?;
        splice.replace(model, json!(upstream_model).to_string());
        let streams = object.maybe("stream", Node::bool)?.unwrap_or_default();
        let options = object.text("stream_options");
        let mut wanted: Value = options
            .filter(|options| *options != "null")
            .map_or(Ok(json!({})), serde_json::from_str)
            .unwrap_or_default();
        let usage_wanted = wanted.get("include_usage") == Some(&Value::Bool(true));
        if let Some(members) = wanted.as_object_mut().filter(|_| stream_usage && streams && !usage_wanted) {
            members.insert("include_usage".into(), Value::Bool(true));
            match options {
                Some(options) => splice.replace(options, wanted.to_string()),
                None => splice.insert_after(model, format!(r#","stream_options":{wanted}"#)),
            }
        }
        let relay = Self { model: model.to_owned(), usage_wanted, stream: Stream::new(), held: Vec::new() };
        Ok((relay, splice.done()))
    }

    /// What a whole answer says, and the bytes that the client gets.
    ///
    /// # Errors
    /// [`canon::Kind::Upstream`] where it is not an answer.
    pub fn whole(&self, body: &[u8]) -> Result<(Answered, Bytes), Fault> {
        Ok((decode_answer(body)?, self.renamed(body)))
    }

    /// Takes the next event of a stream: what it says, and, while the answer goes on, the bytes that the client gets.
    ///
    /// # Errors
    /// As for [`Stream::push`].
    pub fn push(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Fault> {
        let seen = self.stream.see(&frame.data, out)?;
        if seen.only_usage && !self.usage_wanted {
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.reserve(frame.event.len() + frame.data.len() + self.model.len() + ENVELOPE_BYTES);
        if !frame.event.is_empty() {
            bytes.extend_from_slice(b"event: ");
            bytes.extend_from_slice(frame.event.as_bytes());
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(b"data: ");
        let mut splice = Splice::new(frame.data.as_bytes());
        if let Some(model) = seen.model {
            splice.replace(model, self.model.as_str());
        }
        let start = bytes.len();
        splice.write(&mut bytes);
        // A document of several lines is still one; only its line ends were not the client's to see.
        for byte in bytes.iter_mut().skip(start).filter(|byte| **byte == b'\n') {
            *byte = b' ';
        }
        bytes.extend_from_slice(b"\n\n");
        if self.stream.has_ended() {
            self.held = bytes;
        } else {
            out.push(Event::Verbatim(Bytes::from(bytes)));
        }
        Ok(())
    }

    /// The bytes have ended. The finish holds the last that the client gets.
    ///
    /// # Errors
    /// As for [`Stream::end`].
    pub fn end(&mut self, out: &mut Vec<Event>) -> Result<Finish, Fault> {
        let finish = self.stream.end(out)?;
        if !self.stream.is_done() {
            self.held.extend_from_slice(b"data: [DONE]\n\n");
        }
        Ok(Finish { verbatim: Some(Bytes::from(std::mem::take(&mut self.held))), ..finish })
    }

    /// The reader of the stream.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// A document in which the model bears the client's name; what is not an object stays as it is.
    fn renamed<'a>(&'a self, document: &'a [u8]) -> Bytes {
        let mut splice = Splice::new(document);
        if let Ok(root) = read(document)
            && let Ok(mut object) = root.object()
            && let Some(model) = object.take("model")
        {
            splice.replace(model.text(), self.model.as_str());
        }
        splice.done()
    }
}

/// A text in which some places are replaced.
struct Splice<'a> {
    text: &'a [u8],
    /// Where, how much, and with what.
    cuts: Vec<(usize, usize, Cow<'a, str>)>,
}

impl<'a> Splice<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, cuts: Vec::new() }
    }

    /// Replaces `piece`, which is a slice of the text.
    fn replace(&mut self, piece: &str, with: impl Into<Cow<'a, str>>) {
        self.cuts.push((self.offset(piece), piece.len(), with.into()));
    }

    fn insert_after(&mut self, piece: &str, what: String) {
        self.cuts.push((self.offset(piece) + piece.len(), 0, what.into()));
    }

    fn offset(&self, piece: &str) -> usize {
        piece.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    fn done(self) -> Bytes {
        let mut all = Vec::with_capacity(self.text.len() + ENVELOPE_BYTES);
        self.write(&mut all);
        Bytes::from(all)
    }

    fn write(mut self, all: &mut Vec<u8>) {
        self.cuts.sort_unstable_by_key(|(start, ..)| *start);
        let mut at = 0;
        for (start, len, with) in &self.cuts {
            all.extend_from_slice(self.text.get(at..*start).unwrap_or_default());
            all.extend_from_slice(with.as_bytes());
            at = start + len;
        }
        all.extend_from_slice(self.text.get(at..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
