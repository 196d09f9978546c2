//! A client: hyper's, and readers of what comes back that are not this workspace's own where there are others.

use std::convert::Infallible;
use std::net::SocketAddr;

use aws_smithy_eventstream::frame::read_message_from;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::HANG;

/// Which HTTP a client speaks, both without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// The body's length is not announced.
    chunked: bool,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let headers = Vec::new();
        Self { method: method.to_owned(), path: path.to_owned(), headers, body: Bytes::new(), chunked: false }
    }

    pub(crate) fn key(self, api_key: &str) -> Self {
        self.header("authorization", format!("Bearer {api_key}"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    fn request(self, origin: &str, version: Version) -> Request<Sent> {
        // HTTP/2 names the host in the target, HTTP/1.1 in a header.
        let mut request = match version {
            Version::Http1 => Request::builder().uri(self.path).header("host", origin),
            Version::Http2 => Request::builder().uri(format!("http://{origin}{}", self.path)),
        };
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let body = Full::new(self.body);
        let body = if self.chunked { body.map_frame(|frame| frame).boxed() } else { BoxBody::new(body) };
        request.method(self.method.as_str()).body(body).unwrap()
    }
}

type Sent = BoxBody<Bytes, Infallible>;

/// A connection.
pub(crate) struct Client {
    origin: String,
    sender: Sender,
}

enum Sender {
    Http1(http1::SendRequest<Sent>),
    Http2(http2::SendRequest<Sent>),
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr, version: Version) -> Self {
        let io = TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let sender = match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Version::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Self { origin: addr.to_string(), sender }
    }

    /// Sends `call` and waits for the head of its answer.
    pub(crate) async fn send(&mut self, call: Call) -> Response<Incoming> {
        let shown = format!("{} {}", call.method, call.path);
        let answer = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(call.request(&self.origin, Version::Http1)).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(call.request(&self.origin, Version::Http2)).await
                }
            }
        };
        let answer = timeout(HANG, answer).await.unwrap_or_else(|_| panic!("{shown}: no answer"));
        answer.unwrap_or_else(|error| panic!("{shown}: {error:?}"))
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A JSON document of an answer.
#[derive(Debug)]
pub(crate) struct Document {
    /// What a stream calls it: its event or its exception.
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl Reply {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = timeout(HANG, body.collect()).await.expect("the answer has no end").unwrap();
        Self { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer's only document.
    pub(crate) fn document(&self) -> Value {
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "{self:?}");
        documents.remove(0).value
    }

    /// Every document of the answer, whatever carries them.
    pub(crate) fn documents(&self) -> Vec<Document> {
        match self.header("content-type") {
            "application/vnd.amazon.eventstream" => frames(self.body.clone()),
            "application/json" => vec![Document { name: String::new(), value: json(&self.body) }],
            events if events.starts_with("text/event-stream") => server_sent(&self.body),
            other => panic!("{other:?} carries no documents"),
        }
    }
}

fn frames(mut body: Bytes) -> Vec<Document> {
    let mut documents = Vec::new();
    while body.has_remaining() {
        let message = read_message_from(&mut body).unwrap();
        let header = |name: &str| {
            let found = message.headers().iter().find(|header| header.name().as_str() == name)?;
            Some(found.value().as_string().unwrap().as_str().to_owned())
        };
        let name = header(":event-type").or_else(|| header(":exception-type")).unwrap();
        let mut value = json(message.payload());
        if name == "chunk" {
            value = json(&STANDARD.decode(value["bytes"].as_str().unwrap()).unwrap());
        }
        documents.push(Document { name, value });
    }
    documents
}

fn server_sent(body: &[u8]) -> Vec<Document> {
    let mut frames = wire::Frames::new(1 << 20);
    frames.push(body).unwrap();
    let frames = std::iter::from_fn(|| frames.pop()).filter(|frame| frame.data != "[DONE]");
    frames.map(|frame| Document { value: json(frame.data.as_bytes()), name: frame.event }).collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}
