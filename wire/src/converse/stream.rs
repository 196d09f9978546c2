use std::time::Duration;

use bytes::BytesMut;
use canon::{Answer, BlockKind, Event, Fault, Finish};
use serde::Serialize;

use super::content::to_citation;
use super::response::{self, Echo};
use super::shape::event as shape;
use super::shape::request::Role;
use super::shape::scalar::{Base64, Text};
use crate::fault::bedrock;
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

    fn write(&mut self, name: &str, event: impl Serialize, out: &mut BytesMut) {
        let headers =
            [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
        frame::write(out, &headers, &shape::Padded { event, p: self.padding.next() });
    }

    fn delta(&mut self, index: u32, delta: shape::Delta<'_>, out: &mut BytesMut) {
        self.write("contentBlockDelta", shape::BlockDelta { content_block_index: index, delta }, out);
    }
}

impl Encoder for Speaker {
    fn whole(&mut self, _: &AnswerHead, answer: &Answer, latency: Duration) -> Reply {
        Reply::json(200, response::encode(answer, self.echo, latency))
    }

    fn begin(&mut self, head: &AnswerHead, out: &mut BytesMut) -> ReplyHead {
        self.padding = Padding::new(&head.request_id);
        self.write("messageStart", shape::MessageStart { role: Role::Assistant }, out);
        ReplyHead::ok(frame::CONTENT_TYPE)
    }

    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockStart { index, kind: BlockKind::ToolUse { id, name } } => {
                let call =
                    shape::ToolUseStart { tool_use_id: Text::of(id), name: Text::of(name), r#type: None };
                let start = shape::Start::ToolUse(call);
                self.write(
                    "contentBlockStart",
                    shape::BlockStart { content_block_index: *index, start },
                    out,
                );
            }
            // Bedrock begins text and reasoning with their first delta, and clients stumble over an empty start.
            Event::BlockStart { kind: BlockKind::Text | BlockKind::Reasoning, .. } => {}
            Event::Text { index, text } => self.delta(*index, shape::Delta::Text(Text::of(text)), out),
            Event::Reasoning { index, text } => {
                let delta = shape::ReasoningDelta::Text(Text::of(text));
                self.delta(*index, shape::Delta::Reasoning(delta), out);
            }
            Event::Signature { index, signature } => {
                let delta = shape::ReasoningDelta::Signature(Text::of(signature));
                self.delta(*index, shape::Delta::Reasoning(delta), out);
            }
            Event::Redacted { index, data } => {
                let delta = shape::ReasoningDelta::Redacted(Base64(data.clone()));
                self.delta(*index, shape::Delta::Reasoning(delta), out);
            }
            Event::ToolInput { index, fragment } => {
                let delta = shape::ToolUseDelta { input: Text::of(fragment) };
                self.delta(*index, shape::Delta::ToolUse(delta), out);
            }
            Event::Citation { index, citation } => {
                self.delta(*index, shape::Delta::Citation(to_citation(citation)), out);
            }
            Event::BlockStop { index } => {
                self.write("contentBlockStop", shape::BlockStop { content_block_index: *index }, out);
            }
            Event::Verbatim(_) | Event::Finish(_) => {}
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
        write_fault(fault, false, out);
    }
}

/// The frame that ends a failed stream.
pub(crate) fn write_fault(fault: &Fault, knows_timeout: bool, out: &mut BytesMut) {
    let headers = [
        (":exception-type", bedrock::exception(fault.kind(), knows_timeout)),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    frame::write(out, &headers, &bedrock::Body::of(fault));
}
