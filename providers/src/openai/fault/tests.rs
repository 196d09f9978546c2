use canon::Kind;

use super::classify;

fn check(status: u16, body: &str, kind: &Kind, message: &str) {
    let fault = classify(status, body.as_bytes(), "up/wise");
    assert_eq!(fault.kind(), kind, "{body}");
    assert!(fault.message().starts_with(message), "{body}: {fault}");
    let detail = fault.detail().expect("a detail");
    assert!(detail.starts_with(&format!("status {status}")), "{detail}");
}

#[test]
fn a_context_that_is_too_small_is_known_by_each_servers_words() {
    let exceeded = |tokens, tokens_max| Kind::ContextExceeded { tokens, tokens_max };
    let cases = [
        (
            r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, you requested 5012 tokens (4912 in the messages, 100 in the completion).","type":"BadRequestError","param":null,"code":400}}"#,
            exceeded(5012, 4096),
        ),
        (
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":700,"n_ctx":512}}"#,
            exceeded(700, 512),
        ),
        (
            r#"{"error":{"message":"Input is over","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            exceeded(0, 0),
        ),
        (
            r#"{"object":"error","message":"The decoder prompt (length 9000) is longer than the maximum model length of 8192.","code":400}"#,
            exceeded(9000, 8192),
        ),
    ];
    for (body, kind) in cases {
        check(400, body, &kind, "The prompt, or prompt and answer together");
    }
}

#[test]
fn a_refusal_of_the_callers_request_is_passed_on_without_the_servers_name_for_the_model() {
    let malformed = |path: &str| Kind::Malformed { path: path.into() };
    let said = "The model's provider refused the request";
    check(
        400,
        r#"{"error":{"message":"up/wise takes no images","param":"messages"}}"#,
        &malformed("messages"),
        &format!("{said}: the model takes no images"),
    );
    check(422, r#"{"detail":"bad\nseed"}"#, &malformed(""), &format!("{said}: bad seed"));
    check(400, r#"{"error":"plain"}"#, &malformed(""), &format!("{said}: plain"));
    check(400, "<html>", &malformed(""), &format!("{said}, and did not say why."));
    let long = classify(400, format!(r#"{{"error":"{}"}}"#, "é".repeat(9000)).as_bytes(), "up/wise");
    assert!(long.message().chars().count() < 600);
}

#[test]
fn what_a_server_says_of_itself_is_for_the_operator() {
    for status in [401, 403, 404, 429, 500, 502, 503] {
        let fault = classify(status, br#"{"error":{"message":"node gpu-7 of acme"}}"#, "up/wise");
        assert!(!fault.message().contains("gpu-7"), "{status}: {fault}");
        assert!(fault.detail().is_some_and(|detail| detail.contains("gpu-7")), "{status}");
        assert!(fault.kind().is_candidates(), "{status}");
    }
}
