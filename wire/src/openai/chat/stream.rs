use std::collections::BTreeMap;
use std::time::Duration;

use canon::{Answer, BlockKind, Event, Fault, Finish, Tier};
use serde::Serialize;

use super::response::{Call, Function, Said, Text, Whole, id};
use crate::AnswerHead;
use crate::fault::openai::Body;
use crate::native::{Native, Sink};
use crate::openai::usage::{ChatUsage, finish_reason, tier};

/// Says an answer as a chat completion, or as chunks of one. Nothing is said before the first event, so that a
/// relayed answer can take its place.
pub(crate) struct Completion {
    include_usage: bool,
    tier: Option<Tier>,
    id: String,
    model: String,
    created: u64,
    begun: bool,
    calls: BTreeMap<u32, Progress>,
}

/// A call of a tool, as far as it got.
struct Progress {
    /// Its number among the calls.
    number: u32,
    /// Some of its input was said.
    begun: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Where usage was asked for, every chunk has the member; only the last one's says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<ChatUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Said<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
}

impl Completion {
    pub(super) fn new(include_usage: bool, tier: Option<Tier>) -> Self {
        Self {
            include_usage,
            tier,
            id: String::new(),
            model: String::new(),
            created: 0,
            begun: false,
            calls: BTreeMap::new(),
        }
    }

    fn emit(&self, choices: &[Choice<'_>], usage: Option<ChatUsage>, sink: &mut impl Sink) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage: self.include_usage.then_some(usage),
            service_tier: self.tier.map(tier),
        };
        sink.emit(None, &chunk);
    }

    fn say(&mut self, delta: Said<'_>, sink: &mut impl Sink) {
        self.open(sink);
        self.emit(
            &[Choice { index: 0, delta, logprobs: (), finish_reason: None, stop_reason: None }],
            None,
            sink,
        );
    }

    /// The first chunk says who speaks.
    fn open(&mut self, sink: &mut impl Sink) {
        if !std::mem::replace(&mut self.begun, true) {
            let delta = Said {
                role: Some("assistant"),
                content: Text::Piece(""),
                refusal: Text::Null(()),
                ..Said::default()
            };
            self.emit(
                &[Choice { index: 0, delta, logprobs: (), finish_reason: None, stop_reason: None }],
                None,
                sink,
            );
        }
    }

    fn call(&mut self, index: u32, id: &str, name: &str, sink: &mut impl Sink) {
        let number = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        self.calls.insert(index, Progress { number, begun: false });
        let call = Call {
            index: Some(number),
            id: Some(id),
            kind: Some("function"),
            function: Function { name: Some(name), arguments: "" },
        };
        self.say(Said { tool_calls: vec![call], ..Said::default() }, sink);
    }

    fn input(&mut self, index: u32, arguments: &str, sink: &mut impl Sink) {
        let Some(progress) = self.calls.get_mut(&index) else { return };
        progress.begun = true;
        let call = Call {
            index: Some(progress.number),
            id: None,
            kind: None,
            function: Function { name: None, arguments },
        };
        self.say(Said { tool_calls: vec![call], ..Said::default() }, sink);
    }
}

impl Native for Completion {
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, _latency: Duration) -> Vec<u8> {
        crate::json::encode(&Whole::new(head, answer, self.tier))
    }

    fn begin(&mut self, head: &AnswerHead, _sink: &mut impl Sink) {
        self.id = id(head);
        self.model = head.model.as_str().to_owned();
        self.created = head.created_s;
    }

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        match event {
            Event::Text { text, .. } => {
                self.say(Said { content: Text::Piece(text), ..Said::default() }, sink);
            }
            Event::Reasoning { text, .. } => {
                self.say(Said { reasoning_content: Some(text.into()), ..Said::default() }, sink);
            }
            Event::BlockStart { index, kind: BlockKind::ToolUse { id, name } } => {
                self.call(*index, id, name, sink);
            }
            Event::ToolInput { index, fragment } => self.input(*index, fragment, sink),
            // Clients parse the arguments, so a call without any says so.
            Event::BlockStop { index } if self.calls.get(index).is_some_and(|call| !call.begun) => {
                self.input(*index, "{}", sink);
            }
            Event::BlockStart { .. }
            | Event::BlockStop { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Citation { .. }
            | Event::Verbatim(_)
            | Event::Vector { .. }
            | Event::Finish(_) => {}
        }
    }

    fn finish(&mut self, finish: &Finish, _latency: Duration, sink: &mut impl Sink) {
        self.open(sink);
        let last = Choice {
            index: 0,
            delta: Said::default(),
            logprobs: (),
            finish_reason: Some(finish_reason(finish.reason)),
            stop_reason: finish.stop_sequence.as_deref(),
        };
        self.emit(&[last], None, sink);
        if self.include_usage {
            self.emit(&[], Some(ChatUsage::of(&finish.usage)), sink);
        }
        sink.done();
    }

    fn fault(&mut self, fault: &Fault, sink: &mut impl Sink) {
        sink.emit(None, &Body::of(fault));
    }
}
