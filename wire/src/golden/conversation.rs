//! The canonical conversation: everything that canon can say, once.

use bytes::Bytes;
use canon::{
    Answer, Blob, BlockKind, Citation, Content, Document, DocumentSource, Event, Finish, Json, Media,
    MediaKind, Message, ModelId, OutputFormat, ReasoningText, Request, Role, Span, StopReason, Tool,
    ToolChoice, ToolOutcome, ToolUse, Usage,
};

use crate::AnswerHead;

/// A part of the conversation that some formats cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Image,
    Document,
    Reasoning,
    RedactedReasoning,
    Citations,
    Tools,
    JsonResult,
    CachePoint,
    Schema,
    Seed,
    TopK,
    Penalties,
}

pub(crate) const PARTS: [Part; 12] = [
    Part::Image,
    Part::Document,
    Part::Reasoning,
    Part::RedactedReasoning,
    Part::Citations,
    Part::Tools,
    Part::JsonResult,
    Part::CachePoint,
    Part::Schema,
    Part::Seed,
    Part::TopK,
    Part::Penalties,
];

pub(crate) const MODEL: &str = "example.model-v1:0";

/// The conversation with some of its parts.
pub(crate) fn request(parts: &[Part]) -> Request {
    let has = |part| parts.contains(&part);
    let mut request = Request::new(ModelId::new(MODEL));
    request.system = vec![text("You are a careful guide.")];
    if has(Part::CachePoint) {
        request.system.push(Content::CachePoint { long: false });
    }
    let mut question = vec![text("What is the weather in Paris and in Rome?\nBe brief, \"please\" ☂.")];
    if has(Part::Image) {
        let source = Blob::Bytes(Bytes::from_static(b"\x89PNG not really"));
        question.push(Content::Media(Media { kind: MediaKind::Image, format: "png".into(), source }));
    }
    if has(Part::Document) {
        question.push(Content::Document(Document {
            format: "txt".into(),
            name: "Almanac".into(),
            source: DocumentSource::Text("Paris: rain. Rome: sun.".into()),
            context: None,
            cite: true,
        }));
    }
    request.messages.push(Message { role: Role::User, content: question });
    if has(Part::Tools) {
        tool_turns(&mut request, has(Part::Reasoning), has(Part::JsonResult));
    }
    request.messages.push(Message { role: Role::Assistant, content: earlier_answer(parts) });
    request.messages.push(Message { role: Role::User, content: vec![text("And tomorrow?")] });
    let sampling = &mut request.sampling;
    sampling.max_tokens = Some(256);
    sampling.temperature = Some(0.5);
    sampling.top_p = Some(0.875);
    sampling.stop = vec!["END".into()];
    sampling.seed = has(Part::Seed).then_some(7);
    sampling.top_k = has(Part::TopK).then_some(40);
    sampling.presence_penalty = has(Part::Penalties).then_some(0.25);
    sampling.frequency_penalty = has(Part::Penalties).then_some(-0.25);
    if has(Part::Schema) {
        let schema = r#"{"type":"object","properties":{"rain":{"type":"boolean"}},"required":["rain"],"additionalProperties":false}"#;
        request.output = OutputFormat::JsonSchema {
            name: Some("forecast".into()),
            description: None,
            schema: Json::from_text(schema),
        };
    }
    request
}

/// Two calls at once, and their results: one that worked and one that did not.
fn tool_turns(request: &mut Request, reasoning: bool, json: bool) {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    request.tools.list = vec![Tool {
        name: "get_weather".into(),
        description: Some("The weather of a city.".into()),
        schema: Json::from_text(schema),
        strict: false,
    }];
    request.tools.choice = ToolChoice::Any;
    let mut content = Vec::new();
    if reasoning {
        content.push(reasoned());
    }
    content.extend([text("I shall look."), call("call_1", "Paris"), call("call_2", "Rome")]);
    request.messages.push(Message { role: Role::Assistant, content });
    let said = if json { Content::Json(Json::from_text(r#"{"sky":"rain"}"#)) } else { text("rain") };
    let result =
        |id: &str, content, outcome| Content::ToolResult { id: id.into(), content: vec![content], outcome };
    request.messages.push(Message {
        role: Role::User,
        content: vec![
            result("call_1", said, ToolOutcome::Success),
            result("call_2", text("no such station"), ToolOutcome::Error),
        ],
    });
}

fn earlier_answer(parts: &[Part]) -> Vec<Content> {
    let mut content = Vec::new();
    if parts.contains(&Part::RedactedReasoning) {
        content.push(Content::RedactedReasoning(Bytes::from_static(b"sealed")));
    }
    if parts.contains(&Part::Citations) {
        content.push(Content::Cited { text: "It rains in Paris.".into(), citations: vec![citation()] });
    } else {
        content.push(text("It rains in Paris."));
    }
    content
}

/// An answer with everything that a model can write.
pub(crate) fn answer(parts: &[Part]) -> Answer {
    let has = |part| parts.contains(&part);
    let mut content = Vec::new();
    if has(Part::Reasoning) {
        content.push(reasoned());
    }
    if has(Part::RedactedReasoning) {
        content.push(Content::RedactedReasoning(Bytes::from_static(b"sealed")));
    }
    if has(Part::Citations) {
        content.push(Content::Cited { text: "It will rain.".into(), citations: vec![citation()] });
    } else {
        content.push(text("It will rain."));
    }
    let mut reason = StopReason::EndTurn;
    if has(Part::Tools) {
        content.extend([call("call_3", "Paris"), call("call_4", "Rome")]);
        reason = StopReason::ToolUse;
    }
    let usage =
        Usage { input: 100, cache_read: 40, cache_write_5m: 20, cache_write_1h: 3, output: 25, reasoning: 0 };
    Answer { content, vectors: Vec::new(), finish: Finish::new(reason, usage) }
}

/// The same answer step by step, its texts and inputs in two pieces.
pub(crate) fn events(answer: &Answer) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, content) in (0_u32..).zip(&answer.content) {
        let kind = match content {
            Content::ToolUse(call) => BlockKind::ToolUse { id: call.id.clone(), name: call.name.clone() },
            Content::Reasoning(_) | Content::RedactedReasoning(_) => BlockKind::Reasoning,
            _ => BlockKind::Text,
        };
        events.push(Event::BlockStart { index, kind });
        match content {
            Content::Text(text) => {
                events.extend(halves(text).map(|text| Event::Text { index, text }));
            }
            Content::Cited { text, citations } => {
                events.extend(halves(text).map(|text| Event::Text { index, text }));
                events.extend(
                    citations.iter().map(|citation| Event::Citation { index, citation: citation.clone() }),
                );
            }
            Content::Reasoning(reasoning) => {
                events.extend(halves(&reasoning.text).map(|text| Event::Reasoning { index, text }));
                events.extend(
                    reasoning.signature.iter().map(|s| Event::Signature { index, signature: s.clone() }),
                );
            }
            Content::RedactedReasoning(data) => events.push(Event::Redacted { index, data: data.clone() }),
            Content::ToolUse(call) => {
                events.extend(halves(call.input.text()).map(|fragment| Event::ToolInput { index, fragment }));
            }
            other => panic!("no model writes {other:?}"),
        }
        events.push(Event::BlockStop { index });
    }
    events.push(Event::Finish(answer.finish.clone()));
    events
}

pub(crate) fn head() -> AnswerHead {
    AnswerHead {
        request_id: "6a3e2c1f-0f6e-4a5b-9d7a-1c2b3d4e5f60".into(),
        model: ModelId::new(MODEL),
        created_s: 1_795_000_000,
    }
}

fn text(text: &str) -> Content {
    Content::Text(text.into())
}

fn reasoned() -> Content {
    Content::Reasoning(ReasoningText {
        text: "Two cities, two calls.".into(),
        signature: Some("c2lnbmVk".into()),
    })
}

fn call(id: &str, city: &str) -> Content {
    let input = Json::from_text(format!(r#"{{"city":"{city}"}}"#));
    Content::ToolUse(ToolUse { id: id.into(), name: "get_weather".into(), input })
}

fn citation() -> Citation {
    Citation {
        title: Some("Almanac".into()),
        source: None,
        quoted: vec!["Paris: rain.".into()],
        span: Some(Span::Chars { document: 0, start: 0, end: 12 }),
    }
}

fn halves(text: &str) -> impl Iterator<Item = String> {
    let middle = text.len() / 2;
    let cut = (middle..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    [text[..cut].to_owned(), text[cut..].to_owned()].into_iter()
}
