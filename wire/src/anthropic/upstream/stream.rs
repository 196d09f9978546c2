use std::collections::BTreeMap;

use canon::{BlockKind, Event, Fault, Finish, Kind, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Block, Counts, Message, Place, stop_reason};
use crate::media::from_base64;

/// Reads the events of an answer: a pure state machine, fed with the data of server-sent events.
#[derive(Default)]
pub struct Stream {
    /// Open blocks: the server's number, and canon's.
    open: BTreeMap<u64, u32>,
    begun: u32,
    counts: Counts,
    ended: Option<Finish>,
    done: bool,
    deltas: u64,
}

/// An event of any type. Types that are not known are skipped, as the vendor's policy of versions asks.
#[derive(Deserialize)]
struct Step<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    #[serde(default, borrow)]
    message: Option<Message<'a>>,
    #[serde(default, borrow)]
    content_block: Option<Block<'a>>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    usage: Option<Counts>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

/// A delta of any type, that of the whole message included.
#[derive(Deserialize)]
struct Delta {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thinking: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    partial_json: String,
    #[serde(default)]
    citation: Option<Place>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
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
    /// [`Kind::UpstreamStream`] where it is not an event, or says that the server failed.
    pub fn push(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), Fault> {
        if self.done || data.is_empty() {
            return Ok(());
        }
        let step: Step<'_> = serde_json::from_str(data).map_err(|error| broken(&error))?;
        match step.kind.as_str() {
            "message_start" => {
                let message = step.message.ok_or_else(|| broken(&"a message starts without one"))?;
                self.counts = self.counts.then(message.usage);
            }
            "content_block_start" => {
                let block = step.content_block.ok_or_else(|| broken(&"a block starts without one"))?;
                self.start(step.index, block, out)?;
            }
            "content_block_delta" => {
                let delta = step.delta.ok_or_else(|| broken(&"a delta without one"))?;
                self.delta(step.index, delta, out);
            }
            "content_block_stop" => {
                out.extend(self.open.remove(&step.index).map(|index| Event::BlockStop { index }));
            }
            "message_delta" => {
                self.counts = self.counts.then(step.usage.unwrap_or_default());
                if let Some(delta) = step.delta
                    && let Some(reason) = delta.stop_reason
                {
                    let finish = Finish::new(stop_reason(&reason), Usage::default());
                    self.ended = Some(Finish { stop_sequence: delta.stop_sequence, ..finish });
                }
            }
            "message_stop" => self.done = true,
            "error" => return Err(broken(&step.error.map_or("no reason given", RawValue::get))),
            _ => {}
        }
        Ok(())
    }

    /// Whether the server has said why the answer ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the last event has come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What the server said it used, so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.counts.canon()
    }

    /// How many pieces of an answer came.
    #[must_use]
    pub fn deltas(&self) -> u64 {
        self.deltas
    }

    /// The bytes have ended.
    ///
    /// # Errors
    /// [`Kind::UpstreamStream`] if they ended too early.
    pub fn end(&mut self, out: &mut Vec<Event>) -> Result<Finish, Fault> {
        let finish = self.ended.take().ok_or_else(|| broken(&"it ended without a reason"))?;
        let open = std::mem::take(&mut self.open);
        out.extend(open.into_values().map(|index| Event::BlockStop { index }));
        Ok(Finish { usage: self.counts.canon(), ..finish })
    }

    fn start(&mut self, number: u64, block: Block<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let kind = match block.kind.as_str() {
            "text" => BlockKind::Text,
            "thinking" | "redacted_thinking" => BlockKind::Reasoning,
            "tool_use" => BlockKind::ToolUse { id: block.id, name: block.name },
            // Its deltas find no open block.
            _ => return Ok(()),
        };
        let index = self.begun;
        if self.open.insert(number, index).is_some() {
            return Err(broken(&format_args!("block {number} starts twice")));
        }
        self.begun += 1;
        out.push(Event::BlockStart { index, kind });
        if !block.data.is_empty() {
            let data = from_base64(&block.data).ok_or_else(|| broken(&"sealed reasoning is not base64"))?;
            out.push(Event::Redacted { index, data });
        }
        let said = [
            (!block.text.is_empty()).then(|| Event::Text { index, text: block.text }),
            (!block.thinking.is_empty()).then(|| Event::Reasoning { index, text: block.thinking }),
        ];
        out.extend(said.into_iter().flatten());
        // Some servers give the whole input at once.
        if let Some(input) = block.input.filter(|input| !matches!(input.get(), "{}" | "null")) {
            out.push(Event::ToolInput { index, fragment: input.get().to_owned() });
        }
        Ok(())
    }

    fn delta(&mut self, number: u64, delta: Delta, out: &mut Vec<Event>) {
        let Some(&index) = self.open.get(&number) else { return };
        let event = match delta.kind.as_str() {
            "text_delta" if !delta.text.is_empty() => Event::Text { index, text: delta.text },
            "thinking_delta" if !delta.thinking.is_empty() => {
                Event::Reasoning { index, text: delta.thinking }
            }
            "signature_delta" if !delta.signature.is_empty() => {
                Event::Signature { index, signature: delta.signature }
            }
            "input_json_delta" if !delta.partial_json.is_empty() => {
                Event::ToolInput { index, fragment: delta.partial_json }
            }
            "citations_delta" => match delta.citation {
                Some(place) => Event::Citation { index, citation: place.citation() },
                None => return,
            },
            _ => return,
        };
        self.deltas += 1;
        out.push(event);
    }
}

fn broken(why: &impl std::fmt::Display) -> Fault {
    Fault::new(
        Kind::UpstreamStream,
        "The model's provider failed in the middle of the answer. Retry, or shorten the answer.",
    )
    .with_detail(why)
}
