//! How a listener ends, and how an HTTP/2 client's farewell is taken.

use super::{HANG, Limits, SHORT, Served, read_to_end, read_until, send};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

const STREAM: &str = "GET /stream HTTP/1.1\r\nhost: h\r\n\r\n";

#[tokio::test]
async fn a_stream_under_way_goes_on_to_its_end_and_nothing_new_is_taken() {
    let mut served = Served::start(Limits::default()).await;
    let mut stream = served.connect().await;
    send(&mut stream, STREAM).await;
    let feed = served.feed().await;
    feed.send("before").await.unwrap();
    read_until(&mut stream, "before").await;
    let mut idle = served.connect().await;
    send(&mut idle, "GET /echo HTTP/1.1\r\nhost: h\r\n\r\n").await;
    read_until(&mut idle, "127.0.0.1 0").await;
    let mut silent = served.connect().await;
    tokio::time::sleep(SHORT).await;

    served.shut_down();
    // Whoever waits for nothing is let go at once.
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut silent).await, "");
    TcpStream::connect(served.addr).await.unwrap_err();
    feed.send("after").await.unwrap();
    read_until(&mut stream, "after").await;
    drop(feed);
    read_to_end(&mut stream).await;
    assert_eq!(served.ended().await.cut, 0);
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_cut_off_and_counted() {
    let mut served = Served::start(Limits { drain_grace: SHORT, ..Limits::default() }).await;
    let mut stream = served.connect().await;
    send(&mut stream, STREAM).await;
    let feed = served.feed().await;
    let began = Instant::now();
    served.shut_down();
    assert_eq!(served.ended().await.cut, 1);
    assert!(began.elapsed() >= SHORT && began.elapsed() < Duration::from_secs(5));
    timeout(HANG, feed.closed()).await.expect("the answer was not dropped");
    read_to_end(&mut stream).await;
}

/// An HTTP/2 frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;

/// Opens stream 1 with a GET of `path`: the preface, the settings, and a header block (RFC 7541, appendix A).
async fn open_http2(stream: &mut TcpStream, path: &str) {
    let mut block = vec![0x82, 0x86, 0x41, 1, b'h', 0x44, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    let bytes = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_STREAM_AND_HEADERS, 1, &block),
    ];
    send(stream, bytes.concat()).await;
}

/// The next frame that is neither bookkeeping nor a question whether we are there, which is answered.
async fn next_frame(stream: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    loop {
        let mut head = [0; 9];
        if timeout(HANG, stream.read_exact(&mut head)).await.expect("no frame comes").is_err() {
            return None;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        match head[3] {
            PING if head[4] & ACK == 0 => send(stream, frame(PING, ACK, 0, &payload)).await,
            SETTINGS | PING | 8 => {}
            kind => return Some((kind, head[4], payload)),
        }
    }
}

/// The JavaScript SDK says farewell as soon as the answer's head is there, and waits for the events.
#[tokio::test]
async fn a_stream_outlives_the_clients_goaway() {
    let mut served = Served::start(Limits::default()).await;
    let mut stream = served.connect().await;
    open_http2(&mut stream, "/stream").await;
    let feed = served.feed().await;
    assert_eq!(next_frame(&mut stream).await.unwrap().0, HEADERS);
    send(&mut stream, frame(GOAWAY, 0, 0, &[0; 8])).await;
    for text in ["one", "two", "three"] {
        tokio::time::sleep(SHORT).await;
        feed.send(text).await.unwrap();
        assert_eq!(next_frame(&mut stream).await.unwrap(), (DATA, 0, text.as_bytes().to_vec()));
    }
    drop(feed);
    let mut last = next_frame(&mut stream).await.unwrap();
    while last.0 == GOAWAY {
        last = next_frame(&mut stream).await.unwrap();
    }
    assert_eq!(last, (DATA, END_STREAM, Vec::new()));
}

#[tokio::test]
async fn a_shutdown_says_goaway_and_streams_go_on() {
    let mut served = Served::start(Limits::default()).await;
    let mut stream = served.connect().await;
    open_http2(&mut stream, "/stream").await;
    let feed = served.feed().await;
    assert_eq!(next_frame(&mut stream).await.unwrap().0, HEADERS);
    served.shut_down();
    assert_eq!(next_frame(&mut stream).await.unwrap().0, GOAWAY);
    feed.send("after").await.unwrap();
    drop(feed);
    let mut text = Vec::new();
    while let Some((kind, _, payload)) = next_frame(&mut stream).await {
        if kind == DATA {
            text.extend(payload);
        }
    }
    assert_eq!(text, b"after");
    assert_eq!(served.ended().await.cut, 0);
}

#[tokio::test]
async fn a_stream_that_its_client_resets_is_dropped_and_the_others_go_on() {
    let mut served = Served::start(Limits::default()).await;
    for path in ["/stream", "/pending"] {
        let mut stream = served.connect().await;
        open_http2(&mut stream, path).await;
        let feed = served.feed().await;
        send(&mut stream, frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
        timeout(HANG, feed.closed()).await.expect("it goes on for nobody");
        send(&mut stream, frame(HEADERS, END_STREAM_AND_HEADERS, 3, &[0x82, 0x86, 0x41, 1, b'h', 0x84]))
            .await;
        let mut next = next_frame(&mut stream).await.unwrap();
        // The head of the answer that was given up may be on its way.
        while (next.0, next.2.starts_with(b"Http2")) != (DATA, true) {
            next = next_frame(&mut stream).await.unwrap();
        }
    }
}
