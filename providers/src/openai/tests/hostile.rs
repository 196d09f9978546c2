use super::*;

/// Both manners end in a fault of that kind before anything is said.
async fn check(script: Vec<Act>, expected: &Kind) {
    for stream in [false, true] {
        let upstream = Upstream::new(script.clone()).await;
        let Err(fault) = upstream.backend().generate(Arc::new(request(stream))).await.map(|_| ()) else {
            panic!("should fail: {script:?}")
        };
        assert_eq!(fault.kind(), expected, "{script:?}: {fault:?}");
        let detail = fault.detail().expect("a detail for the operator");
        assert!(detail.starts_with("rack: "), "{detail}");
        assert!(!format!("{fault:?}").contains("sk-secret"), "{fault:?}");
    }
}

/// A stream says `said`, and then ends in a fault of that kind.
async fn breaks(script: Vec<Act>, said: &str, expected: &Kind) {
    let upstream = Upstream::new(script.clone()).await;
    let generation = upstream.backend().generate(Arc::new(request(true))).await.unwrap();
    let mut events = all(generation).await;
    let fault = events.pop().unwrap().expect_err("the last is a fault");
    assert_eq!(fault.kind(), expected, "{script:?}: {fault:?}");
    let text: String = events
        .into_iter()
        .filter_map(|event| match event.expect("one fault") {
            Event::Text { text, .. } => Some(text),
            Event::Finish(_) => panic!("no finish before a fault"),
            _ => None,
        })
        .collect();
    assert_eq!(text, said, "{script:?}");
}

fn error(status: &str, body: &str) -> Vec<Act> {
    response(status, "application/json", body)
}

const UPSTREAM: Kind = Kind::Upstream { status: None };

#[tokio::test]
async fn a_server_that_is_not_there() {
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for base_url in [format!("http://{free}/v1"), "http://no-such-host.invalid/v1".to_owned()] {
        let backend = OpenAi::new(config(&base_url)).unwrap();
        let fault = outcome(&backend, request(true)).await.unwrap_err();
        assert_eq!(fault.kind(), &UPSTREAM, "{base_url}: {fault:?}");
        assert!(fault.kind().is_candidates());
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing() {
    check(vec![Act::Hang], &Kind::UpstreamTimeout).await;
}

#[tokio::test]
async fn a_server_that_hangs_up_at_once() {
    check(vec![], &UPSTREAM).await;
}

#[tokio::test]
async fn a_server_that_is_not_a_web_server() {
    check(vec![Act::Say("SSH-2.0-OpenSSH_9.2\r\n".into())], &UPSTREAM).await;
    check(vec![Act::Say(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)))], &UPSTREAM).await;
}

#[tokio::test]
async fn statuses_follow_the_table() {
    let says = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#);
    let status = |status| Kind::Upstream { status: Some(status) };
    check(error("401 Unauthorized", &says("bad key")), &status(401)).await;
    check(error("403 Forbidden", "<html>no</html>"), &status(403)).await;
    check(error("404 Not Found", &says("The model `up/wise` does not exist")), &status(404)).await;
    check(error("429 Too Many Requests", &says("slow down")), &Kind::Overloaded).await;
    check(error("503 Service Unavailable", &says("Loading model")), &Kind::NotReady).await;
    check(error("503 Service Unavailable", ""), &Kind::Overloaded).await;
    check(error("504 Gateway Timeout", ""), &Kind::UpstreamTimeout).await;
    check(error("500 Internal Server Error", "CUDA error"), &status(500)).await;
    check(error("301 Moved", ""), &status(301)).await;
    check(error("400 Bad Request", &says("no")), &Kind::Malformed { path: String::new() }).await;
    let too_long = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.";
    check(
        error("400 Bad Request", &says(too_long)),
        &Kind::ContextExceeded { tokens: 5000, tokens_max: 4096 },
    )
    .await;
}

#[tokio::test]
async fn an_error_that_never_ends_keeps_its_status() {
    let head = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 100\r\n\r\nhalf";
    check(vec![Act::Say(head.into()), Act::Hang], &Kind::Upstream { status: Some(500) }).await;
}

#[tokio::test]
async fn garbage_in_place_of_a_whole_answer() {
    for body in ["", "hello", "{}", "[]", r#"{"choices":[]}"#, r#"{"choices":[{"message":7}]}"#, "\u{0}\u{1}"]
    {
        check(error("200 OK", body), &UPSTREAM).await;
    }
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"choices\"";
    check(vec![Act::Say(head.into()), Act::Close], &UPSTREAM).await;
    check(vec![Act::Say(head.into()), Act::Hang], &Kind::UpstreamTimeout).await;
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_event_can_be_replaced() {
    let fails = |acts: Vec<Act>| async {
        let script = [vec![stream_head()], acts].concat();
        let upstream = Upstream::new(script.clone()).await;
        match upstream.backend().generate(Arc::new(request(true))).await {
            Ok(_) => panic!("should fail: {script:?}"),
            Err(fault) => {
                assert!(fault.kind().is_candidates(), "{fault:?}");
                fault.kind().clone()
            }
        }
    };
    assert_eq!(fails(vec![]).await, Kind::UpstreamStream);
    assert_eq!(fails(vec![Act::Hang]).await, Kind::UpstreamTimeout);
    assert_eq!(fails(vec![event("{\"error\":{\"message\":\"oom\"}}")]).await, Kind::UpstreamStream);
    assert_eq!(fails(vec![event("nonsense")]).await, Kind::UpstreamStream);
    assert_eq!(fails(vec![Act::Say("\u{0}\u{1}garbage".into())]).await, Kind::UpstreamStream);
    // Comments keep a connection alive, and not a caller waiting for ever.
    let comments =
        std::iter::repeat_n([Act::Say(": wait\n\n".into()), Act::Wait(50)], 40).flatten().collect();
    assert_eq!(fails(comments).await, Kind::UpstreamTimeout);
}

#[tokio::test]
async fn a_stream_that_dies_in_the_middle() {
    let broken = Kind::UpstreamStream;
    breaks(vec![stream_head(), event(HELLO), event(LO)], "hello", &broken).await;
    breaks(vec![stream_head(), event(HELLO), Act::Say("data: {\"choi".into())], "hel", &broken).await;
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let said = format!("data: {HELLO}\n\n");
    let chunk = format!("{chunked}{:x}\r\n{said}\r\n", said.len());
    breaks(vec![Act::Say(chunk.clone())], "hel", &broken).await;
    breaks(vec![Act::Say(chunk + "zz\r\n")], "hel", &broken).await;
}

#[tokio::test]
async fn a_stream_that_says_nonsense_after_a_while() {
    let broken = Kind::UpstreamStream;
    breaks(vec![stream_head(), event(HELLO), event("{]")], "hel", &broken).await;
    breaks(vec![stream_head(), event(HELLO), event(r#"{"error":{"message":"oom"}}"#)], "hel", &broken).await;
    // Also when both come at once.
    let both = Act::Say(format!("data: {HELLO}\n\ndata: {LO}\n\ndata: []\n\n"));
    breaks(vec![stream_head(), both], "hello", &broken).await;
}

#[tokio::test]
async fn a_stream_that_stops() {
    breaks(vec![stream_head(), event(HELLO), Act::Hang], "hel", &Kind::UpstreamTimeout).await;
    let comments = std::iter::repeat_n([Act::Say(": wait\n\n".into()), Act::Wait(50)], 40).flatten();
    let script = [stream_head(), event(HELLO)].into_iter().chain(comments).collect();
    breaks(script, "hel", &Kind::UpstreamTimeout).await;
}

#[tokio::test]
async fn a_slow_stream_is_not_a_stopped_one() {
    let slow = [HELLO, LO, STOP, USAGE, "[DONE]"].map(|data| [Act::Wait(300), event(data)]);
    let script = std::iter::once(stream_head()).chain(slow.into_iter().flatten()).collect();
    assert_eq!(outcome(&Upstream::new(script).await.backend(), request(true)).await.unwrap(), hello());
}

#[tokio::test]
async fn an_answer_is_complete_when_its_reason_is_known() {
    // It forgets the end mark, breaks off after the reason, or hangs there: nothing was lost but perhaps the usage.
    for end in [vec![], vec![Act::Say("data: {\"half".into())], vec![Act::Hang]] {
        let script = [vec![stream_head(), event(HELLO), event(LO), event(STOP), event(USAGE)], end].concat();
        assert_eq!(outcome(&Upstream::new(script).await.backend(), request(true)).await.unwrap(), hello());
    }
}

#[tokio::test]
async fn an_event_without_end_is_cut_off() {
    let piece = Act::Say("x".repeat(1 << 20));
    let script = [vec![stream_head(), event(HELLO), Act::Say("data: ".into())], vec![piece; 6]].concat();
    let upstream = Upstream::new(script).await;
    let deadlines = Deadlines { idle: Duration::from_secs(60), ..upstream.config().deadlines };
    let backend = OpenAi::new(Config { deadlines, ..upstream.config() }).unwrap();
    let generation = backend.generate(Arc::new(request(true))).await.unwrap();
    let fault = all(generation).await.pop().unwrap().expect_err("the last is a fault");
    assert_eq!(fault.kind(), &Kind::UpstreamStream, "{fault:?}");
}

#[tokio::test]
async fn a_whole_answer_without_end_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let script = [vec![Act::Say(head.into())], vec![Act::Say(" ".repeat(1 << 20)); 40]].concat();
    let upstream = Upstream::new(script).await;
    let deadlines = Deadlines { whole: Duration::from_secs(60), ..upstream.config().deadlines };
    let backend = OpenAi::new(Config { deadlines, ..upstream.config() }).unwrap();
    let fault = outcome(&backend, request(false)).await.unwrap_err();
    assert_eq!(fault.kind(), &UPSTREAM, "{fault:?}");
    assert!(fault.detail().unwrap().contains("length limit"), "{fault:?}");
}

#[tokio::test]
async fn dropping_an_answer_hangs_up() {
    // Before the response, and in the middle of it.
    let upstream = Upstream::new(vec![Act::Hang]).await;
    let backend = upstream.backend();
    let waiting = tokio::time::timeout(Duration::from_millis(50), outcome(&backend, request(true))).await;
    assert!(waiting.is_err(), "it should still wait");
    eventually("the call is cancelled", || upstream.closed.load(Ordering::SeqCst) == 1).await;

    let upstream = Upstream::new(vec![stream_head(), event(HELLO), Act::Hang]).await;
    let mut generation = upstream.backend().generate(Arc::new(request(true))).await.unwrap();
    assert!(generation.events.next().await.is_some());
    drop(generation.events);
    eventually("the stream is cancelled", || upstream.closed.load(Ordering::SeqCst) == 1).await;
    assert_eq!(generation.tally.usage(), Usage::plain(9, 1), "what was produced is known");
}

#[tokio::test]
async fn no_more_calls_run_at_once_than_may() {
    let upstream = Upstream::new(vec![stream_head(), event(HELLO), Act::Hang]).await;
    let backend = OpenAi::new(Config { calls_max: 1, ..upstream.config() }).unwrap();
    let first = backend.generate(Arc::new(request(true))).await.unwrap();
    let Err(fault) = backend.generate(Arc::new(request(true))).await.map(|_| ()) else {
        panic!("one too many")
    };
    assert_eq!(fault.kind(), &Kind::Overloaded);
    drop(first);
    assert!(backend.generate(Arc::new(request(true))).await.is_ok());
}
