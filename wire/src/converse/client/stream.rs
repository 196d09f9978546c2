use std::collections::BTreeMap;

use canon::{BlockKind, Event, Fault, Finish, Kind, StopReason};
use std::time::Duration;

use crate::converse::content::citation;
use crate::converse::response;
use crate::converse::shape::event as shape;
use crate::converse::shape::scalar::Text;
use crate::frame::{Decoder, Frame};
use crate::json;

/// Reads the stream of ConverseStream.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    frames: Decoder,
    /// The open blocks by Bedrock's number, each with canon's, which has no gaps.
    open: BTreeMap<u32, u32>,
    blocks: u32,
    /// The reason and the stop sequence, once the message has stopped.
    stop: Option<(StopReason, Option<String>)>,
    finished: bool,
    /// The fault that ended the stream, while events that came before it are handed out.
    failed: Option<Fault>,
}

impl StreamDecoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, cut anywhere, and yields the events that they complete.
    ///
    /// # Errors
    /// The fault that the stream carries, or [`Kind::UpstreamStream`] where it breaks its own rules; if events came
    /// before it in the same bytes, then they come first, and the fault with the next call.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        self.frames.push(bytes);
        let mut events = Vec::new();
        match self.drain(&mut events) {
            Err(fault) if events.is_empty() => Err(self.failed.insert(fault).clone()),
            Err(fault) => {
                self.failed = Some(fault);
                Ok(events)
            }
            Ok(()) => Ok(events),
        }
    }

    /// The stream has no more bytes.
    ///
    /// # Errors
    /// The fault that [`Self::push`] still owed, or [`Kind::UpstreamStream`] if the stream ended before the answer did.
    pub fn end(&self) -> Result<(), Fault> {
        match &self.failed {
            Some(fault) => Err(fault.clone()),
            None if self.finished && self.frames.is_empty() => Ok(()),
            None => Err(cut_off(&"the stream ended before its metadata")),
        }
    }

    fn drain(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        while let Some(frame) = self.frames.next().map_err(|broken| cut_off(&broken))? {
            self.frame(&frame, out)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Fault> {
        match frame.header(":message-type") {
            Some("event") => {
                self.event(frame, out).map_err(|fault| cut_off(&fault.detail().unwrap_or_default()))
            }
            Some("exception") => {
                Err(raised(frame.header(":exception-type").unwrap_or_default(), &frame.payload))
            }
            Some("error") => Err(raised(frame.header(":error-code").unwrap_or_default(), &frame.payload)),
            _ => Err(cut_off(&"a frame says neither event nor exception")),
        }
    }

    fn event(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Fault> {
        if self.finished {
            return Err(json::garbled(&"an event follows the metadata"));
        }
        match frame.header(":event-type") {
            Some("contentBlockStart") => {
                let shape::BlockStart { content_block_index, start } = json::decode_answer(&frame.payload)?;
                let kind = match start {
                    shape::Start::ToolUse(call) => {
                        BlockKind::ToolUse { id: call.tool_use_id.own(), name: call.name.own() }
                    }
                    shape::Start::ToolResult(refused) | shape::Start::Image(refused) => match refused {},
                };
                self.start(content_block_index, kind, out);
            }
            Some("contentBlockDelta") => {
                let shape::BlockDelta { content_block_index, delta } = json::decode_answer(&frame.payload)?;
                let event = self.delta(content_block_index, delta, out)?;
                out.push(event);
            }
            Some("contentBlockStop") => {
                let shape::BlockStop { content_block_index } = json::decode_answer(&frame.payload)?;
                out.extend(self.open.remove(&content_block_index).map(|index| Event::BlockStop { index }));
            }
            Some("messageStop") => {
                let stop: shape::MessageStop<'_> = json::decode_answer(&frame.payload)?;
                let met = stop.additional_model_response_fields.and_then(|fields| fields.stop_sequence);
                self.stop = Some((response::from_reason(stop.stop_reason)?, met.map(Text::own)));
            }
            Some("metadata") => {
                let metadata: shape::Metadata = json::decode_answer(&frame.payload)?;
                let (reason, stop_sequence) =
                    self.stop.take().ok_or_else(|| json::garbled(&"metadata before messageStop"))?;
                let finish = Finish::new(reason, response::from_usage(&metadata.usage));
                out.push(Event::Finish(Finish { stop_sequence, ..finish }));
                self.finished = true;
            }
            // `messageStart` says only that the model speaks. Events of later versions of the service are read over:
            // they cannot be part of the text, whose events are all known.
            _ => {}
        }
        Ok(())
    }

    /// Opens the block that Bedrock calls `at`, and returns canon's number for it.
    fn start(&mut self, at: u32, kind: BlockKind, out: &mut Vec<Event>) -> u32 {
        let index = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        self.open.insert(at, index);
        out.push(Event::BlockStart { index, kind });
        index
    }

    /// Text and reasoning have no start of their own; their first delta is it.
    fn begun(&mut self, at: u32, kind: BlockKind, out: &mut Vec<Event>) -> u32 {
        match self.open.get(&at) {
            Some(index) => *index,
            None => self.start(at, kind, out),
        }
    }

    fn delta(&mut self, at: u32, delta: shape::Delta<'_>, out: &mut Vec<Event>) -> Result<Event, Fault> {
        Ok(match delta {
            shape::Delta::Text(text) => {
                Event::Text { index: self.begun(at, BlockKind::Text, out), text: text.own() }
            }
            shape::Delta::Citation(cited) => {
                Event::Citation { index: self.begun(at, BlockKind::Text, out), citation: citation(cited) }
            }
            shape::Delta::Reasoning(reasoning) => {
                let index = self.begun(at, BlockKind::Reasoning, out);
                match reasoning {
                    shape::ReasoningDelta::Text(text) => Event::Reasoning { index, text: text.own() },
                    shape::ReasoningDelta::Signature(text) => {
                        Event::Signature { index, signature: text.own() }
                    }
                    shape::ReasoningDelta::Redacted(data) => Event::Redacted { index, data: data.0 },
                }
            }
            shape::Delta::ToolUse(call) => {
                let index = self
                    .open
                    .get(&at)
                    .ok_or_else(|| json::garbled(&"input for a call that has not begun"))?;
                Event::ToolInput { index: *index, fragment: call.input.own() }
            }
            shape::Delta::ToolResult(refused) | shape::Delta::Image(refused) => match refused {},
        })
    }
}

fn cut_off(why: &impl std::fmt::Display) -> Fault {
    Fault::new(Kind::UpstreamStream, "The model's provider broke off in the middle of the answer. Retry.")
        .with_detail(why)
}

/// The fault that an exception frame stands for. Its name is lowerCamel on the wire.
fn raised(name: &str, payload: &[u8]) -> Fault {
    let said: Option<shape::Exception> = serde_json::from_slice(payload).ok();
    let (message, status) = said.map_or((None, None), |said| (said.message, said.original_status_code));
    let message =
        message.filter(|text| !text.is_empty()).unwrap_or_else(|| format!("The stream ended with {name}."));
    let kind = match name {
        "validationException" => Kind::Malformed { path: String::new() },
        "throttlingException" => Kind::Throttled { retry_after: Duration::from_secs(1) },
        "serviceUnavailableException" => Kind::Overloaded,
        "modelTimeoutException" => Kind::UpstreamTimeout,
        "internalServerException" => Kind::Upstream { status: status.or(Some(500)) },
        _ => Kind::UpstreamStream,
    };
    Fault::new(kind, message)
}
