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

#[tokio::test]
async fn a_guess_at_the_prompt_is_for_the_receipt_alone() {
    let upstream = Upstream::new(vec![stream_head(), event(HELLO), Act::Hang]).await;
    let generation = upstream.backend().generate(Arc::new(asked(r#","stream":true"#))).await.unwrap();
    assert_eq!(generation.tally.input(), None);
    assert!(generation.tally.usage().input > 0);
}
