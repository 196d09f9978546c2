//! Signature Version 4, the other side: what was signed is put together again from the request as received, signed with
//! the secret that the keyring has, and compared.
//!
//! Exactly the headers that `SignedHeaders` names are covered; `host` or `:authority` must be among them, with the value
//! that was received (some clients leave the port out, and sign it so). A date lies in the text that is signed, so its
//! header need not be listed.
//!
//! Specification: AWS IAM User Guide, *Create a signed AWS API request*.

mod canonical;
mod credential;
mod moment;

pub(crate) use canonical::canonical_hash;
pub(crate) use credential::Credential;
pub(crate) use moment::Moment;

use crate::caller::{Caller, Method, Scope};
use crate::keyring::{Held, Keyring};
use crate::presented::Presented;
use crate::refuse;
use canon::{Fault, Secret};
use credential::Authorization;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How far the client's clock may be from ours, either way.
pub const SKEW_SECONDS_MAX: u64 = 300;

/// How many headers a signature may cover.
pub const SIGNED_HEADERS_MAX: usize = 64;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Finds the caller behind a signature. `parameters` is what follows the algorithm in `authorization`.
pub(crate) fn authenticate(
    presented: &Presented<'_>,
    parameters: &str,
    keys: &Keyring,
    now_ms: u64,
) -> Result<Caller, Fault> {
    let Authorization { credential, signed_headers, signature } = Authorization::parse(parameters)?;
    if presented.values("x-amz-security-token").next().is_some() {
        return Err(refuse::unknown_key("a session token, which no key here has"));
    }
    let moment = signed_at(presented)?;
    check_skew(moment, now_ms)?;
    let payload = payload_hash(presented)?;
    let request =
        canonical_hash(presented, signed_headers, payload.as_bytes()).map_err(refuse::bad_signature)?;
    let held = verify(&Claim { credential: &credential, moment, request, signature }, keys, now_ms)?;
    let scope = Scope { region: credential.region.into(), service: credential.service };
    Ok(Caller::new(&held.key, held.models.clone(), Method::SigV4, Some(scope)))
}

/// Whether a query carries a signature.
pub(crate) fn is_presigned(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("X-Amz-Signature="))
}

/// When the request says that it was signed: `x-amz-date`, or `date` where there is none.
fn signed_at(presented: &Presented<'_>) -> Result<Moment, Fault> {
    let only = |name| {
        presented
            .only(name)
            .map_err(|_| refuse::incomplete(format_args!("{name}: the header must not be repeated.")))
    };
    if let Some(value) = only("x-amz-date")? {
        return Moment::parse_basic(value)
            .ok_or_else(|| refuse::incomplete("X-Amz-Date must be a time of the form 20260131T235959Z."));
    }
    let value = only("date")?.ok_or_else(|| {
        refuse::incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    Moment::parse_basic(value).or_else(|| Moment::parse_http(value)).ok_or_else(|| {
        refuse::incomplete(
            "Date must be a time of the form 20260131T235959Z or Sat, 31 Jan 2026 23:59:59 GMT.",
        )
    })
}

fn check_skew(moment: Moment, now_ms: u64) -> Result<(), Fault> {
    let now = Moment::from_seconds(now_ms / 1_000);
    let (earliest, latest) =
        (now.seconds().saturating_sub(SKEW_SECONDS_MAX), now.seconds().saturating_add(SKEW_SECONDS_MAX));
    if moment.seconds() < earliest {
        let earliest = Moment::from_seconds(earliest);
        return Err(refuse::expired(format!(
            "Signature expired: {moment} is now earlier than {earliest} ({now} - 5 min.)"
        )));
    }
    if moment.seconds() > latest {
        let latest = Moment::from_seconds(latest);
        return Err(refuse::expired(format!(
            "Signature not yet current: {moment} is still later than {latest} ({now} + 5 min.)"
        )));
    }
    Ok(())
}

/// The body's hash in hexadecimal. Where the client says what it should be, it must be that.
fn payload_hash(presented: &Presented<'_>) -> Result<String, Fault> {
    let actual = hex(&Sha256::digest(presented.body).into());
    let claimed = presented
        .only("x-amz-content-sha256")
        .map_err(|_| refuse::incomplete("x-amz-content-sha256: the header must not be repeated."))?;
    match claimed {
        None => Ok(actual),
        Some(claimed) if claimed.len() != actual.len() => Err(refuse::incomplete(
            "x-amz-content-sha256 must be the SHA-256 of the body in hexadecimal: unsigned and chunked payloads are not \
             accepted.",
        )),
        Some(claimed) if bool::from(claimed.ct_eq(actual.as_bytes())) => Ok(actual),
        Some(_) => Err(refuse::body_changed()),
    }
}

/// What a client claims: that the holder of this credential signed this request at this time.
pub(crate) struct Claim<'a> {
    pub(crate) credential: &'a Credential<'a>,
    pub(crate) moment: Moment,
    /// The hash of the canonical request.
    pub(crate) request: [u8; 32],
    pub(crate) signature: [u8; 32],
}

/// Checks a claim and returns the key that it was signed with.
pub(crate) fn verify<'k>(claim: &Claim<'_>, keys: &'k Keyring, now_ms: u64) -> Result<&'k Held, Fault> {
    let Claim { credential, moment, .. } = claim;
    let text = moment.to_string();
    if !text.starts_with(credential.date) {
        return Err(refuse::bad_scope(format_args!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' is not the \
             day of '{text}'.",
            credential.date
        )));
    }
    let held = keys.live(credential.key_id, now_ms);
    // A key that is not there is given a secret that nobody has, so that time does not tell which ids exist.
    let nobody = Secret::new(*b"0000000000000000000000000000000000000000");
    let secret = held.map_or(&nobody, |held| &held.key.secret);
    let same = bool::from(sign(secret, claim, &text).ct_eq(&claim.signature));
    match held {
        Some(held) if same => Ok(held),
        Some(held) => Err(refuse::bad_signature(format_args!("key {}", held.key.id))),
        None => Err(refuse::unknown_key("no live key has this id")),
    }
}

fn sign(secret: &Secret, claim: &Claim<'_>, moment: &str) -> [u8; 32] {
    let Credential { date, region, service, .. } = claim.credential;
    let seed = Secret::new([b"AWS4".as_slice(), secret.expose()].concat());
    let key = hmac(seed.expose(), date.as_bytes());
    let key = hmac(&key, region.as_bytes());
    let key = hmac(&key, service.as_bytes());
    let key = hmac(&key, b"aws4_request");
    let request = hex(&claim.request);
    hmac(&key, format!("{ALGORITHM}\n{moment}\n{date}/{region}/{service}/aws4_request\n{request}").as_bytes())
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length; RFC 2104, section 2")]
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads 64 digits. Upper case is refused, so that a signature has one spelling.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
