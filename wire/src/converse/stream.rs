use std::time::Duration;

use bytes::BytesMut;
use canon::{Answer, BlockKind, Event, Fault, Finish};
use serde::Serialize;

use super::content::to_citation;
use super::response::{self, Echo};
use super::shape::event as shape;
use super::shape::request::Role;
use super::shape::scalar::{Base64, Text};
use crate::fault::bedrock::write_exception;
use crate::frame::{self, Padding};
use crate::{AnswerHead, Encoder, Reply, ReplyHead};

/// Says answers as Converse and ConverseStream do.
pub(super) struct Speaker {
    echo: Echo,
    padding: Padding,
}

impl Speaker {
    pub(super) fn new(echo: Echo) -> Self {
        Self { echo, padding: Padding::default() }
    }

    fn say(&mut self, said: Said<'_>, out: &mut BytesMut) {
        match said {
            Said::MessageStart(event) => self.write("messageStart", event, out),
            Said::ContentBlockStart(event) => self.write("contentBlockStart", event, out),
            Said::ContentBlockDelta(event) => self.write("contentBlockDelta", event, out),
            Said::ContentBlockStop(event) => self.write("contentBlockStop", event, out),
        }
    }

    fn write(&mut self, name: &str, event: impl Serialize, out: &mut BytesMut) {
        let headers =
            [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
        frame::write(out, &headers, &shape::Padded { event, p: self.padding.next() });
    }
}

/// A step of an answer in Converse's words, which are also Nova's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Said<'a> {
    MessageStart(shape::MessageStart),
    ContentBlockStart(shape::BlockStart<'a>),
    ContentBlockDelta(shape::BlockDelta<'a>),
    ContentBlockStop(shape::BlockStop),
}

impl<'a> Said<'a> {
    pub(super) const BEGIN: Self = Self::MessageStart(shape::MessageStart { role: Role::Assistant });

    /// `None` for what Converse does not say: it begins text and reasoning with their first delta, and clients
    /// stumble over an empty start.
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        let (index, delta) = match event {
            Event::BlockStart { index, kind: BlockKind::ToolUse { id, name } } => {
                let call =
                    shape::ToolUseStart { tool_use_id: Text::of(id), name: Text::of(name), r#type: None };
                let start = shape::Start::ToolUse(call);
                return Some(Self::ContentBlockStart(shape::BlockStart {
                    content_block_index: *index,
                    start,
                }));
            }
            Event::BlockStop { index } => {
                return Some(Self::ContentBlockStop(shape::BlockStop { content_block_index: *index }));
            }
            Event::BlockStart { kind: BlockKind::Text | BlockKind::Reasoning, .. }
            | Event::Verbatim(_)
            | Event::Vector { .. }
            | Event::Finish(_) => return None,
            Event::Text { index, text } => (index, shape::Delta::Text(Text::of(text))),
            Event::Reasoning { index, text } => {
                (index, shape::Delta::Reasoning(shape::ReasoningDelta::Text(Text::of(text))))
            }
            Event::Signature { index, signature } => {
                (index, shape::Delta::Reasoning(shape::ReasoningDelta::Signature(Text::of(signature))))
            }
            Event::Redacted { index, data } => {
                (index, shape::Delta::Reasoning(shape::ReasoningDelta::Redacted(Base64(data.clone()))))
            }
            Event::ToolInput { index, fragment } => {
                (index, shape::Delta::ToolUse(shape::ToolUseDelta { input: Text::of(fragment) }))
            }
            Event::Citation { index, citation } => (index, shape::Delta::Citation(to_citation(citation))),
        };
        Some(Self::ContentBlockDelta(shape::BlockDelta { content_block_index: *index, delta }))
    }
}

impl Encoder for Speaker {
    fn whole(&mut self, _: &AnswerHead, answer: &Answer, latency: Duration) -> Reply {
        Reply::json(200, response::encode(answer, self.echo, latency))
    }

    fn begin(&mut self, head: &AnswerHead, out: &mut BytesMut) -> ReplyHead {
        self.padding = Padding::new(&head.request_id);
        self.say(Said::BEGIN, out);
        ReplyHead::ok(frame::CONTENT_TYPE)
    }

    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        if let Some(said) = Said::of(event) {
            self.say(said, out);
        }
    }

    fn finish(&mut self, finish: &Finish, latency: Duration, out: &mut BytesMut) {
        let echo = self.echo;
        let stop = shape::MessageStop {
            additional_model_response_fields: echo.extra_fields(finish),
            stop_reason: response::to_reason(finish.reason),
        };
        self.write("messageStop", stop, out);
        let metadata = shape::Metadata {
            metrics: response::metrics(latency),
            performance_config: echo.performance_config(),
            service_tier: echo.service_tier(),
            usage: response::to_usage(&finish.usage),
        };
        self.write("metadata", metadata, out);
    }

    fn fault(&mut self, fault: &Fault, out: &mut BytesMut) {
        write_exception(fault, false, out);
    }
}
