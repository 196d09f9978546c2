use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;

const USER_AGENT: &str = concat!("outcrop/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends `request`, through the proxy that the environment names for its address (`HTTPS_PROXY`, `NO_PROXY` and their
/// like; plain HTTP proxies only). Certificates are judged by the system's roots, which `SSL_CERT_FILE` overrides.
///
/// # Errors
/// Why there is no answer, in words.
pub(crate) async fn send_abroad(request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let sent = async {
        match Matcher::from_env().intercept(request.uri()) {
            Some(proxy) => {
                let through = format!("{host} through the proxy {}", proxy.uri());
                answer(tunnel(&proxy), request, &through).await
            }
            None => answer(direct(), request, &host).await,
        }
    };
    // The resolver of names has no timeout of its own.
    tokio::time::timeout(HEAD_TIMEOUT, sent)
        .await
        .unwrap_or_else(|_| Err(format!("{host} did not answer within {} s", HEAD_TIMEOUT.as_secs())))
}

/// Sends `request` straight to where it is addressed, without a limit on the time that the answer takes.
///
/// # Errors
/// Why there is no answer, in words.
pub(crate) async fn send_near(request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let authority = request.uri().authority().map_or_else(String::new, ToString::to_string);
    answer(direct(), request, &authority).await
}

async fn answer<C>(
    connector: C,
    mut request: Request<Full<Bytes>>,
    to: &str,
) -> Result<Response<Incoming>, String>
where
    HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let roots = HttpsConnectorBuilder::new().with_native_roots();
    let roots = roots.map_err(|error| format!("the system's certificates cannot be read: {error}"))?;
    let secure = roots.https_or_http().enable_http1().wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(secure);
    client.request(request).await.map_err(|error| describe(&error, to))
}

fn direct() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector
}

fn tunnel(proxy: &Intercept) -> Tunnel<HttpConnector> {
    let tunnel = Tunnel::new(proxy.uri().clone(), direct());
    match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    }
}

/// The innermost cause says what a person can act on.
fn describe(error: &ClientError, to: &str) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = if error.is_connect() { "cannot connect to" } else { "no answer from" };
    format!("{what} {to}: {cause}")
}
