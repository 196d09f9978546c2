//! A format's answer as JSON documents, before any framing.
//!
//! The same Anthropic, OpenAI, Nova, … documents travel in two ways: as server-sent events on their vendor's own
//! surface, and inside the `chunk` frames of `InvokeModelWithResponseStream`. So a format writes documents into a
//! [`Sink`], and one adapter for each framing, [`crate::sse::Sse`] and the `Chunked` of [`crate::invoke`], is the
//! [`crate::Encoder`].

use std::time::Duration;

use canon::{Answer, Event, Fault, Finish, Usage};
use serde::Serialize;

use crate::AnswerHead;

/// Says an answer in one format, whole or step by step, as documents without framing.
///
/// Its methods are called as those of [`crate::Encoder`] are: `whole` alone, or `begin`, `event`…, and then either
/// `finish` or `fault`.
pub(crate) trait Native: Send {
    /// The body of a whole answer.
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, latency: Duration) -> Vec<u8>;

    /// What the prompt came to, for formats whose first words say so; before [`Self::begin`], if it is known then.
    fn prompt(&mut self, _prompt: &Usage) {}

    /// What the format says before the first event. Whatever later documents repeat (ids, names) is noted here.
    fn begin(&mut self, head: &AnswerHead, sink: &mut impl Sink);

    /// Any event but the last and [`Event::Verbatim`].
    fn event(&mut self, event: &Event, sink: &mut impl Sink);

    /// The end of a stream that succeeded.
    fn finish(&mut self, finish: &Finish, latency: Duration, sink: &mut impl Sink);

    /// The end of a stream that failed after it began. A framing with faults of its own does not ask for this.
    fn fault(&mut self, fault: &Fault, sink: &mut impl Sink);
}

/// A format whose answers always come whole, by the function that makes their body.
pub(crate) struct Whole<F>(pub(crate) F);

impl<F: FnMut(&AnswerHead, &Answer) -> Vec<u8> + Send> Native for Whole<F> {
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, _: Duration) -> Vec<u8> {
        (self.0)(head, answer)
    }

    fn begin(&mut self, _: &AnswerHead, _: &mut impl Sink) {}

    fn event(&mut self, _: &Event, _: &mut impl Sink) {}

    fn finish(&mut self, _: &Finish, _: Duration, _: &mut impl Sink) {}

    fn fault(&mut self, _: &Fault, _: &mut impl Sink) {}
}

/// Where a format's documents go.
pub(crate) trait Sink {
    /// The next document. `event` is its name, where the format names its events.
    fn emit(&mut self, event: Option<&str>, document: &impl Serialize);

    /// The mark that ends some formats' streams, such as `[DONE]`; framings that have no use for one skip it.
    fn done(&mut self);
}
