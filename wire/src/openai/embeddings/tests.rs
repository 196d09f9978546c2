use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, EmbedInput, Finish, ModelId, StopReason, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::decode;
use crate::AnswerHead;

fn ask(more: &Value) -> Bytes {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Bytes::from(body.to_string())
}

fn text(text: &str) -> EmbedInput {
    EmbedInput::Text(text.into())
}

#[test]
fn an_input_is_a_text_or_tokens_or_a_list_of_either() {
    for (input, expected) in [
        (json!("hi"), vec![text("hi")]),
        (json!(["a", "b"]), vec![text("a"), text("b")]),
        (json!([1, 2, 3]), vec![EmbedInput::Tokens(vec![1, 2, 3])]),
        (json!([[1], [2, 3]]), vec![EmbedInput::Tokens(vec![1]), EmbedInput::Tokens(vec![2, 3])]),
        (json!(["[1]"]), vec![text("[1]")]),
    ] {
        assert_eq!(decode(&ask(&json!({"input": input}))).unwrap().request.inputs, expected, "{input}");
    }
    let spaced = Bytes::from_static(b"{\"model\":\"m\",\"input\":[ \n [1 ] ]}");
    assert_eq!(decode(&spaced).unwrap().request.inputs, [EmbedInput::Tokens(vec![1])]);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    for (more, message) in [
        (json!({"input": ""}), "input: must not be empty"),
        (json!({"input": []}), "input: must have 1 to 2048 texts; send more in another call"),
        (json!({"input": vec!["a"; 2049]}), "input: must have 1 to 2048 texts; send more in another call"),
        (json!({"input": ["a", ""]}), "input[1]: must not be empty"),
        (json!({"input": ["a", 7]}), "input[1]: expected a text or a list of tokens"),
        (json!({"input": [7, "a"]}), "input[1]: expected a whole number, 0 or more"),
        (json!({"input": [-7]}), "input[0]: expected a whole number, 0 or more"),
        (json!({"input": [[]]}), "input[0]: must have 1 to 100000 tokens"),
        (json!({"input": 7}), "input: expected an array"),
        (json!({"input": null}), "input: this member is required"),
        (json!({"input": "a".repeat(100_001)}), "input: is longer than 100000 characters; split it"),
        (json!({"dimensions": 0}), "dimensions: must be at least 1"),
        (json!({"encoding_format": "hex"}), "encoding_format: must be float or base64"),
        (json!({"stream": true}), "stream: this member is not supported; leave it out"),
    ] {
        assert_eq!(decode(&ask(&more)).err().unwrap().message(), message);
    }
}

#[test]
fn members_become_what_canon_has_for_them() {
    let request = decode(&ask(&json!({"dimensions": 384, "user": "u"}))).unwrap().request;
    assert_eq!((request.dimensions, request.hints.user.as_deref()), (Some(384), Some("u")));
    assert_eq!((request.normalize, request.purpose), (None, None));
    assert_eq!(canon::HintSet::of_embed(&request).names().collect::<Vec<_>>(), ["user"]);
}

#[test]
fn an_answer_is_openais_with_floats_or_base64() {
    let head = AnswerHead { request_id: "r".into(), model: ModelId::new("m"), created_s: 1 };
    let answer = Answer {
        content: Vec::new(),
        vectors: vec![vec![1.0, -0.5], vec![0.1, 0.25]],
        finish: Finish::new(StopReason::EndTurn, Usage::plain(7, 0)),
    };
    let say = |more: Value| -> Value {
        let reply = decode(&ask(&more)).unwrap().encoder.whole(&head, &answer, Duration::ZERO);
        serde_json::from_slice(&reply.body).unwrap()
    };
    let with = |first: Value, second: Value| {
        json!({
            "object": "list",
            "data": [
                {"object": "embedding", "index": 0, "embedding": first},
                {"object": "embedding", "index": 1, "embedding": second},
            ],
            "model": "m",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        })
    };
    assert_eq!(say(json!({})), with(json!([1.0, -0.5]), json!([0.1, 0.25])));
    assert_eq!(say(json!({"encoding_format": "base64"})), with(json!("AACAPwAAAL8="), json!("zczMPQAAgD4=")));
}

proptest! {
    #[test]
    fn no_input_makes_the_decoder_panic(input in "[\\[\\],\"a0-9 -]{0,24}") {
        drop(decode(&Bytes::from(format!("{{\"model\":\"m\",\"input\":{input}}}"))));
    }
}
