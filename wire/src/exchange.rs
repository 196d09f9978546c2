use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{Answer, Call, Event, Fault, Finish, ModelId, Request, Usage};

/// A decoded request, and what will encode its answer in the manner that the request asked for.
pub struct Exchange<R = Request> {
    /// What the caller asks.
    pub request: R,
    /// How to say the answer.
    pub encoder: Box<dyn Encoder>,
}

impl<R: Into<Call>> Exchange<R> {
    /// The same, for whoever takes calls of both kinds.
    #[must_use]
    pub fn into_call(self) -> Exchange<Call> {
        Exchange { request: self.request.into(), encoder: self.encoder }
    }
}

/// What every answer says about itself.
#[derive(Clone, Debug)]
pub struct AnswerHead {
    /// Names the call, in this answer, in the receipt and in the logs: a UUID.
    pub request_id: String,
    /// The model as the caller named it.
    pub model: ModelId,
    /// When the call came, in seconds since the Unix epoch.
    pub created_s: u64,
}

/// Says an answer in one format: whole, or step by step.
pub trait Encoder: Send {
    /// A whole answer. `latency` is the time since the call came.
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, latency: Duration) -> Reply;

    /// What the prompt came to, for formats whose first words say so; before [`Self::begin`], if it is known then.
    fn prompt(&mut self, _prompt: &Usage) {}

    /// How long the first event took, since the call came, for formats that report it; before [`Self::begin`].
    fn first_byte(&mut self, _latency: Duration) {}

    /// The status line and headers under which the steps of a stream follow, and its first bytes, if the format
    /// begins before the first event.
    fn begin(&mut self, head: &AnswerHead, out: &mut BytesMut) -> ReplyHead;

    /// Any event but the last, which is [`Self::finish`]'s, and [`Event::Verbatim`], which the caller writes itself.
    fn event(&mut self, event: &Event, out: &mut BytesMut);

    /// The end of a stream that succeeded.
    fn finish(&mut self, finish: &Finish, latency: Duration, out: &mut BytesMut);

    /// The end of a stream that failed after it began.
    fn fault(&mut self, fault: &Fault, out: &mut BytesMut);
}

/// The beginning of an HTTP response, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides those that the listener adds to every response; names in lower case.
    pub headers: Vec<(&'static str, String)>,
}

/// An HTTP response, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status and headers.
    pub head: ReplyHead,
    /// The body.
    pub body: Bytes,
}

impl ReplyHead {
    /// Status 200 with a content type.
    #[must_use]
    pub fn ok(content_type: &str) -> Self {
        Self { status: 200, headers: vec![("content-type", content_type.to_owned())] }
    }
}

impl Reply {
    /// A JSON document, under `status`.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let head = ReplyHead { status, ..ReplyHead::ok("application/json") };
        Self { head, body: body.into() }
    }
}
