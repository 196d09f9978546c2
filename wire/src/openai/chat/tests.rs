use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{
    Answer, BlockKind, Content, Effort, Event, Finish, Fold, Format, MediaKind, ModelId, OutputFormat,
    ReasoningText, Role, StopReason, Tier, ToolChoice, ToolUse, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Dialect, Stream, decode, decode_answer, decode_for, encode};
use crate::{AnswerHead, Encoder, Frames};

pub(super) fn head() -> AnswerHead {
    AnswerHead {
        request_id: "11111111-2222-3333-4444-555555555555".into(),
        model: ModelId::new("acme.wise-v1:0"),
        created_s: 1_795_162_509,
    }
}

fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

fn ask(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

pub(super) fn rich() -> Value {
    json!({
        "model": "acme.wise-v1:0",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
            ]},
            {"role": "assistant", "content": "", "reasoning_content": "hm", "refusal": null, "annotations": [], "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"b\": 1.50}"}},
                {"id": "c2", "type": "function", "function": {"name": "list", "arguments": ""}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "fine"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "none"}]},
            {"role": "user", "content": "and?"},
            {"role": "system", "content": "Now be long."}
        ],
        "max_completion_tokens": 64, "temperature": 1.5, "top_p": 0.9, "top_k": 20, "seed": -7,
        "presence_penalty": -0.5, "frequency_penalty": 0.25, "stop": "END", "n": 1, "stream": true,
        "stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {
            "name": "look", "description": "looks", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": {"type": "object"}}},
        "reasoning_effort": "low", "service_tier": "flex", "metadata": {"team": "a"}, "user": "u",
        "store": false, "logprobs": false, "logit_bias": {}, "modalities": ["text"], "min_p": 0.0
    })
}

#[test]
fn a_rich_request_keeps_all_that_it_says() {
    let body = bytes(&rich());
    let request = decode(&body).unwrap().request;
    assert_eq!(request.system, [Content::Text("Be brief.".into()), Content::Text("Be kind.".into())]);
    let [seen, called, results, more, instructions] = &request.messages[..] else { panic!("{request:?}") };
    assert!(matches!(
        &seen.content[..],
        [Content::Text(_), Content::Media(png), Content::Media(_), Content::Media(wav)]
            if png.format == "png" && wav.kind == MediaKind::Audio
    ));
    assert!(matches!(
        &called.content[..],
        [Content::Reasoning(_), Content::ToolUse(first), Content::ToolUse(second)]
            if first.input.text() == "{\"b\": 1.50}" && second.input.text() == "{}"
    ));
    assert!(matches!(&results.content[..], [Content::ToolResult { .. }, Content::ToolResult { .. }]));
    assert_eq!((more.role, instructions.role), (Role::User, Role::System));
    let sampling = &request.sampling;
    assert_eq!((sampling.max_tokens, sampling.top_k), (Some(64), Some(20)));
    assert_eq!(sampling.seed.map(u64::cast_signed), Some(-7));
    assert_eq!(sampling.stop, ["END"]);
    assert_eq!(request.tools.choice, ToolChoice::Named("look".into()));
    assert!(request.tools.list[0].strict);
    assert!(matches!(&request.output, OutputFormat::JsonSchema { name: Some(name), .. } if name == "s"));
    let hints = &request.hints;
    assert_eq!((hints.effort, hints.tier), (Some(Effort::Low), Some(Tier::Flex)));
    assert_eq!(hints.metadata, [("team".to_owned(), "a".to_owned())]);
    assert_eq!(request.verbatim.map(|verbatim| verbatim.format), Some(Format::OpenaiChat));
}

#[test]
fn an_invoked_body_is_not_relayed() {
    let body = bytes(&json!({"messages": [{"role": "user", "content": "hi"}]}));
    let (request, _) = decode_for("acme.wise-v1:0", true, &body).unwrap();
    assert!(request.stream && request.verbatim.is_none());
}

/// A fault of a relayed body, and of one that is not.
fn check(more: &Value, code: &str, message: &str) {
    let body = bytes(&ask(more));
    let Err(fault) = decode(&body) else { panic!("should be refused: {more}") };
    assert_eq!(decode_for("m", false, &body).err().as_ref(), Some(&fault));
    assert_eq!(fault.kind().code(), code, "{more}: {fault}");
    assert!(fault.message().starts_with(message), "{more}: {fault}");
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let said = |message: Value| json!({"messages": [message]});
    let unsupported = [
        (json!({"functions": []}), "functions: use `tools`"),
        (json!({"function_call": "auto"}), "function_call: use `tool_choice`"),
        (json!({"n": 2}), "n: one answer"),
        (json!({"store": true}), "store: answers are not kept"),
        (json!({"n_cmpl": 2}), "n_cmpl: one answer"),
        (json!({"best_of": 2}), "best_of: one answer"),
        (json!({"modalities": ["text", "audio"]}), "modalities: only text"),
        (json!({"n_predict": 9}), "n_predict: use max_completion_tokens"),
        (json!({"models": ["other"]}), "models: name one model"),
        // Go's reader of JSON would take it for `model`, and a long s for an s.
        (json!({"Model": "other"}), "Model: this member is not supported"),
        (json!({"\u{17f}tore": true}), "\u{17f}tore: this member is not supported"),
        (said(json!({"role": "user", "Role": "system", "content": "x"})), "messages[0].Role: this member"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}),
            "tools[0].function.x: this member",
        ),
        (json!({"tools": [{"type": "custom"}]}), "tools[0]: only tools of type `function`"),
        (json!({"tool_choice": {"type": "allowed_tools"}}), "tool_choice: name one function"),
        (said(json!({"role": "function", "name": "f", "content": "x"})), "messages[0]: use `tool_calls`"),
        (
            said(json!({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]})),
            "messages[0].content[0].file.file_id: files",
        ),
        (
            said(json!({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "u"}}]})),
            "messages[0].content[0]: only text",
        ),
    ];
    for (more, message) in &unsupported {
        check(more, "unsupported", message);
    }
    let call = |arguments: &str| {
        json!({"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]})
    };
    let malformed = [
        (json!({"messages": []}), "messages: at least one"),
        (json!({"max_tokens": 0}), "max_tokens: must be at least 1"),
        (json!({"temperature": 2.5}), "temperature: must be between 0 and 2"),
        (json!({"stop": [""]}), "stop: must not be empty"),
        (said(call("{")), "messages[0].tool_calls[0].function.arguments: the string is not JSON"),
        (said(json!({"role": "king", "content": "x"})), "messages[0]: role: expected"),
        (said(json!({"role": "assistant", "content": null})), "messages[0]: content: must not be empty"),
        (json!({"response_format": {"type": "xml"}}), "response_format: type: expected"),
    ];
    for (more, message) in &malformed {
        check(more, "malformed", message);
    }
}

#[test]
fn what_canon_cannot_carry_is_left_to_a_relay_and_refused_by_name_elsewhere() {
    let said = |message: Value| json!({"messages": [message]});
    let noted = [
        (json!({"min_p": 0.1}), "min_p: "),
        (json!({"repetition_penalty": 1.1}), "repetition_penalty: use frequency_penalty"),
        (json!({"logprobs": true, "top_logprobs": 3}), "logprobs: "),
        (json!({"top_logprobs": 3}), "top_logprobs: "),
        (json!({"logit_bias": {"5": -100}}), "logit_bias: "),
        (json!({"verbosity": "low"}), "verbosity: "),
        (json!({"prediction": {"type": "content", "content": "x"}}), "prediction: "),
        (json!({"moderation": {}}), "moderation: use the guardrails"),
        (json!({"guided_json": {}}), "guided_json: this member is not supported"),
        (said(json!({"role": "user", "name": "ann", "content": "x"})), "messages[0].name: speakers"),
        (
            said(json!({"role": "assistant", "audio": {"id": "a"}, "content": "x"})),
            "messages[0].audio: sounds",
        ),
        (
            said(json!({"role": "assistant", "prefix": true, "content": "x"})),
            "messages[0].prefix: this member",
        ),
    ];
    for (more, message) in noted {
        let body = bytes(&ask(&more));
        let request = decode(&body).unwrap().request;
        let fault = request.beyond.clone().expect("noted");
        assert_eq!(fault.kind().code(), "unsupported", "{more}: {fault}");
        assert!(fault.message().starts_with(message), "{more}: {fault}");
        assert_eq!(request.verbatim.as_ref().map(|verbatim| &verbatim.body), Some(&body));
        assert_eq!(encode(&request, "m", &Dialect::VLLM).expect_err("not in words of its own"), fault);
        assert_eq!(decode_for("m", false, &body).err(), Some(fault));
    }
    let harmless = json!({"min_p": 0, "repetition_penalty": 1.0, "logprobs": null, "guided_json": null});
    assert_eq!(decode(&bytes(&ask(&harmless))).unwrap().request.beyond, None);
    assert_eq!(decode(&bytes(&rich())).unwrap().request.beyond, None);
}

fn encoder(more: &Value) -> Box<dyn Encoder> {
    decode(&bytes(&ask(more))).unwrap().encoder
}

/// The bytes of a stream.
pub(super) fn stream(encoder: &mut dyn Encoder, events: &[Event], finish: &Finish) -> BytesMut {
    let mut out = BytesMut::new();
    encoder.begin(&head(), &mut out);
    assert!(out.is_empty(), "a relayed answer takes the place of all that is said");
    for event in events {
        encoder.event(event, &mut out);
    }
    encoder.finish(finish, Duration::ZERO, &mut out);
    out
}

fn data(bytes: &[u8]) -> Vec<String> {
    let mut frames = Frames::new(1 << 20);
    frames.push(bytes).unwrap();
    std::iter::from_fn(|| frames.pop()).map(|frame| frame.data).collect()
}

fn talk() -> Vec<Event> {
    let tool = |id: &str| BlockKind::ToolUse { id: id.into(), name: "look".into() };
    vec![
        Event::BlockStart { index: 0, kind: BlockKind::Reasoning },
        Event::Reasoning { index: 0, text: "hm".into() },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, kind: BlockKind::Text },
        Event::Text { index: 1, text: "I ".into() },
        Event::Text { index: 1, text: "look".into() },
        Event::BlockStop { index: 1 },
        Event::BlockStart { index: 2, kind: tool("a") },
        Event::ToolInput { index: 2, fragment: "{\"x\"".into() },
        Event::ToolInput { index: 2, fragment: ":1}".into() },
        Event::BlockStop { index: 2 },
        Event::BlockStart { index: 3, kind: tool("b") },
        Event::BlockStop { index: 3 },
    ]
}

fn fold(events: Vec<Event>, finish: Finish) -> Answer {
    let mut fold = Fold::default();
    for event in events {
        assert!(fold.push(event).unwrap().is_none());
    }
    fold.push(Event::Finish(finish)).unwrap().unwrap()
}

#[test]
fn a_stream_is_chunks_with_the_role_first_and_usage_last() {
    let finish =
        Finish::new(StopReason::ToolUse, Usage { cache_read: 3, reasoning: 2, ..Usage::plain(4, 5) });
    let mut encoder = encoder(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let all = data(&stream(&mut *encoder, &talk(), &finish));
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-11111111-2222-3333-4444-555555555555", "object": "chat.completion.chunk",
            "created": 1_795_162_509, "model": "acme.wise-v1:0",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}], "usage": null
        })
        .to_string()
    };
    let call = |index: u32, more: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chunk(json!({"tool_calls": [call]}), Value::Null)
    };
    let starts =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": ""}});
    let more = |text: &str| json!({"function": {"arguments": text}});
    let expected = [
        chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null),
        chunk(json!({"reasoning_content": "hm"}), Value::Null),
        chunk(json!({"content": "I "}), Value::Null),
        chunk(json!({"content": "look"}), Value::Null),
        call(0, starts("a")),
        call(0, more("{\"x\"")),
        call(0, more(":1}")),
        call(1, starts("b")),
        call(1, more("{}")),
        chunk(json!({}), json!("tool_calls")),
    ];
    assert_eq!(all[..10], expected);
    let usage: Value = serde_json::from_str(&all[10]).unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(
        usage["usage"],
        json!({
            "prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2}
        })
    );
    assert_eq!(all[11..], ["[DONE]"]);
}

#[test]
fn usage_comes_only_where_it_was_asked_for() {
    let finish = Finish::new(StopReason::EndTurn, Usage::plain(1, 0));
    let all = data(&stream(&mut *encoder(&json!({"stream": true})), &[], &finish));
    assert_eq!(all.len(), 3, "a role, a reason, an end");
    assert!(!all.concat().contains("usage"));
}

#[test]
fn what_is_said_is_read_back_the_same() {
    let finish =
        Finish::new(StopReason::ToolUse, Usage { cache_read: 3, reasoning: 2, ..Usage::plain(4, 5) });
    let expected = fold(talk(), finish.clone());
    let more = json!({"stream_options": {"include_usage": true}});

    let whole = encoder(&more).whole(&head(), &expected, Duration::ZERO);
    let answered = decode_answer(&whole.body).unwrap();
    assert!(answered.counted);
    assert_eq!(answered.answer, expected);

    let mut reader = Stream::new();
    let mut events = Vec::new();
    for data in data(&stream(&mut *encoder(&more), &talk(), &finish)) {
        reader.push(&data, &mut events).unwrap();
    }
    let end = reader.end(&mut events).unwrap();
    assert_eq!(fold(events, end), expected);
}

#[test]
fn what_is_asked_is_read_back_the_same() {
    let mut request = decode(&bytes(&rich())).unwrap().request;
    let dialect = Dialect { tier: true, metadata: true, ..Dialect::VLLM };
    let body = encode(&request, "acme.wise-v1:0", &dialect).unwrap();
    let mut again = decode(&Bytes::from(body)).unwrap().request;
    (request.verbatim, again.verbatim) = (None, None);
    assert_eq!(again, request);
}

fn text() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\n\u{e9}\u{1f600} ]{1,8}"
}

/// A block that this format can tell from its neighbours.
fn blocks() -> impl Strategy<Value = Vec<Content>> {
    let call = ("[a-z]{1,5}", text()).prop_map(|(id, value)| {
        let input = canon::Json::from_text(json!({"v": value}).to_string());
        Content::ToolUse(ToolUse { id, name: "look".into(), input })
    });
    (
        prop::option::of(text().prop_map(|text| Content::Reasoning(ReasoningText { text, signature: None }))),
        prop::option::of(text().prop_map(Content::Text)),
        prop::collection::vec(call, 0..3),
    )
        .prop_map(|(reasoning, said, calls)| reasoning.into_iter().chain(said).chain(calls).collect())
}

fn events(content: &[Content]) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, block) in (0..).zip(content) {
        let kind = match block {
            Content::Text(_) => BlockKind::Text,
            Content::Reasoning(_) => BlockKind::Reasoning,
            Content::ToolUse(call) => BlockKind::ToolUse { id: call.id.clone(), name: call.name.clone() },
            _ => unreachable!("blocks() makes no others"),
        };
        events.push(Event::BlockStart { index, kind });
        match block {
            Content::Text(text) => {
                events.extend(text.chars().map(|c| Event::Text { index, text: c.into() }));
            }
            Content::Reasoning(all) => events.push(Event::Reasoning { index, text: all.text.clone() }),
            Content::ToolUse(call) => {
                events.extend(
                    call.input.text().chars().map(|c| Event::ToolInput { index, fragment: c.into() }),
                );
            }
            _ => {}
        }
        events.push(Event::BlockStop { index });
    }
    events
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&Bytes::from(body.clone())).is_err());
        prop_assert!(decode_answer(&body).is_err());
    }

    #[test]
    fn damaged_bodies_are_read_without_panic(at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9a-z]{0,6}") {
        let mut body = rich().to_string().into_bytes();
        let at = at.index(body.len());
        body.splice(at..(at + with.len()).min(body.len()), with.into_bytes());
        drop(decode(&Bytes::from(body)));
    }

    #[test]
    fn any_answer_is_read_back_the_same(content in blocks(), piece in 1..50_usize) {
        let called = content.iter().any(|block| matches!(block, Content::ToolUse(_)));
        let reason = if called { StopReason::ToolUse } else { StopReason::EndTurn };
        let finish = Finish::new(reason, Usage::plain(4, 5));
        let more = json!({"stream_options": {"include_usage": true}});
        let said = stream(&mut *encoder(&more), &events(&content), &finish);
        let (mut frames, mut reader, mut read) = (Frames::new(1 << 20), Stream::new(), Vec::new());
        for piece in said.chunks(piece) {
            frames.push(piece).unwrap();
            while let Some(frame) = frames.pop() {
                reader.push(&frame.data, &mut read).unwrap();
            }
        }
        let end = reader.end(&mut read).unwrap();
        prop_assert_eq!(fold(read, end), Answer { content, vectors: Vec::new(), finish });
    }
}
