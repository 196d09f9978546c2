use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{
    Answer, BlockKind, Content, Effort, Event, Finish, Format, ModelId, OutputFormat, Role, StopReason,
    ToolChoice, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{decode, decode_count, decode_for};
use crate::{AnswerHead, Frames};

pub(super) fn head() -> AnswerHead {
    AnswerHead {
        request_id: "11111111-2222-3333-4444-555555555555".into(),
        model: ModelId::new("acme.wise-v1:0"),
        created_s: 1_795_164_909,
    }
}

fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

fn ask(more: &Value) -> Value {
    let mut body = json!({
        "model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// What Claude Code sends, and more.
pub(super) fn rich() -> Value {
    json!({
        "model": "acme.wise-v1:0",
        "max_tokens": 1024,
        "stream": true,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "title": "T", "context": "C", "citations": {"enabled": true},
                 "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                {"type": "search_result", "title": "S", "source": "https://x", "content": [{"type": "text", "text": "r"}]}
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2VhbGVk"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"b": 1.50, "a": "é"}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "is_error": true,
                 "content": [{"type": "text", "text": "no", "cache_control": {"type": "ephemeral"}}]}
            ]},
            {"role": "system", "content": "Now be long."}
        ],
        "tools": [{"name": "look", "description": "looks", "input_schema": {"type": "object"},
                   "cache_control": {"type": "ephemeral"}, "type": "custom"}],
        "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "metadata": {"user_id": "u"},
        "service_tier": "standard_only",
        "stop_sequences": ["END"],
        "temperature": 1, "top_p": 0.5, "top_k": 40,
        "anthropic_beta": ["x-1"],
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    })
}

#[test]
fn a_rich_request_keeps_all_that_it_says() {
    let body = bytes(&rich());
    let request = decode(&body).unwrap().request;
    assert!(request.stream);
    assert_eq!(request.model.as_str(), "acme.wise-v1:0");
    assert_eq!(request.system, [Content::Text("Be brief.".into()), Content::CachePoint { long: true }]);
    let [first, second, third, fourth] = &request.messages[..] else { panic!("four messages") };
    assert!(matches!(
        &first.content[..],
        [Content::Text(_), Content::Media(image), Content::Document(text), Content::Document(found)]
            if image.format == "png" && text.cite && found.context.as_deref() == Some("https://x")
    ));
    assert!(matches!(
        &second.content[..],
        [Content::Reasoning(_), Content::RedactedReasoning(sealed), Content::ToolUse(call)]
            if &sealed[..] == b"sealed" && call.input.text() == r#"{"b":1.5,"a":"é"}"#
    ));
    assert!(matches!(&third.content[..], [Content::ToolResult { .. }, Content::CachePoint { long: false }]));
    assert_eq!(fourth.role, Role::System);
    assert_eq!(request.tools.choice, ToolChoice::Named("look".into()));
    assert_eq!(request.tools.parallel, Some(false));
    assert!(matches!(request.output, OutputFormat::JsonSchema { .. }));
    let hints = &request.hints;
    assert_eq!(
        (hints.effort, hints.thinking_budget, hints.cache_tools),
        (Some(Effort::ExtraHigh), Some(2000), true)
    );
    assert_eq!(request.sampling.stop, ["END"]);
    let verbatim = request.verbatim.unwrap();
    assert_eq!((verbatim.format, verbatim.body), (Format::Anthropic, body));
}

#[test]
fn inputs_and_schemas_keep_their_spelling() {
    let text = r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"i","name":"n","input":{ "z" : 1.50e3, "a":"\u00e9" }}]}]}"#;
    let request = decode(&Bytes::from(text)).unwrap().request;
    let Content::ToolUse(call) = &request.messages[0].content[0] else { panic!("a call") };
    assert_eq!(call.input.text(), r#"{ "z" : 1.50e3, "a":"\u00e9" }"#);
}

#[test]
fn an_invoked_body_needs_neither_model_nor_stream() {
    let body = bytes(&json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]
    }));
    let (request, _) = decode_for("acme.wise-v1:0", true, &body).unwrap();
    assert!(request.stream && request.model.as_str() == "acme.wise-v1:0");
    let count = decode_count(br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#).unwrap();
    assert_eq!(count.sampling.max_tokens, None);
}

fn check(body: &Value, code: &str, message: &str) {
    let Err(fault) = decode(&bytes(body)) else { panic!("should be refused: {body}") };
    assert_eq!(fault.kind().code(), code, "{body}: {fault}");
    assert!(fault.message().starts_with(message), "{body}: {fault}");
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let unsupported = [
        (json!({"container": "c"}), "container: "),
        (json!({"mcp_servers": [{}]}), "mcp_servers: "),
        (
            json!({"tools": [{"type": "bash_20250124", "name": "bash"}]}),
            "tools[0].type: the vendor's own tools",
        ),
        (json!({"frobnicate": 1}), "frobnicate: this member is not supported"),
        (said(json!([{"type": "text", "text": "a", "colour": "red"}])), "messages[0].content[0].colour: "),
        (
            said(json!([{"type": "server_tool_use"}])),
            "messages[0].content[0]: blocks of type `server_tool_use`",
        ),
        (
            said(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}])),
            "messages[0].content[0].source: files",
        ),
        (
            json!({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
            "context_management.edits[0]: ",
        ),
    ];
    for (more, message) in unsupported {
        check(&ask(&more), "unsupported", message);
    }
    let malformed = [
        (json!({"max_tokens": null}), "max_tokens: this member is required"),
        (json!({"max_tokens": 0}), "max_tokens: must be at least 1"),
        (json!({"temperature": 1.5}), "temperature: must be between 0 and 1"),
        (json!({"messages": []}), "messages: at least one"),
        (said(json!([])), "messages[0].content: must not be empty"),
        (said(json!([{"text": "a"}])), "messages[0].content[0].type: this member is required"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice: type: expected"),
    ];
    for (more, message) in malformed {
        check(&ask(&more), "malformed", message);
    }
}

#[test]
fn blocks_do_not_nest_without_end() {
    let depth = 50_000;
    let body = format!(
        r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{}"x"{}}}]}}"#,
        r#"[{"type":"tool_result","tool_use_id":"t","content":"#.repeat(depth),
        "}]".repeat(depth)
    );
    let Err(fault) = decode(&Bytes::from(body)) else { panic!("should be refused") };
    assert!(fault.message().starts_with("messages[0].content[0].content[0]: blocks of type"), "{fault}");
}

/// A stream as `(event, data)`.
fn stream(body: &Value, events: &[Event], finish: &Finish) -> Vec<(String, Value)> {
    let mut encoder = decode(&bytes(body)).unwrap().encoder;
    let mut out = BytesMut::new();
    encoder.prompt(&Usage::plain(7, 0));
    encoder.begin(&head(), &mut out);
    for event in events {
        encoder.event(event, &mut out);
    }
    encoder.finish(finish, Duration::ZERO, &mut out);
    let mut frames = Frames::new(1 << 20);
    frames.push(&out).unwrap();
    std::iter::from_fn(|| frames.pop())
        .map(|frame| (frame.event, serde_json::from_str(&frame.data).unwrap()))
        .collect()
}

#[test]
fn a_stream_numbers_blocks_as_clients_see_them_begin() {
    let text = |index, text: &str| Event::Text { index, text: text.into() };
    let events = [
        Event::BlockStart { index: 0, kind: BlockKind::Reasoning },
        Event::BlockStart { index: 1, kind: BlockKind::Text },
        text(1, "one"),
        Event::Redacted { index: 0, data: Bytes::from_static(b"sea") },
        Event::Redacted { index: 0, data: Bytes::from_static(b"led") },
        Event::BlockStop { index: 1 },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 2, kind: BlockKind::ToolUse { id: "t".into(), name: "n".into() } },
        Event::ToolInput { index: 2, fragment: "{}".into() },
    ];
    let finish =
        Finish::new(StopReason::ToolUse, Usage { cache_read: 3, reasoning: 2, ..Usage::plain(4, 5) });
    let said = stream(&ask(&json!({"stream": true})), &events, &finish);
    let names: Vec<_> = said
        .iter()
        .map(|(name, data)| {
            assert_eq!(name, data["type"].as_str().unwrap());
            format!("{name} {}", data["index"])
        })
        .collect();
    assert_eq!(
        names,
        [
            "message_start null",
            "content_block_start 0",
            "content_block_delta 0",
            "content_block_stop 0",
            "content_block_start 1",
            "content_block_stop 1",
            "content_block_start 2",
            "content_block_delta 2",
            "content_block_stop 2",
            "message_delta null",
            "message_stop null",
        ]
    );
    assert_eq!(said[0].1["message"]["usage"]["input_tokens"], 7);
    assert_eq!(said[4].1["content_block"], json!({"type": "redacted_thinking", "data": "c2VhbGVk"}));
    assert_eq!(said[6].1["content_block"], json!({"type": "tool_use", "id": "t", "name": "n", "input": {}}));
    assert_eq!(
        said[9].1["usage"],
        json!({
            "input_tokens": 4, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 2}
        })
    );
}

#[test]
fn reasoning_is_left_out_where_the_caller_asked_for_that() {
    let events = [
        Event::BlockStart { index: 0, kind: BlockKind::Reasoning },
        Event::Reasoning { index: 0, text: "secret".into() },
        Event::Signature { index: 0, signature: "c2ln".into() },
        Event::BlockStop { index: 0 },
    ];
    let body = ask(&json!({"thinking": {"type": "adaptive", "display": "omitted"}}));
    let said = stream(&body, &events, &Finish::new(StopReason::EndTurn, Usage::plain(1, 1)));
    assert!(!format!("{said:?}").contains("secret"));
    assert!(format!("{said:?}").contains("c2ln"));
}

#[test]
fn a_whole_answer_is_a_messages_object() {
    let mut encoder = decode(&bytes(&ask(&json!({})))).unwrap().encoder;
    let content = vec![Content::Text("hello".into())];
    let mut finish = Finish::new(StopReason::StopSequence, Usage::plain(4, 5));
    finish.stop_sequence = Some("END".into());
    let reply = encoder.whole(&head(), &Answer { content, vectors: Vec::new(), finish }, Duration::ZERO);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        body,
        json!({
            "id": "msg_11111111222233334444555555555555", "type": "message", "role": "assistant",
            "model": "acme.wise-v1:0", "content": [{"type": "text", "text": "hello"}],
            "stop_reason": "stop_sequence", "stop_sequence": "END",
            "usage": {
                "input_tokens": 4, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 5, "service_tier": "standard"
            }
        })
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&Bytes::from(body)).is_err());
    }

    /// A valid body with some bytes changed.
    #[test]
    fn damaged_bodies_are_read_without_panic(at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9a-z]{0,6}") {
        let mut body = rich().to_string().into_bytes();
        let at = at.index(body.len());
        body.splice(at..(at + with.len()).min(body.len()), with.into_bytes());
        drop(decode(&Bytes::from(body)));
    }
}
