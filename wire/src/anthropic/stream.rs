use std::collections::BTreeMap;
use std::time::Duration;

use canon::{Answer, BlockKind, Event, Fault, Finish, Tier, Usage};
use serde::Serialize;

use super::response::{Block, EndUsage, Input, Message, Place, stop_reason};
use crate::AnswerHead;
use crate::fault::anthropic::Body;
use crate::media::to_base64;
use crate::native::{Native, Sink};

/// Says an answer as a Messages object, or as the events of one.
pub(crate) struct Messages {
    omit_thinking: bool,
    tier: Option<Tier>,
    prompt: Usage,
    request_id: String,
    /// How far each of canon's blocks has got.
    blocks: BTreeMap<u32, Progress>,
    /// How many blocks clients have seen; they number them in the order in which they see them begin.
    shown: u32,
}

enum Progress {
    /// Reasoning is announced when it is known whether it can be read.
    Undecided,
    /// Sealed reasoning is announced when it is whole, because it is all in its announcement.
    Sealed(Vec<u8>),
    /// Announced, with this number.
    Shown(u32),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Document<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: Block<'a> },
    ContentBlockDelta { index: u32, delta: Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: End<'a>, usage: EndUsage },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: Place<'a> },
}

#[derive(Serialize)]
struct End<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

impl Document<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }

    fn emit(&self, sink: &mut impl Sink) {
        sink.emit(Some(self.name()), self);
    }
}

impl Messages {
    pub(super) fn new(omit_thinking: bool, tier: Option<Tier>) -> Self {
        Self {
            omit_thinking,
            tier,
            prompt: Usage::default(),
            request_id: String::new(),
            blocks: BTreeMap::new(),
            shown: 0,
        }
    }

    /// Announces canon's block `index`, and yields the number under which clients know it.
    fn announce(&mut self, index: u32, content_block: Block<'_>, sink: &mut impl Sink) -> u32 {
        let shown = self.shown;
        self.shown += 1;
        self.blocks.insert(index, Progress::Shown(shown));
        Document::ContentBlockStart { index: shown, content_block }.emit(sink);
        shown
    }

    fn delta(&mut self, index: u32, delta: Delta<'_>, sink: &mut impl Sink) {
        let shown = match self.blocks.get(&index) {
            Some(Progress::Shown(shown)) => *shown,
            Some(Progress::Undecided) => {
                self.announce(index, Block::Thinking { thinking: "", signature: "" }, sink)
            }
            Some(Progress::Sealed(_)) | None => return,
        };
        Document::ContentBlockDelta { index: shown, delta }.emit(sink);
    }

    fn stop(&mut self, index: u32, sink: &mut impl Sink) {
        let shown = match self.blocks.remove(&index) {
            Some(Progress::Shown(shown)) => shown,
            Some(Progress::Sealed(data)) => {
                let shown = self.announce(index, Block::RedactedThinking { data: to_base64(&data) }, sink);
                self.blocks.remove(&index);
                shown
            }
            Some(Progress::Undecided) | None => return,
        };
        Document::ContentBlockStop { index: shown }.emit(sink);
    }

    fn start(&mut self, index: u32, kind: &BlockKind, sink: &mut impl Sink) {
        match kind {
            BlockKind::Text => {
                self.announce(index, Block::Text { text: "", citations: Vec::new() }, sink);
            }
            BlockKind::Reasoning => {
                self.blocks.insert(index, Progress::Undecided);
            }
            BlockKind::ToolUse { id, name } => {
                self.announce(index, Block::ToolUse { id, name, input: Input::Empty {} }, sink);
            }
        }
    }
}

impl Native for Messages {
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, _latency: Duration) -> Vec<u8> {
        crate::json::encode(&Message::whole(head, answer, self.tier, self.omit_thinking))
    }

    fn prompt(&mut self, prompt: &Usage) {
        self.prompt = *prompt;
    }

    fn begin(&mut self, head: &AnswerHead, sink: &mut impl Sink) {
        self.request_id.clone_from(&head.request_id);
        let message = Message::begun(head, &self.prompt, self.tier);
        Document::MessageStart { message }.emit(sink);
    }

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        match event {
            Event::BlockStart { index, kind } => self.start(*index, kind, sink),
            Event::Text { index, text } => self.delta(*index, Delta::Text { text }, sink),
            Event::Reasoning { index, text } if self.omit_thinking => {
                self.delta(*index, Delta::Thinking { thinking: "" }, sink);
            }
            Event::Reasoning { index, text } => self.delta(*index, Delta::Thinking { thinking: text }, sink),
            Event::Signature { index, signature } => {
                self.delta(*index, Delta::Signature { signature }, sink);
            }
            Event::Redacted { index, data } => match self.blocks.get_mut(index) {
                Some(Progress::Sealed(all)) => all.extend_from_slice(data),
                Some(progress @ Progress::Undecided) => *progress = Progress::Sealed(data.to_vec()),
                Some(Progress::Shown(_)) | None => {}
            },
            Event::ToolInput { index, fragment } => {
                self.delta(*index, Delta::Input { partial_json: fragment }, sink);
            }
            Event::Citation { index, citation } => {
                self.delta(*index, Delta::Citation { citation: Place::of(citation) }, sink);
            }
            Event::BlockStop { index } => self.stop(*index, sink),
            Event::Vector { .. } | Event::Verbatim(_) | Event::Finish(_) => {}
        }
    }

    fn finish(&mut self, finish: &Finish, _latency: Duration, sink: &mut impl Sink) {
        while let Some((&index, _)) = self.blocks.first_key_value() {
            self.stop(index, sink);
        }
        let delta =
            End { stop_reason: stop_reason(finish.reason), stop_sequence: finish.stop_sequence.as_deref() };
        Document::MessageDelta { delta, usage: EndUsage::new(&finish.usage) }.emit(sink);
        Document::MessageStop.emit(sink);
    }

    fn fault(&mut self, fault: &Fault, sink: &mut impl Sink) {
        sink.emit(Some("error"), &Body::of(fault, Some(&self.request_id)));
    }
}
