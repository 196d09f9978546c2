//! A server that misbehaves in every way is the real part here; so it is a socket and a script, not a library.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use canon::{
    Answer, Backend, Capabilities, Content, Event, Fault, Finish, Fold, Generation, Kind, Message, ModelId,
    Request, Role, Secret, StopReason, Usage,
};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{CALLS_MAX, Config, Counter, Dialect, OpenAi, capabilities};
use crate::Deadlines;

mod hostile;
mod relay;
mod tls;
mod translate;

/// What the server does with a call, one after the other.
#[derive(Clone, Debug)]
enum Act {
    /// Writes these bytes.
    Say(String),
    /// Waits for so many milliseconds.
    Wait(u64),
    /// Says nothing more, and keeps the connection until the client closes it.
    Hang,
    /// Closes the connection.
    Close,
}

/// A server at work.
struct Upstream {
    address: String,
    /// The requests that came: head and body.
    seen: Arc<Mutex<Vec<(String, String)>>>,
    /// Connections that were accepted.
    connections: Arc<AtomicUsize>,
    /// Connections that the client closed.
    closed: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Answers every call by the same script. A script without a length closes the connection at its end.
    async fn new(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (connections, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (kept, count, gone) = (Arc::clone(&seen), Arc::clone(&connections), Arc::clone(&closed));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (script, kept, gone) = (script.clone(), Arc::clone(&kept), Arc::clone(&gone));
                tokio::spawn(async move {
                    if serve(socket, &script, &kept).await.is_err() {
                        gone.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { address, seen, connections, closed, task }
    }

    fn config(&self) -> Config {
        config(&format!("http://{}/v1", self.address))
    }

    fn backend(&self) -> OpenAi {
        OpenAi::new(self.config()).unwrap()
    }

    /// The only request's body.
    fn body(&self) -> serde_json::Value {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "one call");
        serde_json::from_str(&seen[0].1).unwrap()
    }
}

/// Serves calls on one connection; an error when the client closes it.
async fn serve(
    mut socket: TcpStream,
    script: &[Act],
    seen: &Mutex<Vec<(String, String)>>,
) -> std::io::Result<()> {
    loop {
        let call = read(&mut socket).await?;
        seen.lock().unwrap().push(call);
        for act in script {
            match act {
                Act::Say(text) => socket.write_all(text.as_bytes()).await?,
                Act::Wait(ms) => sleep(Duration::from_millis(*ms)).await,
                Act::Close => return Ok(()),
                Act::Hang => {
                    let mut rest = Vec::new();
                    socket.read_to_end(&mut rest).await?;
                    return Err(std::io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
        let kept = script.iter().any(|act| {
            matches!(act, Act::Say(text) if text.contains("content-length") || text.ends_with("0\r\n\r\n"))
        });
        if !kept {
            return Ok(());
        }
    }
}

async fn read(socket: &mut TcpStream) -> std::io::Result<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    socket.read_exact(&mut body).await?;
    Ok((head, String::from_utf8(body).unwrap()))
}

fn config(base_url: &str) -> Config {
    Config {
        name: "rack".into(),
        base_url: base_url.into(),
        api_key: Some(Secret::new("sk-secret\n")),
        upstream_model: "up/wise".into(),
        dialect: Dialect::VLLM,
        counter: Counter::None,
        capabilities: capabilities(&Dialect::VLLM),
        deadlines: Deadlines {
            connect: Duration::from_secs(2),
            // Long enough for a busy machine, short enough to wait for.
            first_event: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            whole: Duration::from_millis(1500),
        },
        calls_max: CALLS_MAX,
    }
}

fn request(stream: bool) -> Request {
    let content = vec![Content::Text("hello there".into())];
    Request {
        stream,
        messages: vec![Message { role: Role::User, content }],
        ..Request::new(ModelId::new("acme.wise-v1:0"))
    }
}

/// A whole response.
fn response(status: &str, kind: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    vec![Act::Say(format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))]
}

/// The head of a stream that ends with its connection.
fn stream_head() -> Act {
    Act::Say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".into())
}

fn event(data: &str) -> Act {
    Act::Say(format!("data: {data}\n\n"))
}

const HELLO: &str =
    r#"{"id":"1","model":"up/wise","choices":[{"index":0,"delta":{"role":"assistant","content":"hel"}}]}"#;
const LO: &str = r#"{"id":"1","model":"up/wise","choices":[{"index":0,"delta":{"content":"lo"}}]}"#;
const STOP: &str =
    r#"{"id":"1","model":"up/wise","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"id":"1","model":"up/wise","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2}}"#;
const WHOLE: &str = r#"{"id":"1","model":"up/wise","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":2}}"#;

/// Everything that a stream says.
async fn all(generation: Generation) -> Vec<Result<Event, Fault>> {
    generation.events.collect().await
}

/// The answer, or the fault, wherever it came.
async fn outcome(backend: &OpenAi, request: Request) -> Result<Answer, Fault> {
    let generation = backend.generate(Arc::new(request)).await?;
    let mut fold = Fold::default();
    let mut answer = None;
    for event in all(generation).await {
        assert!(answer.is_none(), "nothing follows the finish");
        answer = fold.push(event?)?;
    }
    Ok(answer.expect("a finish, or a fault, is last"))
}

fn hello() -> Answer {
    let finish = Finish::new(StopReason::EndTurn, Usage::plain(11, 2));
    Answer { content: vec![Content::Text("hello".into())], vectors: Vec::new(), finish }
}

/// Waits until `is` holds; the test fails if it takes longer than ten seconds.
async fn eventually(what: &str, is: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn verbatim(events: &[Result<Event, Fault>]) -> (String, String) {
    let (mut on_the_way, mut last) = (Vec::new(), Bytes::new());
    for event in events {
        match event {
            Ok(Event::Verbatim(bytes)) => on_the_way.extend_from_slice(bytes),
            Ok(Event::Finish(finish)) => last = finish.verbatim.clone().unwrap(),
            _ => {}
        }
    }
    (String::from_utf8(on_the_way).unwrap(), String::from_utf8(last.to_vec()).unwrap())
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_member() {
    let check = |change: fn(&mut Config), path: &str| {
        let mut config = config("http://127.0.0.1:1/v1");
        change(&mut config);
        let fault = OpenAi::new(config).expect_err(path);
        assert_eq!(fault.kind(), &Kind::Malformed { path: path.into() });
    };
    check(|config| config.base_url = "127.0.0.1:8000".into(), "base_url");
    check(|config| config.base_url = "ftp://rack/v1".into(), "base_url");
    check(|config| config.base_url = "http://".into(), "base_url");
    check(|config| config.api_key = Some(Secret::new("a\u{7}b")), "api_key");
}

#[test]
fn capabilities_follow_the_dialect() {
    let Capabilities { top_k, seed, schemas, tools, images, relays, .. } = capabilities(&Dialect::OPENAI);
    assert_eq!(relays, Some(canon::Format::OpenaiChat));
    assert_eq!((top_k, seed, schemas, tools, images), (false, true, true, true, false));
}
