use std::sync::atomic::Ordering;

use canon::{Event, Kind};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::Outcome;
use crate::testing::{Scripted, Step, World, hello, script};

#[tokio::test]
async fn a_dropped_stream_settles_what_was_produced_and_cancels_the_backend() {
    let mut steps = script(&["a", "b", "c"], false);
    steps.push(Step::Hang);
    let world = World::new([Scripted::new(steps)]);
    let mut served = world.serve(hello()).await.unwrap();
    for _ in 0..4 {
        served.events.next().await.unwrap().unwrap();
    }
    assert!(served.events.next().now_or_never().is_none());
    assert!(world.book.receipts().is_empty());
    drop(served);
    let receipt = world.book.receipt();
    assert_eq!(receipt.outcome, Outcome::Cancelled);
    assert_eq!((receipt.usage.input, receipt.usage.output), (5, 3));
    assert!(world.backends[0].cancelled.load(Ordering::Relaxed));
}

#[tokio::test]
async fn the_last_event_is_held_back_until_the_receipt_is_on_record() {
    let world = World::new([Scripted::saying(&["a"])]);
    let mut served = world.serve(hello()).await.unwrap();
    let mut last = None;
    while let Some(item) = served.events.next().await {
        let is_last = matches!(item, Ok(Event::Finish(_)));
        assert_eq!(world.book.receipts().len(), usize::from(is_last));
        last = Some(item);
    }
    assert!(matches!(last, Some(Ok(Event::Finish(_)))));
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_ends_in_a_fault() {
    let world = World::new([Scripted::saying(&["a"])]);
    let served = world.serve(hello()).await.unwrap();
    world.book.full.store(true, Ordering::Relaxed);
    let last = served.events.collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err().kind(), &Kind::Storage);
}

#[tokio::test]
async fn a_stream_that_just_stops_is_a_fault() {
    let world = World::new([Scripted::new(script(&["a"], false))]);
    let served = world.serve(hello()).await.unwrap();
    let last = served.events.collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err().kind(), &Kind::UpstreamStream);
    assert_eq!(world.book.receipt().outcome, Outcome::Failed("upstream-stream"));
}

#[tokio::test]
async fn an_end_that_was_seen_is_not_settled_again_by_the_drop() {
    let world = World::new([Scripted::saying(&["a"])]);
    let mut served = world.serve(hello()).await.unwrap();
    while served.events.next().await.is_some() {}
    drop(served);
    assert_eq!(world.book.receipt().outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_first_event_is_settled_with_the_prompt_that_was_read() {
    let world = World::new([Scripted::new(vec![Step::Hang])]);
    let call = Box::pin(world.serve(hello()));
    assert!(call.now_or_never().is_none());
    let receipt = world.book.receipt();
    assert_eq!(receipt.outcome, Outcome::Cancelled);
    assert_eq!((receipt.usage.input, receipt.usage.output), (5, 0));
    assert_eq!(receipt.deployment.as_deref(), Some("d0"));
}
