//! The certificate that this server shows, and the authority that clients are told to trust.
//!
//! | file in `DIR/tls` | mode | for |
//! |---|---|---|
//! | `ca.pem` | 0644 | clients: `AWS_CA_BUNDLE`, `NODE_EXTRA_CA_CERTS`, `curl --cacert` |
//! | `ca-key.pem` | 0600 | signing the next leaf, so that copies of `ca.pem` stay good for years |
//! | `cert.pem`, `key.pem` | 0644, 0600 | the server |
//!
//! The authority's key is kept, and what a thief could do with it is little: the authority is constrained to the names
//! that the leaf has, so that it cannot vouch for anything but this server. When the names change there is a new one.
//!
//! Whether what is on disk will do is asked as a client would ask: does somebody who trusts `ca.pem` accept the leaf for
//! each name, today and ninety days from now?

mod authority;
mod files;
mod names;

pub use names::Names;

use authority::Issued;
use files::Files;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// How long before its end a leaf is replaced. It happens at a start, so this is also how long a server may run on.
const RENEW_BEFORE: Duration = Duration::from_hours(90 * 24);

/// What a server needs to speak TLS.
pub type Certificates = Arc<ServerConfig>;

/// Reads `tls` in the data folder `dir`, and first makes or renews what is missing, unusable, for other names or near its
/// end. Nobody else may be doing the same in `dir`.
///
/// # Errors
/// A file that cannot be read or written; the message names it.
pub fn open(dir: &Path, names: &Names) -> io::Result<Certificates> {
    open_at(&dir.join("tls"), names, SystemTime::now())
}

fn open_at(dir: &Path, names: &Names, now: SystemTime) -> io::Result<Certificates> {
    let files = Files::open(dir)?;
    let provider = Arc::new(ring::default_provider());
    let config = match files.read()? {
        Some(issued) => match usable(&issued, names, now, &provider) {
            Ok(config) => config,
            Err(reason) => renew(&files, Some(&issued), &reason, (names, now, &provider))?,
        },
        None => renew(&files, None, "there is none yet", (names, now, &provider))?,
    };
    Ok(Arc::new(config))
}

/// For what a leaf is made: the names, the time, and what checks it.
type Wanted<'a> = (&'a Names, SystemTime, &'a Arc<CryptoProvider>);

/// Makes a new leaf, by the old authority if clients that trust that would accept it, or else by a new one.
fn renew(
    files: &Files,
    old: Option<&Issued>,
    reason: &str,
    (names, now, provider): Wanted<'_>,
) -> io::Result<ServerConfig> {
    let by_old_authority = old.and_then(|old| {
        let issued = authority::reissue(old, names, now).ok()?;
        let config = usable(&issued, names, now, provider).ok()?;
        Some((issued, config))
    });
    let has_new_authority = by_old_authority.is_none();
    let (issued, config) = match by_old_authority {
        Some(renewed) => renewed,
        None => {
            let issued = authority::issue(names, now).map_err(io::Error::other)?;
            let config = usable(&issued, names, now, provider).map_err(io::Error::other)?;
            (issued, config)
        }
    };
    files.write(&issued)?;
    tracing::info!(dir = %files.dir().display(), reason, has_new_authority, "a certificate was made");
    Ok(config)
}

/// The server's configuration, if a client that trusts the authority would accept the leaf for every name, now and until
/// the next start may be expected. Otherwise, why not.
fn usable(
    issued: &Issued,
    names: &Names,
    now: SystemTime,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, String> {
    let ca = CertificateDer::from_pem_slice(issued.ca.as_bytes()).map_err(|error| error.to_string())?;
    let cert = CertificateDer::from_pem_slice(issued.cert.as_bytes()).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.expose()).map_err(|error| error.to_string())?;

    let mut roots = RootCertStore::empty();
    roots.add(ca).map_err(|error| error.to_string())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let unix = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    for name in names.server_names() {
        for at in [unix, unix + RENEW_BEFORE] {
            verifier
                .verify_server_cert(&cert, &[], &name, &[], UnixTime::since_unix_epoch(at))
                .map_err(|error| format!("for {}: {error}", name.to_str()))?;
        }
    }
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert], key))
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
