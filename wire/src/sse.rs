//! Server-sent events, both ways. Specification: <https://html.spec.whatwg.org/multipage/server-sent-events.html>,
//! §9.2.5 and §9.2.6.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use canon::{Answer, Event, Fault, Finish, Usage};
use serde::Serialize;

use crate::native::{Native, Sink};
use crate::{AnswerHead, Encoder, Reply, ReplyHead};

mod decoder;

pub use decoder::{Frame, Frames, Overlong};

/// Says a format's documents as server-sent events.
pub(crate) struct Sse<N>(pub(crate) N);

impl<N: Native> Encoder for Sse<N> {
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, latency: Duration) -> Reply {
        Reply::json(200, self.0.whole(head, answer, latency))
    }

    fn begin(&mut self, head: &AnswerHead, out: &mut BytesMut) -> ReplyHead {
        self.0.begin(head, &mut Lines(out));
        let mut reply = ReplyHead::ok("text/event-stream; charset=utf-8");
        reply.headers.push(("cache-control", "no-cache".to_owned()));
        reply
    }

    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.0.event(event, &mut Lines(out));
    }

    fn finish(&mut self, finish: &Finish, latency: Duration, out: &mut BytesMut) {
        self.0.finish(finish, latency, &mut Lines(out));
    }

    fn fault(&mut self, fault: &Fault, out: &mut BytesMut) {
        self.0.fault(fault, &mut Lines(out));
    }

    fn prompt(&mut self, prompt: &Usage) {
        self.0.prompt(prompt);
    }
}

/// Writes documents as events.
struct Lines<'a>(&'a mut BytesMut);

impl Sink for Lines<'_> {
    fn emit(&mut self, event: Option<&str>, document: &impl Serialize) {
        let before = self.0.len();
        if let Some(event) = event {
            self.0.put_slice(b"event: ");
            self.0.put_slice(event.as_bytes());
            self.0.put_u8(b'\n');
        }
        self.0.put_slice(b"data: ");
        // JSON escapes line ends, so a document is one line. Wire shapes have no failing `Serialize`.
        if serde_json::to_writer((&mut *self.0).writer(), document).is_err() {
            self.0.truncate(before);
            return;
        }
        self.0.put_slice(b"\n\n");
    }

    fn done(&mut self) {
        self.0.put_slice(b"data: [DONE]\n\n");
    }
}

#[cfg(test)]
mod tests;
