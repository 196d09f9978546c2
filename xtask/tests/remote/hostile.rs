//! A server that does to a call what the model's name says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How long a server that hangs keeps its connection.
const HANG: Duration = Duration::from_secs(30);
/// The pieces of an answer that comes as a stream.
pub(crate) const PIECES: [&str; 3] = ["one", " two", " three"];
/// What the answer used, by the server's own count.
pub(crate) const USED: (u64, u64) = (17, 3);

/// Listens for as long as the test runs, and yields its address.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address").to_string();
    thread::spawn(move || {
        for socket in listener.incoming().filter_map(Result::ok) {
            // A caller that gives up closes its connection; nobody waits for what this could not write.
            thread::spawn(move || drop(serve(&socket)));
        }
    });
    address
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").to_string()
}

fn serve(mut socket: &TcpStream) -> std::io::Result<()> {
    let body = read(socket)?;
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let streams = body["stream"] == true;
    match model.as_str() {
        "hangs" => thread::sleep(HANG),
        "speaks-ssh" => socket.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")?,
        "closes" => {}
        "bad-key" => refuse(socket, "401 Unauthorized", &json!({"error": {"message": "no such key"}}))?,
        "no-model" => refuse(socket, "404 Not Found", &json!({"error": {"message": "no such model"}}))?,
        "busy" => {
            refuse(socket, "429 Too Many Requests", &json!({"error": {"message": "slow down, tenant 7"}}))?;
        }
        "fails" => refuse(socket, "500 Internal Server Error", &json!({"detail": "CUDA error at 0x7f"}))?,
        "unavailable" => refuse(socket, "503 Service Unavailable", &json!({"error": "no replicas"}))?,
        "too-long" => {
            let message =
                "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.";
            refuse(socket, "400 Bad Request", &json!({"error": {"message": message, "code": 400}}))?;
        }
        "declines" => {
            refuse(socket, "400 Bad Request", &json!({"error": {"message": "min_p is not taken"}}))?;
        }
        _ if streams => stream(socket, &model)?,
        "garbage" => answer(socket, "<html>It works!</html>", 0)?,
        // It promises more than it sends.
        "dies" => answer(socket, r#"{"choices":[{"message":{"content":"on"#, 100)?,
        "falls-silent" => {
            answer(socket, r#"{"choices":["#, 100)?;
            thread::sleep(HANG);
        }
        _ => answer(socket, &whole(), 0)?,
    }
    Ok(())
}

fn read(socket: &TcpStream) -> std::io::Result<Value> {
    let mut reader = BufReader::new(socket);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

fn refuse(mut socket: &TcpStream, status: &str, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    write!(
        socket,
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// An answer in one piece, of which `missing` bytes never come.
fn answer(mut socket: &TcpStream, body: &str, missing: usize) -> std::io::Result<()> {
    let length = body.len() + missing;
    write!(
        socket,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn usage() -> Value {
    json!({"prompt_tokens": USED.0, "completion_tokens": USED.1, "total_tokens": USED.0 + USED.1})
}

fn whole() -> String {
    let message = json!({"role": "assistant", "content": PIECES.concat()});
    json!({"id": "x", "object": "chat.completion", "created": 1, "model": "good", "usage": usage(),
           "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    .to_string()
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "good", "choices": [choice]})
        .to_string()
}

fn stream(mut socket: &TcpStream, model: &str) -> std::io::Result<()> {
    write!(
        socket,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )?;
    let say = |data: &str| {
        let mut socket = socket;
        let event = format!("data: {data}\n\n");
        write!(socket, "{:x}\r\n{event}\r\n", event.len())
    };
    if model == "garbage" {
        return say("{It works!");
    }
    for piece in PIECES {
        say(&chunk(&json!({"content": piece}), None))?;
    }
    match model {
        "dies" => return Ok(()),
        "falls-silent" => thread::sleep(HANG),
        "babbles" => return say("{\"choices\":["),
        "reports" => return say(&json!({"error": {"message": "out of memory at 0x7f"}}).to_string()),
        "stops-short" => {}
        _ => {
            say(&chunk(&json!({}), Some("stop")))?;
            say(&json!({"id": "x", "model": "good", "choices": [], "usage": usage()}).to_string())?;
            say("[DONE]")?;
        }
    }
    write!(socket, "0\r\n\r\n")
}
