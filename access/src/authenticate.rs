use crate::bearer;
use crate::caller::{Caller, Method};
use crate::keyring::Keyring;
use crate::presented::Presented;
use crate::{refuse, sigv4};
use canon::Fault;

/// How many headers a request may have. Each signed header is looked for among all of them.
pub const HEADERS_MAX: usize = 256;

/// How long the value of `authorization` or `x-api-key` may be. A short-term key is the longest, at about 500 bytes.
pub const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;

/// Finds out who is calling, by the one credential that counts (see the [crate's page](crate)). `now_ms` is in
/// milliseconds since the Unix epoch.
///
/// # Errors
/// [`canon::Kind::Unauthenticated`] with the reason; [`canon::Kind::Malformed`] for more headers than [`HEADERS_MAX`].
pub fn authenticate(presented: &Presented<'_>, keys: &Keyring, now_ms: u64) -> Result<Caller, Fault> {
    if presented.headers.len() > HEADERS_MAX {
        return Err(Fault::malformed("headers", format_args!("more than {HEADERS_MAX} of them")));
    }
    if let Some(value) = credential(presented, "authorization")? {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        return if scheme == sigv4::ALGORITHM {
            sigv4::authenticate(presented, rest, keys, now_ms)
        } else if scheme.eq_ignore_ascii_case("bearer") {
            bearer::authenticate(rest.trim(), None, keys, now_ms)
        } else {
            Err(refuse::incomplete(format_args!(
                "Authorization must start with {} or Bearer: no other scheme is understood.",
                sigv4::ALGORITHM
            )))
        };
    }
    if let Some(token) = credential(presented, "x-api-key")? {
        return bearer::authenticate(token.trim(), Some(Method::ApiKeyHeader), keys, now_ms);
    }
    if sigv4::is_presigned(presented.query) {
        return Err(refuse::incomplete("Presigned URLs are not accepted: sign in the Authorization header."));
    }
    Err(refuse::missing())
}

/// The text of a header that carries a credential, if the header is there.
fn credential<'a>(presented: &Presented<'a>, name: &str) -> Result<Option<&'a str>, Fault> {
    let problem = |what: &str| refuse::incomplete(format_args!("{name}: {what}"));
    let value = presented.only(name).map_err(|_repeated| problem("the header must not be repeated."))?;
    let Some(value) = value else { return Ok(None) };
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return Err(problem("the value is too long to be a credential."));
    }
    std::str::from_utf8(value).map(Some).map_err(|_| problem("the value is not text."))
}

#[cfg(test)]
mod tests;
