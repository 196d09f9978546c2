//! Titan's and Cohere's bodies for embeddings.

use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, Call, EmbedRequest, Fault, Finish, ModelId, Overflow, Purpose, StopReason, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MODEL, NONE};
use crate::invoke::{Headers, Words, decode, decode_any};
use crate::{AnswerHead, Exchange};

const TITAN: &str = r#"{"inputText":"hi"}"#;
const COHERE: &str = r#"{"texts":["hi","there"],"input_type":"search_query"}"#;

fn exchange(body: &str) -> Result<Exchange<Call>, Fault> {
    decode_any((MODEL, true), false, &NONE, &Bytes::copy_from_slice(body.as_bytes()))
}

fn request(body: &str) -> EmbedRequest {
    match exchange(body).expect(body).request {
        Call::Embed(request) => (*request).clone(),
        Call::Text(_) => panic!("{body} is a text model's"),
    }
}

fn refusal(body: &str) -> String {
    exchange(body).err().expect(body).message().to_owned()
}

fn say(body: &str, vectors: &[&[f32]]) -> Value {
    let head = AnswerHead { request_id: "r".into(), model: ModelId::new(MODEL), created_s: 1 };
    let answer = Answer {
        content: Vec::new(),
        vectors: vectors.iter().map(|vector| vector.to_vec()).collect(),
        finish: Finish::new(StopReason::EndTurn, Usage::plain(7, 0)),
    };
    let reply = exchange(body).expect(body).encoder.whole(&head, &answer, Duration::ZERO);
    let counted = ("x-amzn-bedrock-input-token-count", "7".to_owned());
    assert!(reply.head.headers.contains(&counted), "{reply:?}");
    serde_json::from_slice(&reply.body).expect("json")
}

#[test]
fn what_could_be_either_is_what_the_model_makes() {
    for (body, makes_embeddings, words) in [
        (TITAN, false, Words::Titan),
        (TITAN, true, Words::TitanEmbeddings),
        (r#"{"inputText":"hi","textGenerationConfig":{}}"#, true, Words::Titan),
        (r#"{"inputText":"hi","normalize":true}"#, false, Words::TitanEmbeddings),
        (r#"{"inputText":"hi","dimensions":256}"#, false, Words::TitanEmbeddings),
        (r#"{"inputText":"hi","embeddingTypes":["float"]}"#, false, Words::TitanEmbeddings),
        (COHERE, false, Words::CohereEmbed),
        (r#"{"input_type":"image"}"#, true, Words::CohereEmbed),
    ] {
        assert_eq!(Words::of(MODEL, makes_embeddings, body.as_bytes()).expect(body), words, "{body}");
    }
}

#[test]
fn titans_members_are_honoured() {
    let plain = request(TITAN);
    assert_eq!((plain.dimensions, plain.normalize, plain.overflow), (None, None, Overflow::Refuse));
    let full =
        request(r#"{"inputText":"hi","dimensions":384,"normalize":false,"embeddingTypes":["binary"]}"#);
    assert_eq!((full.dimensions, full.normalize), (Some(384), Some(false)));
}

#[test]
fn coheres_members_are_honoured_and_its_purpose_is_a_hint() {
    let plain = request(COHERE);
    assert_eq!(
        (plain.inputs.len(), plain.purpose, plain.overflow),
        (2, Some(Purpose::SearchQuery), Overflow::Refuse)
    );
    assert_eq!(canon::HintSet::of_embed(&plain).names().collect::<Vec<_>>(), ["input-type"]);
    for (truncate, overflow) in
        [("NONE", Overflow::Refuse), ("START", Overflow::KeepEnd), ("END", Overflow::KeepStart)]
    {
        let body = format!(r#"{{"texts":["hi"],"input_type":"clustering","truncate":"{truncate}"}}"#);
        assert_eq!(request(&body).overflow, overflow);
    }
}

#[test]
fn what_is_not_honoured_is_refused_by_name() {
    let cohere = |more: &str| format!(r#"{{"texts":["hi"],"input_type":"search_query",{more}}}"#);
    let long = "a".repeat(50_001);
    for (body, message) in [
        (r#"{"inputText":""}"#.to_owned(), "inputText: must not be empty"),
        (format!(r#"{{"inputText":"{long}"}}"#), "inputText: is longer than 50000 characters; split it"),
        (
            r#"{"inputText":"a","embeddingTypes":["int8"]}"#.to_owned(),
            "embeddingTypes: must be a list of float, binary or both",
        ),
        (
            r#"{"inputText":"a","embeddingTypes":[]}"#.to_owned(),
            "embeddingTypes: must name at least one of float and binary",
        ),
        (
            r#"{"inputText":"a","inputImage":"a"}"#.to_owned(),
            "inputImage: this member is not supported; leave it out",
        ),
        (r#"{"texts":["hi"]}"#.to_owned(), "input_type: this member is required"),
        (r#"{"input_type":"search_query"}"#.to_owned(), "texts: this member is required"),
        (
            r#"{"texts":[],"input_type":"search_query"}"#.to_owned(),
            "texts: must have 1 to 96 texts; send more in another call",
        ),
        (
            format!(r#"{{"texts":["a","{long}"],"input_type":"search_query"}}"#),
            "texts[1]: is longer than 50000 characters; split it",
        ),
        (
            r#"{"texts":["a"],"input_type":"image"}"#.to_owned(),
            "input_type: this model reads texts; send texts",
        ),
        (cohere(r#""images":["data:,"]"#), "images: this model reads texts; send texts"),
        (cohere(r#""truncate":"MIDDLE""#), "truncate: must be one of NONE, START, END"),
        (
            cohere(r#""embedding_types":["int8"]"#),
            "embedding_types[0]: the ranges that it scales by are Cohere's own; ask for float",
        ),
        (cohere(r#""output_dimension":256"#), "output_dimension: this member is not supported; leave it out"),
    ] {
        assert_eq!(refusal(&body), message);
    }
}

#[test]
fn embeddings_are_neither_streamed_nor_counted() {
    for body in [TITAN, COHERE] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let streamed = decode_any((MODEL, true), true, &NONE, &body).err().expect("no stream");
        assert_eq!(streamed.kind().code(), "unsupported");
    }
    let counted = decode(MODEL, false, &Headers::default(), &Bytes::from_static(COHERE.as_bytes()));
    assert_eq!(counted.err().expect("no count").kind().code(), "unsupported");
}

#[test]
fn titans_answer_has_the_forms_that_were_asked_for() {
    let numbers: &[f32] = &[0.5, -0.25, 0.1];
    let by_type = |types: &str| {
        let body = format!(r#"{{"inputText":"hi","embeddingTypes":{types}}}"#);
        say(&body, &[numbers])["embeddingsByType"].clone()
    };
    let floats = json!([0.5, -0.25, 0.1]);
    assert_eq!(
        say(TITAN, &[numbers]),
        json!({"embedding": floats, "embeddingsByType": {"float": floats}, "inputTextTokenCount": 7})
    );
    assert_eq!(by_type(r#"["binary"]"#), json!({"binary": [1, 0, 1]}));
    assert_eq!(by_type(r#"["binary","float"]"#), json!({"binary": [1, 0, 1], "float": floats}));
}

#[test]
fn coheres_answer_has_the_forms_that_were_asked_for() {
    let vectors: [&[f32]; 2] = [&[0.5, -0.25], &[-1.0, 1.0]];
    let floats = json!([[0.5, -0.25], [-1.0, 1.0]]);
    let answer = |response_type: &str, embeddings: Value| json!({"id": "r", "response_type": response_type, "texts": ["hi", "there"], "embeddings": embeddings});
    assert_eq!(say(COHERE, &vectors), answer("embeddings_floats", floats.clone()));
    let typed = r#"{"texts":["hi","there"],"input_type":"search_query","embedding_types":["float","binary","ubinary"]}"#;
    let forms = json!({"float": floats, "binary": [[0], [-64]], "ubinary": [[128], [64]]});
    assert_eq!(say(typed, &vectors), answer("embeddings_by_type", forms));
}

proptest! {
    #[test]
    fn no_spoilt_byte_makes_a_decoder_panic(which in 0..2usize, at in 0..64usize, byte: u8) {
        let mut body = [TITAN, COHERE][which].as_bytes().to_vec();
        let at = at % body.len();
        body[at] = byte;
        drop(decode_any((MODEL, true), false, &NONE, &Bytes::from(body)));
    }
}
