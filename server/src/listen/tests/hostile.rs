//! Peers that send nonsense, nothing, or too much, and peers that do not read.

use super::{HANG, Limits, SHORT, Served, read_to_end, read_until, send};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const GOOD: &str = "GET /echo HTTP/1.1\r\nhost: h\r\n\r\n";

/// Sends `bytes`, then nothing, and expects the connection to be closed after an answer that begins with `expected`.
async fn check(limits: Limits, bytes: &[u8], expected: &str) {
    let served = Served::start(limits).await;
    let mut stream = served.connect().await;
    send(&mut stream, bytes).await;
    let began = Instant::now();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with(expected), "{bytes:?}: {answer}");
    assert!(began.elapsed() < HANG / 2);
}

#[tokio::test]
async fn nonsense_is_refused() {
    let check = |bytes: &'static [u8], expected| check(Limits::default(), bytes, expected);
    check(b"\0\x01\x02\x03 nonsense\r\n\r\n", "HTTP/1.1 400").await;
    check(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "HTTP/1.1 400").await;
    check(b"GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400").await;
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, not frames, and long enough to be one", "").await;
    check(b"\x16\x03\x01\x00\x05hello", "").await;
}

#[tokio::test]
async fn whoever_stops_half_way_is_not_waited_for() {
    let impatient = Limits {
        sniff_timeout: SHORT,
        handshake_timeout: SHORT,
        head_timeout: SHORT,
        ping_interval: SHORT,
        ping_timeout: SHORT,
        ..Limits::default()
    };
    let check = |bytes: &'static [u8]| check(impatient, bytes, "");
    check(b"").await;
    check(b"P").await;
    check(b"PRI * HTTP/2.0\r\n\r\nSM").await;
    check(b"\x16").await;
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01").await;
    check(b"GET / HTTP/1.1\r\nhost: h\r\n").await;
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let served = Served::start(Limits { head_timeout: SHORT, ..Limits::default() }).await;
    let mut stream = served.connect().await;
    let began = Instant::now();
    send(&mut stream, "GET / HTTP/1.1\r\n").await;
    // One header line after another, each in time, never the last.
    while timeout(HANG, stream.write_all(b"x: y\r\n")).await.unwrap().is_ok() {
        sleep(SHORT / 10).await;
        assert!(began.elapsed() < HANG / 2, "it may go on for ever");
    }
}

#[tokio::test]
async fn a_head_has_limits() {
    let limits = Limits::default();
    let served = Served::start(limits).await;
    let lines = "x: y\r\n".repeat(limits.headers_max + 1);
    let long = format!("x: {}\r\n", "y".repeat(limits.head_bytes_max as usize + 1));
    for lines in [lines, long] {
        let mut stream = served.connect().await;
        // The server may have answered and closed before it read everything.
        _ = stream.write_all(format!("GET /echo HTTP/1.1\r\nhost: h\r\n{lines}\r\n").as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn whoever_does_not_read_loses_the_answer() {
    let mut served = Served::start(Limits { write_stall_timeout: SHORT, ..Limits::default() }).await;
    let mut stream = served.connect().await;
    send(&mut stream, "GET /endless HTTP/1.1\r\nhost: h\r\n\r\n").await;
    read_until(&mut stream, "\r\n\r\n").await;
    sleep(SHORT * 4).await;
    // The connection is gone, so that there is nothing left to drain.
    served.shut_down();
    assert_eq!(served.ended().await.cut, 0);
}

#[tokio::test]
async fn whoever_reads_slowly_is_not_cut_off() {
    let mut served = Served::start(Limits { write_stall_timeout: SHORT, ..Limits::default() }).await;
    let mut stream = served.connect().await;
    send(&mut stream, "GET /stream HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let feed = served.feed().await;
    for _ in 0..4 {
        sleep(SHORT * 2).await;
        feed.send("piece").await.unwrap();
        read_until(&mut stream, "piece").await;
    }
    drop(feed);
    read_until(&mut stream, "0\r\n\r\n").await;
}

/// Whether an answer has begun or not, it ends when there is nobody left to read it.
#[tokio::test]
async fn a_client_that_goes_away_drops_its_answer() {
    let mut served = Served::start(Limits::default()).await;
    for path in ["/stream", "/pending"] {
        let mut stream = served.connect().await;
        send(&mut stream, format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{{}}")).await;
        let feed = served.feed().await;
        drop(stream);
        timeout(HANG, feed.closed()).await.expect("it goes on for nobody");
    }
}

#[tokio::test]
async fn one_connection_more_than_allowed_waits_for_a_place() {
    let served = Served::start(Limits { connections_max: 2, ..Limits::default() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect().await;
        send(&mut stream, GOOD).await;
        read_until(&mut stream, "127.0.0.1 0").await;
        open.push(stream);
    }
    let mut third: TcpStream = served.connect().await;
    send(&mut third, GOOD).await;
    let mut byte = [0];
    timeout(SHORT, third.peek(&mut byte)).await.expect_err("it has no place yet");
    open.pop();
    read_until(&mut third, "127.0.0.1 0").await;
}

#[tokio::test]
async fn a_panic_in_the_service_is_one_connections_trouble() {
    let listener = super::Listener::bind(([127, 0, 0, 1], 0).into(), Limits::default(), None).await.unwrap();
    let addr = listener.addr();
    let service = hyper::service::service_fn(|request: http::Request<_>| {
        assert_ne!(request.uri().path(), "/panic");
        super::answer(request, tokio::sync::mpsc::unbounded_channel().0)
    });
    tokio::spawn(listener.serve(service, std::future::pending()));
    let mut stream = TcpStream::connect(addr).await.unwrap();
    send(&mut stream, GOOD.replace("/echo", "/panic")).await;
    assert_eq!(read_to_end(&mut stream).await, "");
    let mut stream = TcpStream::connect(addr).await.unwrap();
    send(&mut stream, GOOD).await;
    timeout(Duration::from_secs(5), read_until(&mut stream, "127.0.0.1 0")).await.unwrap();
}
