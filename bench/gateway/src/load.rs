use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;

#[derive(Args)]
pub(crate) struct Load {
    #[arg(long)]
    target: SocketAddr,
    #[arg(long)]
    call: Call,
    #[arg(long, default_value = "bench.upstream-v1:0")]
    model: String,
    /// A bearer key, as `credentials` and `api-key` of a data folder hold them.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// A header that the call carries, as `name: value`.
    #[arg(long)]
    header: Vec<String>,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// What is not counted at the beginning.
    #[arg(long, default_value_t = 1)]
    warmup_seconds: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Call {
    /// OpenAI chat completions with a bearer key: relayed.
    Chat,
    /// The same, as a stream.
    ChatStream,
    /// Bedrock Converse with a SigV4 signature: translated.
    Converse,
    /// `ConverseStream`, likewise.
    ConverseStream,
}

impl Load {
    pub(crate) async fn run(self) -> std::io::Result<()> {
        let request = self.request();
        let start = Instant::now() + Duration::from_secs(self.warmup_seconds);
        let end = start + Duration::from_secs(self.seconds);
        let workers: Vec<_> = (0..self.connections)
            .map(|_| tokio::spawn(work(self.target, request.clone(), start, end)))
            .collect();
        let mut latencies_us = Vec::new();
        let (mut errors, mut all) = (0u64, 0u64);
        for worker in workers {
            let mut seen = worker.await.expect("a worker does not panic");
            latencies_us.append(&mut seen.latencies_us);
            errors += seen.errors;
            all += seen.all;
        }
        latencies_us.sort_unstable();
        let at = |share: f64| {
            let index = (latencies_us.len() as f64 * share) as usize;
            latencies_us.get(index).copied().unwrap_or(0)
        };
        let seen = serde_json::json!({
            "requests": latencies_us.len(), "all_requests": all, "errors": errors,
            "rps": latencies_us.len() as f64 / self.seconds as f64,
            "p50_us": at(0.5), "p99_us": at(0.99),
        });
        println!("{seen}");
        Ok(())
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let prompt = "word ".repeat(180);
        let (path, body) = match self.call {
            Call::Chat | Call::ChatStream => {
                let mut body = serde_json::json!({"model": self.model, "messages": [{"role": "user", "content": prompt}]});
                if matches!(self.call, Call::ChatStream) {
                    body["stream"] = true.into();
                }
                ("/v1/chat/completions".to_owned(), body)
            }
            Call::Converse | Call::ConverseStream => {
                let verb = if matches!(self.call, Call::Converse) { "converse" } else { "converse-stream" };
                let body = serde_json::json!({"messages": [{"role": "user", "content": [{"text": prompt}]}]});
                (format!("/model/{}/{verb}", self.model.replace(':', "%3A")), body)
            }
        };
        let host = self.target.to_string();
        let mut request = Request::builder()
            .method("POST")
            .uri(path)
            .header("host", &host)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a valid request");
        match self.call {
            Call::Chat | Call::ChatStream => self.bear(&mut request),
            Call::Converse | Call::ConverseStream => self.sign(&mut request, &host, &body.to_string()),
        }
        for header in &self.header {
            let (name, value) = header.split_once(": ").expect("name: value");
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            request.headers_mut().insert(name, value.parse().expect("a header value"));
        }
        request
    }

    fn bear(&self, request: &mut Request<Full<Bytes>>) {
        let Some(folder) = &self.data_dir else { return };
        let key = std::fs::read_to_string(folder.join("api-key")).expect("DIR/api-key");
        let value = format!("Bearer {}", key.trim()).parse().expect("a valid header");
        request.headers_mut().insert("authorization", value);
    }

    /// One signature serves the whole run: it is good for five minutes.
    fn sign(&self, request: &mut Request<Full<Bytes>>, host: &str, body: &str) {
        let Some(folder) = &self.data_dir else { return };
        let ini = std::fs::read_to_string(folder.join("credentials")).expect("DIR/credentials");
        let get = |name: &str| {
            let line = ini.lines().find(|line| line.trim_start().starts_with(name)).expect(name);
            line.split_once('=').expect("name = value").1.trim().to_owned()
        };
        let identity =
            Credentials::from_keys(get("aws_access_key_id"), get("aws_secret_access_key"), None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("bedrock")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .expect("complete parameters")
            .into();
        let url = format!("http://{host}{}", request.uri());
        let headers = [("host", host), ("content-type", "application/json")];
        let signable =
            SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .expect("a signable request");
        let (instructions, _) = sign(signable, &params).expect("signed").into_parts();
        for (name, value) in instructions.headers() {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            request.headers_mut().insert(name, value.parse().expect("a header value"));
        }
    }
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    /// Of the calls that succeeded and began after the warm-up.
    latencies_us: Vec<u64>,
    errors: u64,
    /// Every call, those of the warm-up too.
    all: u64,
}

async fn work(target: SocketAddr, request: Request<Full<Bytes>>, start: Instant, end: Instant) -> Seen {
    let mut seen = Seen::default();
    while Instant::now() < end {
        let socket = tokio::net::TcpStream::connect(target).await.expect("the target listens");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("a handshake");
        tokio::spawn(connection);
        while Instant::now() < end {
            let began = Instant::now();
            seen.all += 1;
            let Ok(response) = sender.send_request(request.clone()).await else {
                seen.errors += 1;
                break;
            };
            let good = response.status().is_success();
            let whole = response.into_body().collect().await;
            if !good || whole.is_err() {
                seen.errors += 1;
            } else if began >= start {
                seen.latencies_us.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        }
    }
    seen
}
