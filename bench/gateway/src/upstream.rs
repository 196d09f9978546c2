use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// The deltas of a stream.
const DELTAS: usize = 64;
/// The words of a whole answer; with its frame it is about 1 kB.
const WORDS: usize = 150;

struct Answers {
    whole: Bytes,
    stream: Vec<Bytes>,
}

pub(crate) async fn run(listen: SocketAddr) -> std::io::Result<()> {
    let answers = Arc::new(Answers { whole: whole(), stream: deltas() });
    let listener = tokio::net::TcpListener::bind(listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        let service = service_fn(move |request| answer(request, Arc::clone(&answers)));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Answers>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let wants_stream =
        body.windows(13).any(|window| window == b"\"stream\":true") || find(&body, b"\"stream\": true");
    let (kind, body) = if wants_stream {
        let frames = answers.stream.clone().into_iter().map(|bytes| Ok(Frame::data(bytes)));
        ("text/event-stream", StreamBody::new(stream::iter(frames)).boxed())
    } else {
        ("application/json", Full::new(answers.whole.clone()).boxed())
    };
    Ok(Response::builder().header("content-type", kind).body(body).expect("a valid head"))
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn whole() -> Bytes {
    let text = "word ".repeat(WORDS);
    let usage =
        serde_json::json!({"prompt_tokens": 9, "completion_tokens": WORDS, "total_tokens": 9 + WORDS});
    let choice = serde_json::json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    let body = serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "upstream",
        "choices": [choice], "usage": usage
    });
    Bytes::from(body.to_string())
}

fn deltas() -> Vec<Bytes> {
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        serde_json::json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "upstream",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
        })
    };
    let mut events = vec![chunk(serde_json::json!({"role": "assistant", "content": ""}), None)];
    events.extend((0..DELTAS).map(|_| chunk(serde_json::json!({"content": "word "}), None)));
    events.push(chunk(serde_json::json!({}), Some("stop")));
    let mut usage = chunk(serde_json::json!({}), None);
    usage["choices"] = serde_json::json!([]);
    usage["usage"] =
        serde_json::json!({"prompt_tokens": 9, "completion_tokens": DELTAS, "total_tokens": 9 + DELTAS});
    events.push(usage);
    let mut frames: Vec<_> = events.iter().map(|event| Bytes::from(format!("data: {event}\n\n"))).collect();
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    frames
}
