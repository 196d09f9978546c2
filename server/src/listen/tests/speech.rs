//! What is spoken is found out, whichever of the four ways a client comes.

use super::{HANG, Limits, Served, read_to_end, send};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

const BODY_BYTES: usize = 3_000_000;

fn echo() -> Request<Full<Bytes>> {
    Request::post("http://localhost/echo").body(Full::from(vec![b'x'; BODY_BYTES])).unwrap()
}

async fn ask_http1(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
    let (mut client, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let mut told = String::new();
    // Twice, on one connection.
    for _ in 0..2 {
        client.ready().await.unwrap();
        let answer = client.send_request(echo()).await.unwrap();
        told = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    }
    told
}

async fn ask_http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let ask = |mut client: http2::SendRequest<Full<Bytes>>| async move {
        let answer = client.send_request(echo()).await.unwrap();
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    // Twice, at once.
    let (told, again) = tokio::join!(ask(client.clone()), ask(client));
    assert_eq!(told, again);
    told
}

async fn encrypted(served: &Served, name: &'static str, alpn: &[&str]) -> TlsStream<tokio::net::TcpStream> {
    let mut config = served.trusting();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, served.connect().await).await.unwrap()
}

#[track_caller]
fn check(told: &str, expected: &str) {
    assert_eq!(told, format!("{expected} 127.0.0.1 {BODY_BYTES}"));
}

#[tokio::test]
async fn one_port_speaks_http1_and_http2_with_and_without_tls() {
    let served = Served::start(Limits::default()).await;
    check(&ask_http1(served.connect().await).await, "Http1 tls=false");
    check(&ask_http2(served.connect().await).await, "Http2 tls=false");
    check(&ask_http2(encrypted(&served, "localhost", &["h2", "http/1.1"]).await).await, "Http2 tls=true");
    check(&ask_http1(encrypted(&served, "127.0.0.1", &["http/1.1"]).await).await, "Http1 tls=true");
    check(&ask_http1(encrypted(&served, "test-host", &[]).await).await, "Http1 tls=true");
    check(&ask_http2(encrypted(&served, "::1", &[]).await).await, "Http2 tls=true");
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_not_vouched_for() {
    let served = Served::start(Limits::default()).await;
    let name = ServerName::try_from("bedrock-runtime.us-east-1.amazonaws.com").unwrap();
    let connector = TlsConnector::from(Arc::new(served.trusting()));
    connector.connect(name, served.connect().await).await.unwrap_err();
}

#[tokio::test]
async fn without_certificates_tls_is_refused_and_the_rest_served() {
    let listener = super::Listener::bind(([127, 0, 0, 1], 0).into(), Limits::default(), None).await.unwrap();
    let addr = listener.addr();
    let service = hyper::service::service_fn(|request| {
        super::answer(request, tokio::sync::mpsc::unbounded_channel().0)
    });
    tokio::spawn(listener.serve(service, std::future::pending()));
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    send(&mut stream, b"\x16\x03\x01\x00\x05hello").await;
    assert_eq!(read_to_end(&mut stream).await, "");
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    check(&timeout(HANG, ask_http1(stream)).await.unwrap(), "Http1 tls=false");
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let served = Served::start(Limits::default()).await;
    let again = super::Listener::bind(served.addr, Limits::default(), None).await;
    assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
