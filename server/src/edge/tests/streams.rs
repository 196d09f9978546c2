//! Streams that do not simply go on to their end.

use canon::{Event, Finish, StopReason, Usage};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::testing::{Books, Feed, HANG, PROMPT_TOKENS, Reply, Setup, Version, World, eventually, text};

const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

async fn feed(feed: &Feed, items: Vec<Result<Event, canon::Fault>>) {
    for item in items {
        timeout(HANG, feed.send(item)).await.expect("nothing is taken").unwrap();
    }
}

async fn finish(to: &Feed, words: u64) {
    let usage = Usage::plain(PROMPT_TOKENS, words);
    let end = Event::Finish(Finish::new(StopReason::EndTurn, usage));
    feed(to, vec![Ok(Event::BlockStop { index: 0 }), Ok(end)]).await;
}

/// Reads until `words` have come.
async fn read_until(body: &mut Incoming, words: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(words) {
        let frame = timeout(HANG, body.frame()).await.expect("nothing comes").expect("it ended").unwrap();
        seen.extend_from_slice(&frame.into_data().unwrap());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_the_model_and_what_was_produced_is_settled() {
    for version in VERSIONS {
        let world = World::start().await;
        let model = world.model.feed();
        let mut client = world.client(version).await;
        feed(&model, text(&["one ", "two ", "three"])).await;
        let mut response = client.send(world.converse(true, "")).await;
        read_until(response.body_mut(), "three").await;
        assert_eq!((world.books().open, world.gateway.calls()), (1, 1));
        assert!(world.load.tokens() > 0);
        drop((response, client));
        timeout(HANG, model.closed()).await.expect("the model goes on for nobody");
        world.rests().await;
        eventually("the call is settled", || world.books().open == 0).await;
        let usage = Usage::plain(PROMPT_TOKENS, 3);
        assert_eq!(world.books(), Books { cancelled: 1, usage, ..Books::default() }, "{version:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_first_event_or_within_a_whole_answer_cancels_the_model() {
    for version in VERSIONS {
        for (stream, words) in [(true, vec![]), (false, vec![]), (false, text(&["one "]))] {
            let world = World::start().await;
            let model = world.model.feed();
            feed(&model, words).await;
            let mut client = world.client(version).await;
            let call = world.converse(stream, "");
            let waiting = tokio::spawn(async move { client.send(call).await });
            eventually("the model is called", || world.books().open == 1).await;
            eventually("it takes what there is", || model.capacity() == model.max_capacity()).await;
            waiting.abort();
            timeout(HANG, model.closed()).await.expect("the model goes on for nobody");
            world.rests().await;
            eventually("the call is settled", || world.books().open == 0).await;
            assert_eq!(world.books().cancelled, 1, "{version:?} {stream}");
        }
    }
}

#[tokio::test]
async fn events_leave_as_they_come() {
    for version in VERSIONS {
        let world = World::start().await;
        let model = world.model.feed();
        let mut client = world.client(version).await;
        feed(&model, text(&["one"])).await;
        let mut response = client.send(world.converse(true, "")).await;
        read_until(response.body_mut(), "one").await;
        feed(&model, vec![Ok(Event::Text { index: 0, text: "two".into() })]).await;
        read_until(response.body_mut(), "two").await;
        finish(&model, 2).await;
        read_until(response.body_mut(), "outputTokens").await;
        // Nothing is said before it is on record.
        assert_eq!(world.books().completed, 1);
    }
}

#[tokio::test]
async fn a_model_that_ends_without_an_end_is_a_fault() {
    let world = World::start().await;
    world.model.play(text(&["one"]));
    let reply = world.send(world.converse(true, "")).await;
    assert_eq!(reply.documents().last().unwrap().name, "modelStreamErrorException");
    world.model.play([]);
    let reply = world.send(world.converse(true, "")).await;
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (424, "ModelErrorException"));
    assert_eq!((world.books().failed, world.books().open), (2, 0));
}

#[tokio::test]
async fn a_server_that_ends_lets_its_streams_go_on_to_their_end() {
    let mut world = World::start().await;
    let model = world.model.feed();
    feed(&model, text(&["one"])).await;
    let mut client = world.client(Version::Http1).await;
    let mut response = client.send(world.converse(true, "")).await;
    read_until(response.body_mut(), "one").await;
    // One that is connected already finds out by its answer.
    let mut other = world.client(Version::Http2).await;
    let ready = other.send(crate::testing::Call::new("GET", "/readyz")).await;
    assert_eq!(ready.status(), 200);
    world.health.drain();
    let refused = Reply::read(other.send(world.converse(false, "hi")).await).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (503, "ServiceUnavailableException"));

    world.shut_down();
    eventually("nobody listens", || std::net::TcpStream::connect(world.addr).is_err()).await;
    TcpStream::connect(world.addr).await.unwrap_err();
    feed(&model, vec![Ok(Event::Text { index: 0, text: "two".into() })]).await;
    finish(&model, 2).await;
    read_until(response.body_mut(), "outputTokens").await;
    assert!(timeout(HANG, response.body_mut().frame()).await.unwrap().is_none(), "the stream ends in order");
    assert_eq!(world.ended().await.cut, 0);
    assert_eq!((world.books().completed, world.books().open), (1, 0));
}

#[tokio::test]
async fn no_more_calls_run_than_may() {
    let world = World::with(Setup { calls_max: 2, ..Setup::default() }).await;
    let models = [world.model.feed(), world.model.feed()];
    let mut client = world.client(Version::Http2).await;
    let mut streams = Vec::new();
    for model in &models {
        feed(model, text(&["one"])).await;
        streams.push(client.send(world.converse(true, "")).await);
    }
    let refused = world.send(world.converse(false, "hi")).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (503, "ServiceUnavailableException"));
    assert_eq!(refused.header("retry-after"), "2");
    drop(streams.pop());
    eventually("a place is given back", || world.gateway.calls() == 1).await;
    // What the model says next is for this call.
    assert_eq!(world.send(world.converse(false, "hi")).await.status, 200);
}
