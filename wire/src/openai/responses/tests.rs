use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{
    Answer, BlockKind, Content, Effort, Event, Fault, Finish, Kind, ModelId, OutputFormat, ReasoningText,
    Role, StopReason, ToolChoice, ToolUse, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::decode;
use crate::{AnswerHead, Encoder, Frames};

fn head() -> AnswerHead {
    AnswerHead {
        request_id: "1111-2222".into(),
        model: ModelId::new("acme.wise-v1:0"),
        created_s: 1_795_162_509,
    }
}

fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

fn ask(more: &Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn rich() -> Value {
    json!({
        "model": "acme.wise-v1:0",
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": "Be kind."},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "Look:"},
                {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}],
             "encrypted_content": "c2ln"},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "I look", "annotations": [], "logprobs": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}", "status": "completed"},
            {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{\"x\": 1.0}"},
            {"type": "function_call_output", "call_id": "c1", "output": "fine"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "good"}]},
            {"role": "user", "content": "and?"}
        ],
        "max_output_tokens": 64, "temperature": 0.5, "top_p": 0.9, "stream": true, "store": false,
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low", "summary": "auto"}, "metadata": {"team": "a"},
        "include": ["reasoning.encrypted_content"], "background": false, "truncation": "disabled"
    })
}

#[test]
fn a_rich_request_keeps_all_that_it_says() {
    let request = decode(&bytes(&rich())).unwrap().request;
    assert_eq!(request.system, [Content::Text("Be brief.".into()), Content::Text("Be kind.".into())]);
    let [seen, said, results, more] = &request.messages[..] else { panic!("{request:?}") };
    assert!(matches!(&seen.content[..], [Content::Text(_), Content::Media(_)]));
    assert!(matches!(
        &said.content[..],
        [Content::Reasoning(ReasoningText { signature: Some(_), .. }), Content::Text(_), Content::ToolUse(_), Content::ToolUse(second)]
            if second.input.text() == "{\"x\": 1.0}"
    ));
    assert!(matches!(&results.content[..], [Content::ToolResult { .. }, Content::ToolResult { .. }]));
    assert_eq!((more.role, more.content.len()), (Role::User, 1));
    assert_eq!(request.tools.choice, ToolChoice::Named("look".into()));
    assert_eq!(request.tools.parallel, Some(false));
    assert!(matches!(request.output, OutputFormat::JsonSchema { .. }));
    assert_eq!((request.hints.effort, request.sampling.max_tokens), (Some(Effort::Low), Some(64)));
}

fn check(more: &Value, code: &str, message: &str) {
    let Err(fault) = decode(&bytes(&ask(more))) else { panic!("should be refused: {more}") };
    assert_eq!(fault.kind().code(), code, "{more}: {fault}");
    assert!(fault.message().starts_with(message), "{more}: {fault}");
}

#[test]
fn what_would_have_to_be_kept_or_run_is_refused_by_name() {
    let unsupported = [
        (json!({"store": true}), "store: answers are not kept"),
        (json!({"previous_response_id": "resp_1"}), "previous_response_id: answers are not kept"),
        (json!({"conversation": "c"}), "conversation: answers are not kept"),
        (json!({"background": true}), "background: answers are given at once"),
        (json!({"prompt": {"id": "p"}}), "prompt: prompts are not kept"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0]: tools are not run here"),
        (json!({"include": ["message.output_text.logprobs"]}), "include[0]: "),
        (json!({"input": [{"type": "item_reference", "id": "i"}]}), "input[0]: items are not kept"),
        (json!({"input": [{"type": "computer_call"}]}), "input[0]: items of type `computer_call`"),
        (json!({"frobnicate": 1}), "frobnicate: this member is not supported"),
    ];
    for (more, message) in &unsupported {
        check(more, "unsupported", message);
    }
    let malformed = [
        (json!({"input": null}), "input: this member is required"),
        (json!({"input": []}), "input: at least one item"),
        (json!({"input": [{"role": "user", "content": []}]}), "input[0]: content: must not be empty"),
        (json!({"max_output_tokens": 0}), "max_output_tokens: must be at least 1"),
    ];
    for (more, message) in &malformed {
        check(more, "malformed", message);
    }
}

fn encoder(more: &Value) -> Box<dyn Encoder> {
    decode(&bytes(&ask(more))).unwrap().encoder
}

fn talk() -> Vec<Event> {
    vec![
        Event::BlockStart { index: 0, kind: BlockKind::Reasoning },
        Event::Reasoning { index: 0, text: "hm".into() },
        Event::Signature { index: 0, signature: "c2ln".into() },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, kind: BlockKind::Text },
        Event::Text { index: 1, text: "I ".into() },
        Event::Text { index: 1, text: "look".into() },
        Event::BlockStop { index: 1 },
        Event::BlockStart { index: 2, kind: BlockKind::ToolUse { id: "c1".into(), name: "look".into() } },
        Event::ToolInput { index: 2, fragment: "{\"x\"".into() },
        Event::ToolInput { index: 2, fragment: ":1}".into() },
        Event::BlockStop { index: 2 },
        Event::BlockStart { index: 3, kind: BlockKind::ToolUse { id: "c2".into(), name: "look".into() } },
    ]
}

fn content() -> Vec<Content> {
    let call = |id: &str, input: &str| {
        Content::ToolUse(ToolUse { id: id.into(), name: "look".into(), input: canon::Json::from_text(input) })
    };
    vec![
        Content::Reasoning(ReasoningText { text: "hm".into(), signature: Some("c2ln".into()) }),
        Content::Text("I look".into()),
        call("c1", "{\"x\":1}"),
        call("c2", "{}"),
    ]
}

fn finish() -> Finish {
    Finish::new(StopReason::ToolUse, Usage { cache_read: 3, reasoning: 2, ..Usage::plain(4, 5) })
}

fn read(out: &[u8]) -> Vec<Value> {
    let mut frames = Frames::new(1 << 20);
    frames.push(out).unwrap();
    let all: Vec<_> = std::iter::from_fn(|| frames.pop()).collect();
    let values = all.iter().map(|frame| {
        let value: Value = serde_json::from_str(&frame.data).unwrap();
        assert_eq!(value["type"], frame.event.as_str());
        value
    });
    values.collect()
}

fn stream(more: &Value, events: &[Event], end: Result<&Finish, &Fault>) -> Vec<Value> {
    let mut encoder = encoder(more);
    let mut out = BytesMut::new();
    encoder.begin(&head(), &mut out);
    for event in events {
        encoder.event(event, &mut out);
    }
    match end {
        Ok(finish) => encoder.finish(finish, Duration::ZERO, &mut out),
        Err(fault) => encoder.fault(fault, &mut out),
    }
    read(&out)
}

#[test]
fn a_stream_is_typed_events_that_add_up_to_the_whole_answer() {
    let all = stream(&json!({}), &talk(), Ok(&finish()));
    let numbers: Vec<_> = all.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..all.len() as u64).collect::<Vec<_>>());
    let kinds: Vec<_> =
        all.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect();
    assert_eq!(
        kinds,
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "reasoning_text.delta",
            "reasoning_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let done: Vec<_> = all
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| event["item"].clone())
        .collect();
    let last = &all.last().unwrap()["response"];
    assert_eq!(last["output"], json!(done));
    let answer = Answer { content: content(), vectors: Vec::new(), finish: finish() };
    let whole = encoder(&json!({})).whole(&head(), &answer, Duration::ZERO);
    assert_eq!(serde_json::from_slice::<Value>(&whole.body).unwrap(), *last);
    assert_eq!(
        last["usage"],
        json!({
            "input_tokens": 7, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
            "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 14
        })
    );
}

#[test]
fn a_response_repeats_its_request_and_says_that_nothing_is_kept() {
    let first =
        &stream(&json!({"temperature": 0.5, "tools": rich()["tools"]}), &[], Ok(&finish()))[0]["response"];
    assert_eq!(
        (&first["temperature"], &first["store"], &first["tools"]),
        (&json!(0.5), &json!(false), &rich()["tools"])
    );
    assert_eq!((&first["tool_choice"], &first["status"]), (&json!("auto"), &json!("in_progress")));
}

#[test]
fn an_answer_that_was_cut_or_failed_says_so() {
    let cut = Finish::new(StopReason::MaxTokens, Usage::plain(1, 1));
    let last = stream(&json!({}), &talk()[4..6], Ok(&cut)).pop().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));

    let fault = Fault::new(Kind::UpstreamStream, "it broke").with_detail("gpu-7");
    let last = stream(&json!({}), &talk()[4..6], Err(&fault)).pop().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["error"], json!({"code": "server_error", "message": "it broke"}));
    assert_eq!(last["response"]["output"].as_array().unwrap().len(), 1);
    assert!(!last.to_string().contains("gpu-7"));
}

#[test]
fn an_answer_can_be_sent_back_as_input() {
    let answer = Answer { content: content(), vectors: Vec::new(), finish: finish() };
    let whole = encoder(&json!({})).whole(&head(), &answer, Duration::ZERO);
    let output = serde_json::from_slice::<Value>(&whole.body).unwrap()["output"].clone();
    let request = decode(&bytes(&json!({"model": "m", "input": output}))).unwrap().request;
    assert_eq!(request.messages.len(), 1);
    assert_eq!(request.messages[0].content, content());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&Bytes::from(body)).is_err());
    }

    #[test]
    fn damaged_bodies_are_read_without_panic(at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9a-z]{0,6}") {
        let mut body = rich().to_string().into_bytes();
        let at = at.index(body.len());
        body.splice(at..(at + with.len()).min(body.len()), with.into_bytes());
        drop(decode(&Bytes::from(body)));
    }
}
