use canon::{Format, Verbatim};

use super::*;

/// A request as `wire` decodes it.
fn asked(more: &str) -> Request {
    let body = format!(
        r#"{{"model":"acme.wise-v1:0","messages":[{{"role":"user","content":"hello there"}}]{more}}}"#
    );
    let request = wire::openai::chat::decode(&Bytes::from(body)).unwrap().request;
    assert_eq!(request.verbatim.as_ref().map(|verbatim| verbatim.format), Some(Format::OpenaiChat));
    request
}

#[tokio::test]
async fn a_whole_answer_passes_but_for_the_models_name() {
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    let generation = upstream.backend().generate(Arc::new(asked(r#", "temperature" : 0.50"#))).await.unwrap();
    assert!(generation.relayed);
    assert_eq!(generation.ignored.names().count(), 0);
    let events = all(generation).await;
    let (on_the_way, last) = verbatim(&events);
    assert_eq!(on_the_way, "");
    assert_eq!(last, WHOLE.replace("up/wise", "acme.wise-v1:0"));
    assert!(matches!(events.last(), Some(Ok(Event::Finish(finish))) if finish.usage == Usage::plain(11, 2)));
    let sent = upstream.seen.lock().unwrap()[0].1.clone();
    assert!(
        sent.starts_with(r#"{"model":"up/wise","messages""#) && sent.ends_with(r#", "temperature" : 0.50}"#)
    );
}

#[tokio::test]
async fn a_stream_passes_and_its_end_waits_for_the_receipt() {
    let script = vec![stream_head(), event(HELLO), event(LO), event(STOP), event(USAGE), event("[DONE]")];
    let upstream = Upstream::new(script).await;
    let generation = upstream.backend().generate(Arc::new(asked(r#","stream":true"#))).await.unwrap();
    assert!(generation.relayed);
    let events = all(generation).await;
    let (on_the_way, last) = verbatim(&events);
    let named = |data: &str| format!("data: {}\n\n", data.replace("up/wise", "acme.wise-v1:0"));
    assert_eq!(on_the_way, named(HELLO) + &named(LO));
    // The chunk with nothing but usage was our wish and not the client's.
    assert_eq!(last, named(STOP) + &named("[DONE]"));
    assert!(matches!(events.last(), Some(Ok(Event::Finish(finish))) if finish.usage == Usage::plain(11, 2)));
    assert_eq!(upstream.body()["stream_options"]["include_usage"], true);
}

#[tokio::test]
async fn what_cannot_be_relayed_is_translated() {
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    let generation = upstream.backend().generate(Arc::new(asked(r#","stream":true"#))).await.unwrap();
    assert!(!generation.relayed, "a whole answer is no stream");

    let mut other = request(false);
    other.verbatim = Some(Verbatim { format: Format::Anthropic, body: Bytes::from_static(b"{}") });
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    assert!(!upstream.backend().generate(Arc::new(other)).await.unwrap().relayed);
}

/// A request that canon cannot carry, and its body but for the model's name.
fn beyond(more: &str) -> (Request, String) {
    let rest = format!(
        r#","messages":[{{"role":"user", "name":"ann","content":"hello there"}}], "min_p" : 0.050,"logprobs":true,"guided_json":{{"b":1,"a":2}}{more}}}"#
    );
    let body = format!(r#"{{"model":"acme.wise-v1:0"{rest}"#);
    (wire::openai::chat::decode(&Bytes::from(body)).unwrap().request, rest)
}

#[tokio::test]
async fn what_canon_cannot_carry_passes_both_ways_byte_for_byte() {
    let likely = WHOLE.replace(
        r#""finish_reason""#,
        r#""logprobs":{"content":[{"token":"hi", "logprob":-0.250}]},"finish_reason""#,
    );
    assert_ne!(likely, WHOLE);
    let upstream = Upstream::new(response("200 OK", "application/json", &likely)).await;
    let (request, rest) = beyond("");
    assert_eq!(
        request.beyond.as_ref().unwrap().kind(),
        &Kind::Unsupported { field: "messages[0].name".into() }
    );
    let generation = upstream.backend().generate(Arc::new(request)).await.unwrap();
    assert!(generation.relayed);
    let events = all(generation).await;
    assert_eq!(verbatim(&events).1, likely.replace("up/wise", "acme.wise-v1:0"));
    assert_eq!(upstream.seen.lock().unwrap()[0].1, format!(r#"{{"model":"up/wise"{rest}"#));
}

#[tokio::test]
async fn what_canon_cannot_carry_is_never_dropped_in_translation() {
    let name = Kind::Unsupported { field: "messages[0].name".into() };
    // This server ignores the member, so the body is not relayed.
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    let (request, _) = beyond(r#","parallel_tool_calls":false"#);
    let config = Config { dialect: Dialect::LLAMA_CPP, ..upstream.config() };
    let fault = OpenAi::new(config).unwrap().generate(Arc::new(request)).await.err().unwrap();
    assert_eq!(fault.kind(), &name);
    assert!(upstream.seen.lock().unwrap().is_empty(), "nothing is sent");

    // A whole answer to a stream would be put into chunks of ours.
    let (request, _) = beyond(r#","stream":true"#);
    let fault = upstream.backend().generate(Arc::new(request)).await.err().unwrap();
    assert_eq!(fault.kind(), &name);
}

#[tokio::test]
async fn a_guess_at_the_prompt_is_for_the_receipt_alone() {
    let upstream = Upstream::new(vec![stream_head(), event(HELLO), Act::Hang]).await;
    let generation = upstream.backend().generate(Arc::new(asked(r#","stream":true"#))).await.unwrap();
    assert_eq!(generation.tally.input(), None);
    assert!(generation.tally.usage().input > 0);
}
