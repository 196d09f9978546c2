//! Bodies at their limits.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::edge::BodyLimits;
use crate::testing::{Books, HANG, MODEL, Reply, Setup, Version, World};

/// A body of Converse that is `bytes` long.
fn padded(bytes: usize) -> Bytes {
    let mut body = super::list::CONVERSE.as_bytes().to_vec();
    body.resize(bytes, b' ');
    body.into()
}

#[tokio::test]
async fn the_largest_body_is_taken_and_one_byte_more_is_not_and_the_connection_goes_on() {
    let world = World::start().await;
    for (version, chunked) in [(Version::Http1, false), (Version::Http1, true), (Version::Http2, false)] {
        let mut client = world.client(version).await;
        for (bytes, status) in [(25_000_001, 400), (25_000_000, 200), (100, 200)] {
            let call = world.converse(false, "").body(padded(bytes));
            let call = if chunked { call.chunked() } else { call };
            let reply = Reply::read(client.send(call).await).await;
            assert_eq!(reply.status, status, "{bytes} bytes over {version:?}");
        }
    }
    assert_eq!(world.books().completed, 6);
}

#[tokio::test]
async fn large_bodies_share_a_room_and_one_for_which_there_is_none_is_told_to_come_back() {
    let bodies = BodyLimits { bytes_max: 2 << 20, ..BodyLimits::default() };
    let world = World::with(Setup { bodies, ..Setup::default() }).await;
    for version in [Version::Http1, Version::Http2] {
        let reply = world.send_as(version, world.converse(false, "").body(padded(8 << 20))).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (503, "ServiceUnavailableException"));
        assert_eq!(reply.header("retry-after"), "2");
        // It gave back what it had taken.
        let reply = world.send_as(version, world.converse(false, "").body(padded(2 << 20))).await;
        assert_eq!(reply.status, 200);
    }
}

/// As most clients do it, which write all before they read: a server that closes in the middle breaks them.
async fn write_then_read(world: &World, bytes: usize) -> String {
    let head = format!(
        "POST /model/{MODEL}/converse HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-length: {bytes}\r\n\r\n",
        world.api_key
    );
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    let all = [head.as_bytes(), &padded(bytes)].concat();
    timeout(HANG, stream.write_all(&all)).await.expect("it is not read").expect("it is read to its end");
    let mut answer = String::new();
    timeout(HANG, stream.read_to_string(&mut answer)).await.expect("it has no end").unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_writes_before_it_reads_sees_its_refusal() {
    let bodies = BodyLimits { bytes_max: 2 << 20, ..BodyLimits::default() };
    let crowded = World::with(Setup { bodies, ..Setup::default() }).await;
    let draining = World::start().await;
    draining.health.drain();
    let world = World::start().await;
    for (case, world, bytes, status) in [
        ("too large", &world, 25_000_001, "400"),
        ("no room", &crowded, 24_000_000, "503"),
        ("draining", &draining, 24_000_000, "503"),
    ] {
        let answer = write_then_read(world, bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {answer}");
        assert!(answer.contains("x-amzn-errortype: "), "{case}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_and_one_that_breaks_off_is_nothing() {
    let bodies = BodyLimits { stall: Duration::from_millis(100), ..BodyLimits::default() };
    let world = World::with(Setup { bodies, ..Setup::default() }).await;
    let head = format!(
        "POST /model/m/converse HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\ncontent-length: 99\r\n\r\n{{",
        world.api_key
    );
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(HANG, stream.read_to_string(&mut answer)).await.expect("it waits for ever").unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("ValidationException") && answer.contains("stalled"), "{answer}");

    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(HANG, stream.read_to_end(&mut answer)).await.expect("it waits for ever").unwrap();
    assert_eq!(world.books(), Books::default());
    world.rests().await;
}
