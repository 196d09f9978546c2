use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How the site answers a request.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    /// What was asked for.
    Whole,
    /// So many bytes of what was asked for; then the connection is gone.
    DropAfter(usize),
    /// The whole file, whatever was asked for.
    IgnoreRange,
    /// So many bytes that are not the file's.
    Other(usize),
    /// The file lies at another path.
    Redirect(&'static str),
    /// An error.
    Status(&'static str),
}

/// A web server with one file, and with moods.
pub(super) struct Site {
    pub(super) url: String,
    ranges: Arc<Mutex<Vec<u64>>>,
}

impl Site {
    pub(super) async fn start(content: Vec<u8>, replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/small.gguf", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let start = asked_from(&mut stream).await;
                seen.lock().unwrap().push(start);
                // The client may hang up as soon as it has heard enough.
                drop(stream.write_all(&answer(&content, start, reply)).await);
            }
        });
        Self { url, ranges }
    }

    /// From where each request so far asked for the file.
    pub(super) fn ranges(&self) -> Vec<u64> {
        self.ranges.lock().unwrap().clone()
    }
}

async fn asked_from(stream: &mut TcpStream) -> u64 {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).expect("a range");
    range.trim_end_matches('-').parse().unwrap()
}

fn answer(content: &[u8], start: u64, reply: Reply) -> Vec<u8> {
    let rest = &content[start as usize..];
    let with = |status: &str, length: usize, body: &[u8]| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    match reply {
        Reply::Whole => with("206 Partial Content", rest.len(), rest),
        Reply::DropAfter(bytes) => with("206 Partial Content", rest.len(), &rest[..bytes]),
        Reply::IgnoreRange => with("200 OK", content.len(), content),
        Reply::Other(bytes) => with("200 OK", bytes, &vec![9; bytes]),
        Reply::Redirect(to) => {
            format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        }
        Reply::Status(status) => with(status, 0, b""),
    }
}
