use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, BlockKind, Content, Event, Fault, Finish, Json, ReasoningText, ToolUse};
use serde::Serialize;

use super::echo::Echo;
use super::response::{Item, Part, Response, hex};
use crate::AnswerHead;
use crate::native::{Native, Sink};

/// Says an answer as a response object, or as the typed events of one.
pub(super) struct Responses {
    echo: Echo,
    head: Option<AnswerHead>,
    sequence: u64,
    /// Blocks that are open, by canon's number, with their place in the output and what they hold so far.
    open: BTreeMap<u32, (usize, Held)>,
    /// Items by their place in the output; those still open are missing.
    output: BTreeMap<usize, Item>,
    begun: usize,
}

/// What a block holds so far.
enum Held {
    Text(String),
    Reasoning(ReasoningText),
    Sealed(Vec<u8>),
    Call { id: String, name: String, input: String },
}

impl Held {
    fn content(&self) -> Content {
        match self {
            Self::Text(text) => Content::Text(text.clone()),
            Self::Reasoning(reasoning) => Content::Reasoning(reasoning.clone()),
            Self::Sealed(data) => Content::RedactedReasoning(Bytes::copy_from_slice(data)),
            Self::Call { id, name, input } => Content::ToolUse(ToolUse {
                id: id.clone(),
                name: name.clone(),
                input: Json::from_text(input.as_str()),
            }),
        }
    }
}

/// An event: its type and number, and what it says.
#[derive(Serialize)]
struct Numbered<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    sequence_number: u64,
    #[serde(flatten)]
    says: T,
}

#[derive(Serialize)]
struct OfResponse<'a> {
    response: Response<'a>,
}

#[derive(Serialize)]
struct OfItem<'a> {
    output_index: usize,
    item: &'a Item,
}

/// An event within an item. Calls have no parts, so no index of one.
#[derive(Serialize)]
struct Within<'a, T> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    #[serde(flatten)]
    says: T,
}

#[derive(Serialize)]
struct OfPart<'a> {
    part: &'a Part,
}

#[derive(Serialize)]
struct TextDelta<'a> {
    delta: &'a str,
    logprobs: [(); 0],
}

#[derive(Serialize)]
struct TextDone<'a> {
    text: &'a str,
    logprobs: [(); 0],
}

#[derive(Serialize)]
struct PlainDelta<'a> {
    delta: &'a str,
}

#[derive(Serialize)]
struct ReasoningDone<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct ArgumentsDone<'a> {
    arguments: &'a str,
}

impl Responses {
    pub(super) fn new(echo: Echo) -> Self {
        Self { echo, head: None, sequence: 0, open: BTreeMap::new(), output: BTreeMap::new(), begun: 0 }
    }

    fn hex(&self) -> String {
        self.head.as_ref().map(hex).unwrap_or_default()
    }

    fn emit(&mut self, kind: &str, says: impl Serialize, sink: &mut impl Sink) {
        sink.emit(Some(kind), &Numbered { kind, sequence_number: self.sequence, says });
        self.sequence += 1;
    }

    fn within(
        &mut self,
        kind: &str,
        (item_id, output_index): (&str, usize),
        says: impl Serialize,
        sink: &mut impl Sink,
    ) {
        let content_index = (!kind.contains("function_call")).then_some(0);
        self.emit(kind, Within { item_id, output_index, content_index, says }, sink);
    }

    fn start(&mut self, index: u32, kind: &BlockKind, sink: &mut impl Sink) {
        let place = self.begun;
        self.begun += 1;
        let held = match kind {
            BlockKind::Text => Held::Text(String::new()),
            BlockKind::Reasoning => Held::Reasoning(ReasoningText::default()),
            BlockKind::ToolUse { id, name } => {
                Held::Call { id: id.clone(), name: name.clone(), input: String::new() }
            }
        };
        if let Some(item) = Item::of(&held.content(), &self.hex(), place) {
            let part = item.part().cloned();
            let item = item.announced();
            self.emit("response.output_item.added", OfItem { output_index: place, item: &item }, sink);
            if let Some(part) = part {
                self.within("response.content_part.added", (item.id(), place), OfPart { part: &part }, sink);
            }
        }
        self.open.insert(index, (place, held));
    }

    fn stop(&mut self, index: u32, sink: &mut impl Sink) {
        let Some((place, mut held)) = self.open.remove(&index) else { return };
        if let Held::Call { input, .. } = &mut held
            && input.trim().is_empty()
        {
            "{}".clone_into(input);
        }
        let Some(item) = Item::of(&held.content(), &self.hex(), place) else { return };
        let at = (item.id(), place);
        match &held {
            Held::Text(text) => {
                self.within("response.output_text.done", at, TextDone { text, logprobs: [] }, sink);
            }
            Held::Reasoning(all) if !all.text.is_empty() => {
                self.within("response.reasoning_text.done", at, ReasoningDone { text: &all.text }, sink);
            }
            Held::Call { input, .. } => {
                let says = ArgumentsDone { arguments: input };
                self.within("response.function_call_arguments.done", at, says, sink);
            }
            Held::Reasoning(_) | Held::Sealed(_) => {}
        }
        if let Some(part) = item.part() {
            self.within("response.content_part.done", at, OfPart { part }, sink);
        }
        self.emit("response.output_item.done", OfItem { output_index: place, item: &item }, sink);
        self.output.insert(place, item);
    }

    fn id(&self, prefix: &str, place: usize) -> String {
        format!("{prefix}_{}_{place}", self.hex())
    }

    fn text(&mut self, index: u32, delta: &str, sink: &mut impl Sink) {
        let Some((place, Held::Text(text))) = self.open.get_mut(&index) else { return };
        text.push_str(delta);
        let place = *place;
        let says = TextDelta { delta, logprobs: [] };
        self.within("response.output_text.delta", (&self.id("msg", place), place), says, sink);
    }

    /// A part of reasoning is announced with its first words: there may be none.
    fn reasoning(&mut self, index: u32, delta: &str, sink: &mut impl Sink) {
        let Some((place, Held::Reasoning(all))) = self.open.get_mut(&index) else { return };
        let first = all.text.is_empty();
        all.text.push_str(delta);
        let place = *place;
        let id = self.id("rs", place);
        if first {
            let part = &Part::ReasoningText { text: String::new() };
            self.within("response.content_part.added", (&id, place), OfPart { part }, sink);
        }
        self.within("response.reasoning_text.delta", (&id, place), PlainDelta { delta }, sink);
    }

    fn input(&mut self, index: u32, delta: &str, sink: &mut impl Sink) {
        let Some((place, Held::Call { input, .. })) = self.open.get_mut(&index) else { return };
        input.push_str(delta);
        let place = *place;
        let kind = "response.function_call_arguments.delta";
        self.within(kind, (&self.id("fc", place), place), PlainDelta { delta }, sink);
    }

    /// Ends every block; yields the output, once.
    fn close(&mut self, sink: &mut impl Sink) -> Option<(AnswerHead, Vec<Item>)> {
        while let Some((&index, _)) = self.open.first_key_value() {
            self.stop(index, sink);
        }
        Some((self.head.take()?, std::mem::take(&mut self.output).into_values().collect()))
    }
}

/// A response as an event of that kind.
fn emit_response(kind: &str, sequence_number: u64, response: Response<'_>, sink: &mut impl Sink) {
    sink.emit(Some(kind), &Numbered { kind, sequence_number, says: OfResponse { response } });
}

impl Native for Responses {
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, _latency: Duration) -> Vec<u8> {
        let hex = hex(head);
        let output: Vec<Item> = (0..)
            .zip(&answer.content)
            .filter_map(|(index, content)| Item::of(content, &hex, index))
            .collect();
        crate::json::encode(&Response::ended(head, &self.echo, &output, &answer.finish))
    }

    fn begin(&mut self, head: &AnswerHead, sink: &mut impl Sink) {
        for kind in ["response.created", "response.in_progress"] {
            emit_response(kind, self.sequence, Response::begun(head, &self.echo), sink);
            self.sequence += 1;
        }
        self.head = Some(head.clone());
    }

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        match event {
            Event::BlockStart { index, kind } => self.start(*index, kind, sink),
            Event::Text { index, text } => self.text(*index, text, sink),
            Event::Reasoning { index, text } => self.reasoning(*index, text, sink),
            Event::ToolInput { index, fragment } => self.input(*index, fragment, sink),
            Event::Signature { index, signature } => {
                if let Some((_, Held::Reasoning(all))) = self.open.get_mut(index) {
                    all.signature.get_or_insert_default().push_str(signature);
                }
            }
            Event::Redacted { index, data } => match self.open.get_mut(index) {
                Some((_, Held::Sealed(all))) => all.extend_from_slice(data),
                Some((_, held)) => *held = Held::Sealed(data.to_vec()),
                None => {}
            },
            Event::BlockStop { index } => self.stop(*index, sink),
            Event::Citation { .. } | Event::Vector { .. } | Event::Verbatim(_) | Event::Finish(_) => {}
        }
    }

    fn finish(&mut self, finish: &Finish, _latency: Duration, sink: &mut impl Sink) {
        let Some((head, output)) = self.close(sink) else { return };
        let response = Response::ended(&head, &self.echo, &output, finish);
        emit_response(response.event(), self.sequence, response, sink);
    }

    fn fault(&mut self, fault: &Fault, sink: &mut impl Sink) {
        let Some((head, output)) = self.close(sink) else { return };
        let response = Response::failed(&head, &self.echo, &output, fault);
        emit_response(response.event(), self.sequence, response, sink);
    }
}
