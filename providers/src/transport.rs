//! Calls over HTTP with a limit on everything: connections, time, and the size of an answer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use canon::{Fault, Kind, Secret};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Connections that are kept open for the next call.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// How long a connection is kept open without a call: less than the 5 s after which uvicorn closes it, which is what
/// vLLM and llama.cpp's Python server run on, so that no call meets a connection that is closing.
const IDLE_CONNECTION_MS: u64 = 4_000;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until there is a connection: 5 s.
    pub connect: Duration,
    /// From the call until the first event of a stream, queueing and reading the prompt included: 120 s.
    pub first_event: Duration,
    /// Between two events of a stream: 60 s. Comments that keep a connection alive do not count.
    pub idle: Duration,
    /// From the call until the end of an answer in one piece: 600 s.
    pub whole: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_event: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            whole: Duration::from_secs(600),
        }
    }
}

/// A server, and what is needed to call it.
#[derive(Debug)]
pub(crate) struct Server {
    base_url: String,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    calls: Arc<Semaphore>,
}

/// The right to one of the calls that may run at once; it ends when this is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Server {
    /// # Errors
    /// [`Kind::Malformed`] for a URL or a key that cannot be used, and [`Kind::Internal`] where this machine has no
    /// root certificates.
    pub(crate) fn new(
        base_url: &str,
        api_key: Option<&Secret>,
        connect: Duration,
        calls_max: usize,
    ) -> Result<Self, Fault> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let bad = |problem: &str| Err(Fault::malformed("base_url", problem));
        let secure = match base_url.parse::<Uri>() {
            Err(error) => return bad(&format!("is not a URL: {error}")),
            Ok(uri) if uri.host().is_none() => return bad("has no host"),
            Ok(uri) => match uri.scheme_str() {
                Some("https") => true,
                Some("http") => false,
                _ => return bad("must start with http:// or https://"),
            },
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(secure)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(IDLE_CONNECTION_MS))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX.min(calls_max))
            .build(connector);
        let authorization = api_key.map(authorization).transpose()?;
        Ok(Self { base_url, authorization, client, calls: Arc::new(Semaphore::new(calls_max)) })
    }

    /// The right to a call, if there is one more.
    pub(crate) fn permit(&self) -> Option<Permit> {
        Arc::clone(&self.calls).try_acquire_owned().ok()
    }

    /// The server's address without the path of its API.
    pub(crate) fn root(&self) -> &str {
        self.base_url.strip_suffix("/v1").unwrap_or(&self.base_url)
    }

    /// The address of its API.
    pub(crate) fn base(&self) -> &str {
        &self.base_url
    }

    /// Sends a document, and yields the beginning of the response.
    ///
    /// # Errors
    /// [`Kind::Upstream`] and [`Kind::UpstreamTimeout`].
    pub(crate) async fn post(
        &self,
        url: &str,
        accept: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Fault> {
        let mut request = Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("outcrop/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).map_err(|error| unreachable(&error))?;
        match timeout_at(deadline, self.client.request(request)).await {
            Err(_) => Err(late("it did not begin to answer")),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if is_timeout(&error) => Err(late(chain(&error))),
            Ok(Err(error)) => Err(unreachable(&chain(&error))),
        }
    }
}

/// A whole body of at most `bytes_max`.
///
/// # Errors
/// [`Kind::Upstream`] where it is larger or breaks off, and [`Kind::UpstreamTimeout`].
pub(crate) async fn whole(body: Incoming, bytes_max: usize, deadline: Instant) -> Result<Bytes, Fault> {
    match timeout_at(deadline, Limited::new(body, bytes_max).collect()).await {
        Err(_) => Err(late("it did not end its answer")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(Fault::new(
            Kind::Upstream { status: None },
            "The model's provider did not complete its answer. Retry.",
        )
        .with_detail(chain(&*error))),
    }
}

/// The provider did not answer in time.
pub(crate) fn late(detail: impl std::fmt::Display) -> Fault {
    Fault::new(Kind::UpstreamTimeout, "The model's provider did not answer in time. Retry, or ask for less.")
        .with_detail(detail)
}

fn unreachable(detail: &impl std::fmt::Display) -> Fault {
    Fault::new(Kind::Upstream { status: None }, "The model's provider cannot be reached. Retry later.")
        .with_detail(detail)
}

/// Whether an error comes of a connection that took too long.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error with its causes, for the operator.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<_> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

fn authorization(key: &Secret) -> Result<HeaderValue, Fault> {
    let line = [b"Bearer ", key.expose().trim_ascii()].concat();
    let mut value = HeaderValue::from_bytes(&line)
        .map_err(|_| Fault::malformed("api_key", "has characters that a header cannot carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Roots are loaded only where they are needed: a machine without any can still call its neighbours.
fn tls(secure: bool) -> Result<ClientConfig, Fault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Fault::internal)?;
    if !secure {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let builder = builder.with_native_roots().map_err(|error| {
        Fault::new(
            Kind::Internal,
            "This machine's root certificates cannot be read. Install ca-certificates.",
        )
        .with_detail(error)
    })?;
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests;
