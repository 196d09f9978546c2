//! Real sockets on the loopback interface.

mod drain;
mod hostile;
mod speech;

use super::{Drained, Limits, Listener, Peer};
use crate::tls::{self, Names};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Nothing here takes so long unless it hangs.
const HANG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// A listener at work. Its answers: `/echo` says what came, `/stream` sends what the test feeds it, `/endless` never ends,
/// `/pending` never begins.
struct Served {
    addr: SocketAddr,
    /// For the bodies of `/stream`, and what `/pending` holds, in order.
    feeds: mpsc::UnboundedReceiver<Feed>,
    shutdown: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Drained>,
    dir: tempfile::TempDir,
}

/// One `/stream` under way: what is sent goes out, dropping it ends the body.
type Feed = mpsc::Sender<&'static str>;

impl Served {
    async fn start(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tls = tls::open(dir.path(), &Names::new(["test-host"])).unwrap();
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), limits, Some(tls)).await.unwrap();
        let addr = listener.addr();
        assert_ne!(addr.port(), 0);
        let (feeding, feeds) = mpsc::unbounded_channel();
        let service = service_fn(move |request| answer(request, feeding.clone()));
        let (shutdown, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move { listener.serve(service, async { _ = stopped.await }).await });
        Self { addr, feeds, shutdown: Some(shutdown), ended, dir }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// A client that trusts the authority, and nobody else.
    fn trusting(&self) -> tokio_rustls::rustls::ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.dir.path().join("tls/ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        tokio_rustls::rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    async fn ended(&mut self) -> Drained {
        timeout(HANG, &mut self.ended).await.expect("the listener hangs").unwrap()
    }

    async fn feed(&mut self) -> Feed {
        timeout(HANG, self.feeds.recv()).await.expect("no stream began").unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    feeding: mpsc::UnboundedSender<Feed>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let body = match request.uri().path() {
        "/stream" => {
            let (feed, fed) = mpsc::channel(1);
            feeding.send(feed).unwrap();
            Fed(fed).boxed()
        }
        "/pending" => {
            let (feed, fed) = mpsc::channel(1);
            feeding.send(feed).unwrap();
            std::future::pending::<()>().await;
            Fed(fed).boxed()
        }
        "/endless" => Endless.boxed(),
        _ => {
            let peer = *request.extensions().get::<Peer>().unwrap();
            let told = format!("{:?} tls={} {}", peer.protocol, peer.tls, peer.addr.ip());
            let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
            format!("{told} {length}").boxed()
        }
    };
    Ok(Response::new(body))
}

struct Fed(mpsc::Receiver<&'static str>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16_384])))))
    }
}

/// Everything until the peer closes. A reset is a way of closing.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = timeout(HANG, stream.read_to_end(&mut text)).await.expect("the connection stays open");
    match read {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&text).into_owned(),
    }
}

/// Reads until `end` has come.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let byte = timeout(HANG, stream.read_u8()).await.expect("no answer").unwrap();
        text.push(byte);
    }
    String::from_utf8_lossy(&text).into_owned()
}

async fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    timeout(HANG, stream.write_all(bytes.as_ref())).await.expect("nothing is read").unwrap();
}
