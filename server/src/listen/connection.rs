use super::sniff::{Opening, sniff};
use super::stall::Stall;
use super::{Answering, Limits, Peer, Protocol};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How much of one request's body, and of all those of a connection, an HTTP/2 peer may send ahead of us.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How much of one answer is kept for an HTTP/2 peer that reads slowly.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1_024;

/// Why a connection ended before its time. It is the peer's doing, or the network's.
type Broken = Box<dyn Error + Send + Sync>;

/// One accepted connection, and what it needs to know.
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) limits: Limits,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Connection {
    /// Serves it to its end.
    pub(super) async fn serve<S: Answering>(self, stream: TcpStream, service: S) {
        let peer = self.peer;
        if let Err(error) = self.open(stream, service).await {
            tracing::debug!(%peer, error = &*error, "a connection broke off");
        }
    }

    async fn open<S: Answering>(mut self, stream: TcpStream, service: S) -> Result<(), Broken> {
        // An event of a stream is small and must leave at once.
        stream.set_nodelay(true)?;
        let io = Stall::new(stream, self.limits.write_stall_timeout);
        let Some((opening, io)) = self.first_bytes(sniff(io)).await? else { return Ok(()) };
        let protocol = match opening {
            Opening::Tls => return self.open_tls(io, service).await,
            Opening::Http1 => Protocol::Http1,
            Opening::Http2 => Protocol::Http2,
        };
        self.speak(io, false, protocol, service).await
    }

    async fn open_tls<S: Answering>(
        mut self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        service: S,
    ) -> Result<(), Broken> {
        let config = self.tls.clone().ok_or("TLS is not served here")?;
        let handshake = TlsAcceptor::from(config).accept(io);
        let Some(io) =
            self.before_requests(self.limits.handshake_timeout, async { handshake.await.map(Some) }).await?
        else {
            return Ok(());
        };
        match io.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.speak(io, true, Protocol::Http2, service).await,
            Some(_) => self.speak(io, true, Protocol::Http1, service).await,
            // A client that does not negotiate may still know what it wants.
            None => {
                let Some((opening, io)) = self.first_bytes(sniff(io)).await? else { return Ok(()) };
                let protocol = if opening == Opening::Http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.speak(io, true, protocol, service).await
            }
        }
    }

    async fn first_bytes<T>(
        &mut self,
        sniffing: impl Future<Output = io::Result<Option<T>>>,
    ) -> Result<Option<T>, Broken> {
        self.before_requests(self.limits.sniff_timeout, sniffing).await
    }

    /// Does what comes before any request: it may take so long and no longer, and a shutdown ends it at once.
    async fn before_requests<T>(
        &mut self,
        limit: Duration,
        step: impl Future<Output = io::Result<Option<T>>>,
    ) -> Result<Option<T>, Broken> {
        tokio::select! {
            _ = self.draining.wait_for(|draining| *draining) => Ok(None),
            done = tokio::time::timeout(limit, step) => Ok(done??),
        }
    }

    async fn speak<S: Answering>(
        mut self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        tls: bool,
        protocol: Protocol,
        service: S,
    ) -> Result<(), Broken> {
        let peer = Peer { addr: self.peer, tls, protocol };
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            service.call(request)
        });
        let io = TokioIo::new(io);
        match protocol {
            Protocol::Http1 => self.finish(http1(&self.limits).serve_connection(io, service)).await,
            Protocol::Http2 => self.finish(http2(&self.limits).serve_connection(io, service)).await,
        }
    }

    /// Lets a connection go on to its end. Once the shutdown has begun it takes no further request.
    async fn finish<C>(&mut self, connection: C) -> Result<(), Broken>
    where
        C: GracefulConnection<Error: Into<Broken>>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(Into::into),
            _ = self.draining.wait_for(|draining| *draining) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await.map_err(Into::into)
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_bytes_max as usize);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.head_bytes_max)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}
