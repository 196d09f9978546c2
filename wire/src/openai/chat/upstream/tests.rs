use canon::{
    Content, Event, Fold, Json, Media, MediaKind, Message, ModelId, OutputFormat, Request, Role, StopReason,
    ToolChoice, ToolOutcome, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answered, Dialect, Stream, decode_answer, encode};

fn request() -> Request {
    let content = vec![Content::Text("hi".into())];
    Request { messages: vec![Message { role: Role::User, content }], ..Request::new(ModelId::new("m")) }
}

fn body(request: &Request, dialect: &Dialect) -> Value {
    serde_json::from_slice(&encode(request, "up", dialect).unwrap()).unwrap()
}

#[test]
fn a_plain_request_says_no_more_than_it_must() {
    let expected = json!({"model": "up", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(body(&request(), &Dialect::VLLM), expected);
}

#[test]
fn a_dialect_names_the_length_and_asks_for_usage_as_its_server_does() {
    let mut request = request();
    request.sampling.max_tokens = Some(9);
    request.stream = true;
    let vllm = body(&request, &Dialect::VLLM);
    assert_eq!((&vllm["max_tokens"], &vllm["stream_options"]), (&json!(9), &json!({"include_usage": true})));
    assert_eq!(body(&request, &Dialect::OPENAI)["max_completion_tokens"], json!(9));
    let silent = Dialect { stream_usage: false, ..Dialect::VLLM };
    assert_eq!(body(&request, &silent).get("stream_options"), None);
}

#[test]
fn what_a_dialect_cannot_say_is_refused_by_name() {
    let check = |change: fn(&mut Request), dialect: &Dialect, field: &str| {
        let mut request = request();
        change(&mut request);
        let fault = encode(&request, "up", dialect).expect_err(field);
        assert_eq!(fault.kind(), &canon::Kind::Unsupported { field: field.into() });
    };
    check(|request| request.sampling.top_k = Some(1), &Dialect::OPENAI, "top_k");
    let none = Dialect { seed: false, schemas: false, reasoning: false, ..Dialect::VLLM };
    check(|request| request.sampling.seed = Some(1), &none, "seed");
    check(
        |request| {
            let schema = Json::from_text("{}");
            request.output = OutputFormat::JsonSchema { name: None, description: None, schema };
        },
        &none,
        "response_format",
    );
    let thought = |request: &mut Request| {
        let content = vec![Content::Reasoning(canon::ReasoningText::default())];
        request.messages.push(Message { role: Role::Assistant, content });
    };
    check(thought, &none, "messages[1]");
}

#[test]
fn a_server_that_cannot_be_told_to_call_any_tool_is_told_which() {
    let tool = |name: &str| canon::Tool {
        name: name.into(),
        description: None,
        schema: Json::from_text("{}"),
        strict: false,
    };
    let python = Dialect::LLAMA_CPP_PYTHON;
    let asked = |choice: ToolChoice, names: &[&str]| {
        let list = names.iter().map(|name| tool(name)).collect();
        Request { tools: canon::Tools { list, choice, parallel: None }, ..request() }
    };
    let named = json!({"type": "function", "function": {"name": "a"}});
    let check = |request: &Request, dialect: &Dialect, choice: Value, says: bool| {
        assert_eq!(body(request, dialect).get("tool_choice").cloned().unwrap_or_default(), choice);
        assert_eq!(dialect.says(request), says);
    };
    check(&asked(ToolChoice::Any, &["a", "b"]), &Dialect::VLLM, json!("required"), true);
    check(&asked(ToolChoice::Auto, &["a", "b"]), &Dialect::VLLM, Value::Null, true);
    check(&asked(ToolChoice::Any, &["a"]), &python, named.clone(), false);
    check(&asked(ToolChoice::Auto, &["a"]), &python, json!("auto"), false);
    check(&asked(ToolChoice::Named("a".into()), &["a", "b"]), &python, named, true);
    check(&asked(ToolChoice::None, &["a"]), &python, json!("none"), true);
    check(&asked(ToolChoice::Any, &[]), &python, Value::Null, true);
    let fault = encode(&asked(ToolChoice::Any, &["a", "b"]), "up", &python).unwrap_err();
    assert_eq!(fault.kind(), &canon::Kind::Unsupported { field: "tool_choice".into() });
}

#[test]
fn what_a_server_would_drop_is_not_passed_on_as_it_is() {
    let mut single = request();
    single.tools.parallel = Some(false);
    assert!(Dialect::VLLM.says(&single) && !Dialect::LLAMA_CPP.says(&single));
    let named = |body: &'static str| {
        let mut request = request();
        request.sampling.max_tokens = Some(9);
        let body = bytes::Bytes::from(body);
        request.verbatim = Some(canon::Verbatim { format: canon::Format::OpenaiChat, body });
        request
    };
    let newer = named(r#"{"max_completion_tokens" : 9}"#);
    assert!(Dialect::VLLM.says(&newer) && Dialect::OPENAI.says(&newer) && !Dialect::LLAMA_CPP.says(&newer));
    assert!(Dialect::LLAMA_CPP.says(&named(r#"{"max_tokens":9,"user":"\"max_completion_tokens\""}"#)));
    let counted = |body| Request { stream: true, ..named(body) };
    assert!(Dialect::LLAMA_CPP_PYTHON.says(&counted(r#"{"max_tokens":9}"#)));
    assert!(!Dialect::LLAMA_CPP_PYTHON.says(&counted(r#"{"stream_options":{"include_usage":true}}"#)));
    let mut shaped = request();
    let schema = Json::from_text("{}");
    shaped.output = OutputFormat::JsonSchema { name: None, description: None, schema };
    assert!(Dialect::LLAMA_CPP.says(&shaped) && !Dialect::LLAMA_CPP_PYTHON.says(&shaped));
}

#[test]
fn a_piece_of_a_call_counts_as_one_delta() {
    let mut stream = Stream::new();
    let piece = |name: &str, arguments: &str| {
        let call = json!({"index": 0, "id": "c", "function": {"name": name, "arguments": arguments}});
        json!({"choices": [{"delta": {"tool_calls": [call]}}]}).to_string()
    };
    for (name, arguments) in [("f", "{"), ("f", "}"), ("f", "")] {
        stream.push(&piece(name, arguments), &mut Vec::new()).unwrap();
    }
    assert_eq!(stream.deltas(), 2);
}

#[test]
fn results_of_tools_come_first_and_say_that_they_failed() {
    let mut request = request();
    let result = |id: &str, outcome, content| Content::ToolResult { id: id.into(), content, outcome };
    request.messages = vec![Message {
        role: Role::User,
        content: vec![
            Content::Text("so?".into()),
            result("a", ToolOutcome::Error, vec![Content::Text("no such city".into())]),
            result("b", ToolOutcome::Success, vec![Content::Json(Json::from_text(r#"{"t": 1.0}"#))]),
            Content::CachePoint { long: false },
        ],
    }];
    let expected = json!([
        {"role": "tool", "content": "Error: no such city", "tool_call_id": "a"},
        {"role": "tool", "content": "{\"t\": 1.0}", "tool_call_id": "b"},
        {"role": "user", "content": "so?"}
    ]);
    assert_eq!(body(&request, &Dialect::VLLM)["messages"], expected);
}

#[test]
fn a_picture_in_a_tools_result_is_refused() {
    let picture = Media {
        kind: MediaKind::Image,
        format: "png".into(),
        source: canon::Blob::Uri("https://x/y.png".into()),
    };
    let mut request = request();
    let content = vec![Content::Media(picture)];
    let result = Content::ToolResult { id: "a".into(), content, outcome: ToolOutcome::Success };
    request.messages.push(Message { role: Role::User, content: vec![result] });
    let fault = encode(&request, "up", &Dialect::VLLM).unwrap_err();
    assert!(fault.message().starts_with("messages[1]: "), "{fault}");
}

#[test]
fn a_schema_keeps_its_spelling() {
    let mut request = request();
    let schema = Json::from_text(r#"{"z": 1.50e1, "a": {"\u00e9": 0}}"#);
    request.output = OutputFormat::JsonSchema { name: None, description: None, schema: schema.clone() };
    let body = String::from_utf8(encode(&request, "up", &Dialect::VLLM).unwrap()).unwrap();
    assert!(body.contains(schema.text()), "{body}");
}

/// Pushes chunks, and yields the answer.
fn read(chunks: &[&str]) -> Result<canon::Answer, canon::Fault> {
    let (mut stream, mut events, mut fold) = (Stream::new(), Vec::new(), Fold::default());
    for chunk in chunks {
        stream.push(chunk, &mut events)?;
    }
    let finish = stream.end(&mut events)?;
    for event in events {
        fold.push(event)?;
    }
    Ok(fold.push(Event::Finish(finish))?.expect("a finish is the last event"))
}

#[test]
fn servers_that_number_and_name_calls_in_their_own_ways_are_understood() {
    let call = |more: Value| json!({"choices": [{"delta": {"tool_calls": [more]}}]}).to_string();
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let cases = [
        // As OpenAI has it.
        vec![
            call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
            call(json!({"index": 0, "function": {"arguments": "{\"x\":"}})),
            call(json!({"index": 0, "function": {"arguments": "1}"}})),
            call(json!({"index": 1, "id": "b", "function": {"name": "f", "arguments": "{\"x\":1}"}})),
        ],
        // Each call whole, without a number.
        vec![
            call(json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}})),
            call(json!({"id": "b", "function": {"name": "f", "arguments": "{\"x\":1}"}})),
        ],
        // Name and id again with each piece.
        vec![
            call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":"}})),
            call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "1}"}})),
            call(json!({"index": 1, "id": "b", "function": {"name": "f", "arguments": "{\"x\":1}"}})),
        ],
    ];
    for case in &cases {
        let mut chunks: Vec<&str> = case.iter().map(String::as_str).collect();
        chunks.extend([end, "[DONE]"]);
        let answer = read(&chunks).unwrap();
        assert_eq!(answer.finish.reason, StopReason::ToolUse, "{case:?}");
        let calls: Vec<_> = answer
            .content
            .iter()
            .map(|block| match block {
                Content::ToolUse(call) => (call.id.as_str(), call.input.text()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(calls, [("a", "{\"x\":1}"), ("b", "{\"x\":1}")], "{case:?}");
    }
}

#[test]
fn a_stream_that_breaks_off_or_says_nonsense_is_a_fault() {
    let text = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let cases: [&[&str]; 5] = [
        &[text],
        &[],
        &[text, "nonsense"],
        &[text, r#"{"error":{"message":"out of memory"}}"#],
        &[r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#],
    ];
    for case in cases {
        let fault = read(case).expect_err("should fail");
        assert_eq!(fault.kind(), &canon::Kind::UpstreamStream, "{case:?}");
        assert!(!fault.message().contains("memory"), "what upstream said is the operator's");
    }
    // Either mark of the end will do.
    assert!(read(&[text, "[DONE]"]).is_ok());
    assert!(read(&[text, r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#]).is_ok());
}

#[test]
fn usage_is_split_into_disjoint_counters() {
    let usage = json!({
        "prompt_tokens": 10, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 3}
    });
    let body = json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage});
    let Answered { answer, counted } = decode_answer(body.to_string().as_bytes()).unwrap();
    assert!(counted);
    assert_eq!(answer.finish.usage, Usage { cache_read: 6, reasoning: 3, ..Usage::plain(4, 5) });
    let body = json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]});
    assert!(!decode_answer(body.to_string().as_bytes()).unwrap().counted);
}

#[test]
fn the_stop_sequence_that_was_met_is_kept() {
    let body =
        json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}]});
    let finish = decode_answer(body.to_string().as_bytes()).unwrap().answer.finish;
    assert_eq!((finish.reason, finish.stop_sequence.as_deref()), (StopReason::StopSequence, Some("END")));
}

proptest! {
    #[test]
    fn arbitrary_chunks_are_read_without_panic(chunks in prop::collection::vec(chunk(), 0..12)) {
        let chunks: Vec<_> = chunks.iter().map(String::as_str).collect();
        drop(read(&chunks));
    }
}

/// Something like a chunk.
fn chunk() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(json!({"content": "a"})),
        Just(json!({"reasoning": "b"})),
        Just(json!({"role": "assistant"})),
        (prop::option::of(0..3_u8), prop::option::of("[ab]"), prop::option::of("[fg]"))
            .prop_map(|(index, id, name)| json!({"tool_calls": [
                {"index": index, "id": id, "function": {"name": name, "arguments": "{"}}]})),
    ];
    prop_oneof![
        4 => (piece, prop::option::of("stop|length|tool_calls")).prop_map(
            |(delta, reason)| json!({"choices": [{"delta": delta, "finish_reason": reason}]}).to_string()
        ),
        1 => Just("[DONE]".to_owned()),
        1 => Just(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":9}}"#.to_owned()),
        1 => ".{0,20}",
    ]
}
