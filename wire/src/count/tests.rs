use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{decode, encode};

const MODEL: &str = "example.model-v1:0";

#[test]
fn what_is_counted_is_what_the_call_would_send() {
    let converse =
        r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"system":[{"text":"be brief"}]}"#;
    let call = crate::converse::decode(MODEL, false, &Bytes::from(converse)).expect("a call").request;
    let counted =
        decode(MODEL, format!(r#"{{"input":{{"converse":{converse}}}}}"#).as_bytes()).expect("a count");
    assert_eq!((counted.messages, counted.system), (call.messages, call.system));

    let native = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":1,"system":"be brief","messages":[{"role":"user","content":"hi"}]}"#;
    let body = format!(r#"{{"input":{{"invokeModel":{{"body":"{}"}}}}}}"#, STANDARD.encode(native));
    let counted = decode(MODEL, body.as_bytes()).expect("a count");
    let call = crate::converse::decode(MODEL, false, &Bytes::from(converse)).expect("a call").request;
    assert_eq!((counted.messages, counted.system), (call.messages, call.system));
}

#[test]
fn what_cannot_be_counted_is_named() {
    for (body, message) in [
        ("{}", "input: this member is required"),
        (r#"{"input":{}}"#, "input: must have exactly one member: converse invokeModel"),
        (r#"{"input":{"invokeModel":{"body":"?"}}}"#, "input.invokeModel.body: must be base64"),
        (
            r#"{"input":{"converse":{"messages":[{"role":"user"}]}}}"#,
            "input.converse.messages[0].content: this member is required",
        ),
        (r#"{"input":{"converse":{"system":[]}}}"#, "input.converse.messages: this member is required"),
        // {"prompt":"hi","max_gen_len":0}
        (
            r#"{"input":{"invokeModel":{"body":"eyJwcm9tcHQiOiJoaSIsIm1heF9nZW5fbGVuIjowfQ=="}}}"#,
            "input.invokeModel.body.max_gen_len: must be at least 1",
        ),
    ] {
        assert_eq!(decode(MODEL, body.as_bytes()).expect_err(body).message(), message);
    }
}

#[test]
fn the_answer_is_one_number() {
    assert_eq!(encode(7).body, r#"{"inputTokens":7}"#);
}
