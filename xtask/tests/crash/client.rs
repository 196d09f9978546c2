use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const MODEL: &str = "huggingfacetb.smollm2-135m-instruct-v1:0";
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How a client wants its answer.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    Whole,
    Stream,
}

/// What a client saw of one call: at least the head of its answer.
pub(crate) struct Seen {
    pub(crate) id: String,
    /// Prompt and answer in tokens, where the answer was complete.
    pub(crate) usage: Option<(i64, i64)>,
}

/// Asks once, over a connection of its own, and reads until the end or the death of the server. `None` where no head
/// of an answer that succeeded arrived.
pub(crate) fn ask(address: &str, key: &str, manner: Manner) -> Option<Seen> {
    let mut body = serde_json::json!({
        "model": MODEL, "max_tokens": 12, "temperature": 0.7,
        "messages": [{"role": "user", "content": "Name a river."}]
    });
    if matches!(manner, Manner::Stream) {
        body["stream"] = true.into();
        body["stream_options"] = serde_json::json!({"include_usage": true});
    }
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(READ_TIMEOUT)).ok()?;
    socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes())).ok()?;
    let mut bytes = Vec::new();
    // A reset is how a killed server ends; what came before it counts.
    drop(socket.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 200") {
        return None;
    }
    let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: "))?.trim().to_owned();
    let usage = match manner {
        Manner::Whole => serde_json::from_str(body).ok().as_ref().and_then(usage),
        Manner::Stream if body.ends_with("0\r\n\r\n") && body.contains("data: [DONE]") => {
            let chunks = body.lines().filter_map(|line| line.strip_prefix("data: "));
            chunks.filter_map(|chunk| serde_json::from_str(chunk).ok()).find_map(|chunk| usage(&chunk))
        }
        Manner::Stream => None,
    };
    Some(Seen { id, usage })
}

fn usage(answer: &serde_json::Value) -> Option<(i64, i64)> {
    let count = |name: &str| answer.get("usage")?.get(name)?.as_i64();
    Some((count("prompt_tokens")?, count("completion_tokens")?))
}
