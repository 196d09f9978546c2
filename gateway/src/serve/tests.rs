use access::Presented;
use canon::{Capabilities, Content, Event, Fault, Kind, Media, MediaKind, ModelId};
use futures_util::StreamExt as _;

use crate::Outcome;
use crate::testing::{Scripted, Step, World, hello, script};

fn upstream() -> Fault {
    Fault::new(Kind::Upstream { status: Some(502) }, "the provider is down")
}

/// The text that the caller sees, and the fault that ends it if one does.
async fn read(events: crate::Metered) -> (String, Option<Fault>) {
    let mut text = String::new();
    let mut fault = None;
    for item in events.collect::<Vec<_>>().await {
        match item {
            Ok(Event::Text { text: more, .. }) => text.push_str(&more),
            Ok(_) => {}
            Err(end) => fault = Some(end),
        }
    }
    (text, fault)
}

#[tokio::test]
async fn an_answered_call_leaves_one_intent_and_one_receipt_with_its_usage() {
    let world = World::new([Scripted::saying(&["hel", "lo"])]);
    let served = world.serve(hello()).await.unwrap();
    assert_eq!(read(served.events).await, ("hello".into(), None));
    let receipt = world.book.receipt();
    assert_eq!(receipt.outcome, Outcome::Completed);
    assert_eq!((receipt.usage.input, receipt.usage.output), (5, 2));
    assert_eq!(receipt.deployment.as_deref(), Some("d0"));
    assert_eq!(world.gateway.calls(), 0);
}

#[tokio::test]
async fn before_the_first_event_a_failed_candidate_is_replaced_by_the_next() {
    let late = Scripted::new(vec![Step::Item(Err(upstream()))]);
    let world = World::new([Scripted::refusing(upstream()), late, Scripted::saying(&["ok"])]);
    let served = world.serve(hello()).await.unwrap();
    assert_eq!(read(served.events).await.0, "ok");
    assert_eq!(world.book.receipt().deployment.as_deref(), Some("d2"));
}

#[tokio::test]
async fn after_the_first_event_a_fault_travels_in_the_stream_and_is_settled() {
    let mut steps = script(&["a", "b"], false);
    steps.push(Step::Item(Err(upstream())));
    let world = World::new([Scripted::new(steps), Scripted::saying(&["never"])]);
    let served = world.serve(hello()).await.unwrap();
    assert_eq!(read(served.events).await, ("ab".into(), Some(upstream())));
    let receipt = world.book.receipt();
    assert_eq!((receipt.outcome, receipt.usage.output), (Outcome::Failed("upstream"), 2));
}

#[tokio::test]
async fn a_fault_that_is_the_requests_own_is_not_tried_elsewhere() {
    let too_long = Fault::new(Kind::ContextExceeded { tokens: 70, tokens_max: 64 }, "too long");
    let world = World::new([Scripted::refusing(too_long.clone()), Scripted::saying(&["never"])]);
    assert_eq!(world.serve(hello()).await.err(), Some(too_long));
    assert_eq!(world.book.receipt().outcome, Outcome::Failed("context-exceeded"));
    assert_eq!(world.backends[1].calls.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn when_every_candidate_fails_the_last_fault_is_told_and_recorded() {
    let world = World::new([Scripted::refusing(upstream()), Scripted::refusing(upstream())]);
    assert_eq!(world.serve(hello()).await.err(), Some(upstream()));
    assert_eq!(world.book.receipt().outcome, Outcome::Failed("upstream"));
}

#[tokio::test]
async fn what_no_deployment_takes_is_refused_by_name_and_recorded() {
    let world = World::new([Scripted::saying(&["never"])]);
    let mut request = hello();
    let image =
        Media { kind: MediaKind::Image, format: "png".into(), source: canon::Blob::Bytes(bytes_of("x")) };
    request.messages[0].content.push(Content::Media(image));
    let fault = world.serve(request).await.err().unwrap();
    assert_eq!(fault.kind(), &Kind::Unsupported { field: "messages[0].content[1].image".into() });
    assert_eq!(world.book.receipt().outcome, Outcome::Failed("unsupported"));
}

fn bytes_of(text: &str) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn a_deployment_that_takes_what_is_asked_is_chosen_over_one_that_does_not() {
    let mut able = Scripted::saying(&["seen"]);
    able.can = Capabilities { top_k: true, ..able.can };
    let world = World::new([Scripted::saying(&["never"]), able]);
    let mut request = hello();
    request.sampling.top_k = Some(3);
    let served = world.serve(request).await.unwrap();
    assert_eq!(served.events.deployment(), "d1");
}

#[tokio::test]
async fn nothing_is_decoded_for_a_stranger_and_nothing_is_recorded() {
    let world = World::new([Scripted::saying(&["never"])]);
    let presented = Presented { method: "POST", path: "/", query: "", headers: &[], body: b"" };
    let arrival = world.gateway.arrive();
    let fault = world.gateway.serve(arrival, &presented, |_| panic!("decoded")).await.err().unwrap();
    assert!(matches!(fault.kind(), Kind::Unauthenticated(_)));
    assert!(world.book.intents.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_model_is_refused_in_the_words_that_clients_match() {
    let world = World::new([Scripted::saying(&["never"])]);
    let mut request = hello();
    request.model = ModelId::new("acme.unknown-v1:0");
    let fault = world.serve(request).await.err().unwrap();
    assert_eq!(fault.message(), "The provided model identifier is invalid.");
}

#[tokio::test]
async fn a_call_that_cannot_be_recorded_is_not_run() {
    let world = World::new([Scripted::saying(&["never"])]);
    world.book.full.store(true, std::sync::atomic::Ordering::Relaxed);
    let fault = world.serve(hello()).await.err().unwrap();
    assert_eq!(fault.kind(), &Kind::Storage);
    assert_eq!(world.backends[0].calls.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(world.book.receipts().is_empty());
}
