//! Calls by plain HTTP, in the words of each surface.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than every deadline in these tests.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// An operation that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    Converse,
    Chat,
    Responses,
    Messages,
}

/// All of them.
pub(crate) const SURFACES: [Surface; 4] =
    [Surface::Converse, Surface::Chat, Surface::Responses, Surface::Messages];

/// What a caller saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) id: String,
    /// Head and body, with what is not text replaced.
    pub(crate) text: String,
}

impl Surface {
    fn request(self, model: &str, tokens: u64, stream: bool) -> (String, Value) {
        let said = "Name a river.";
        let messages = json!([{"role": "user", "content": said}]);
        match self {
            Self::Converse => (
                format!("/model/{model}/converse{}", if stream { "-stream" } else { "" }),
                json!({"messages": [{"role": "user", "content": [{"text": said}]}],
                       "inferenceConfig": {"maxTokens": tokens}}),
            ),
            Self::Chat => (
                "/v1/chat/completions".into(),
                json!({"model": model, "messages": messages, "max_tokens": tokens, "stream": stream}),
            ),
            Self::Responses => (
                "/v1/responses".into(),
                json!({"model": model, "input": said, "max_output_tokens": tokens, "stream": stream}),
            ),
            Self::Messages => (
                "/anthropic/v1/messages".into(),
                json!({"model": model, "messages": messages, "max_tokens": tokens, "stream": stream}),
            ),
        }
    }

    /// Asks once, over a connection of its own, and reads until the end.
    pub(crate) fn ask(self, (address, key): (&str, &str), model: &str, tokens: u64, stream: bool) -> Seen {
        let (path, body) = self.request(model, tokens, stream);
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut socket = TcpStream::connect(address).expect("the front listens");
        socket.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout can be set");
        socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes())).expect("it reads");
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).expect("it answers, and ends in good order");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        let id = text.lines().find_map(|line| line.strip_prefix("x-request-id: "));
        Seen { status, id: id.expect("every answer has a name").trim().to_owned(), text }
    }
}
