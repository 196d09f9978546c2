//! API keys, as bearer tokens or in `x-api-key`.
//!
//! A long-term key names the access key that it belongs to and is compared by its hash. A short-term key is a presigned
//! request to `bedrock.amazonaws.com`, made offline from an access key by `aws-bedrock-token-generator` and its siblings;
//! it is checked by signing that request again, so that nothing about it is stored.

use crate::caller::{Caller, Method, Scope};
use crate::keyring::Keyring;
use crate::presented::Presented;
use crate::refuse;
use crate::sigv4::{self, Claim, Credential, Moment};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use canon::Fault;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// For how long a short-term key may say that it is valid: twelve hours, as on AWS.
pub const SHORT_TERM_SECONDS_MAX: u64 = 43_200;

const LONG_TERM_PREFIX: &str = "ABSK";
const SHORT_TERM_PREFIX: &str = "bedrock-api-key-";

/// Where short-term keys are presigned for, whatever endpoint they are then used at.
const SHORT_TERM_HOST: &str = "bedrock.amazonaws.com";

/// Some tools cut the padding off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Finds the caller behind an API key. `method` overrides what the key's sort would say.
pub(crate) fn authenticate(
    token: &str,
    method: Option<Method>,
    keys: &Keyring,
    now_ms: u64,
) -> Result<Caller, Fault> {
    if token.is_empty() {
        return Err(refuse::missing());
    }
    match token.strip_prefix(SHORT_TERM_PREFIX) {
        Some(encoded) => short_term(encoded, method.unwrap_or(Method::ShortTerm), keys, now_ms),
        None => long_term(token, method.unwrap_or(Method::LongTerm), keys, now_ms),
    }
}

fn long_term(token: &str, method: Method, keys: &Keyring, now_ms: u64) -> Result<Caller, Fault> {
    let id = long_term_owner(token);
    let held = id.as_deref().and_then(|id| keys.live(id, now_ms));
    // Hash and comparison happen for an unknown key too, so that time does not tell which ids exist.
    let presented: [u8; 32] = Sha256::digest(token).into();
    let expected = held.map_or([0; 32], |held| held.key.bearer_sha256);
    let same = bool::from(presented.ct_eq(&expected));
    match held {
        Some(held) if same => Ok(Caller::new(&held.key, held.models.clone(), method, None)),
        Some(held) => Err(refuse::unknown_api_key(format_args!("not the API key of {}", held.key.id))),
        None => Err(refuse::unknown_api_key("no live key has this API key")),
    }
}

/// The access key id that a long-term key names: `ABSK` and the base 64 of `BedrockAPIKey-<id>-at-<account>:<password>`.
fn long_term_owner(token: &str) -> Option<String> {
    let decoded = BASE64.decode(token.strip_prefix(LONG_TERM_PREFIX)?).ok()?;
    let text = std::str::from_utf8(&decoded).ok()?;
    let (user, _password) = text.split_once(':')?;
    let (id, _account) = user.strip_prefix("BedrockAPIKey-")?.split_once("-at-")?;
    Some(id.to_ascii_uppercase())
}

fn short_term(encoded: &str, method: Method, keys: &Keyring, now_ms: u64) -> Result<Caller, Fault> {
    let garbled = || refuse::unknown_api_key("a short-term key that is not a presigned URL in base 64");
    let decoded = BASE64.decode(encoded).map_err(|_| garbled())?;
    let url = std::str::from_utf8(&decoded).map_err(|_| garbled())?;
    let query = url
        .strip_prefix(SHORT_TERM_HOST)
        .and_then(|rest| rest.strip_prefix("/?"))
        .and_then(|query| query.strip_suffix("&Version=1"))
        .ok_or_else(garbled)?;
    let presigned = Presigned::parse(query).ok_or_else(garbled)?;
    if presigned.session_token {
        return Err(refuse::unknown_key("a short-term key made from a session token"));
    }
    let credential = Credential::parse(&presigned.credential)?;
    let signed_at = Moment::parse_basic(presigned.date.as_bytes()).ok_or_else(garbled)?;
    check_window(signed_at, presigned.expires_seconds, now_ms)?;

    let presented = Presented {
        method: "POST",
        path: "/",
        query: &presigned.signed_query,
        headers: &[("host", SHORT_TERM_HOST.as_bytes())],
        body: &[],
    };
    let payload = sigv4::hex(&Sha256::digest(presented.body).into());
    let request =
        sigv4::canonical_hash(&presented, "host", payload.as_bytes()).map_err(refuse::bad_signature)?;
    let claim = Claim { credential: &credential, moment: signed_at, request, signature: presigned.signature };
    let held = sigv4::verify(&claim, keys, now_ms)?;
    let scope = Scope { region: credential.region.into(), service: credential.service };
    Ok(Caller::new(&held.key, held.models.clone(), method, Some(scope)))
}

/// Whether a short-term key is valid now. One that is not valid yet is given the skew that signatures are given.
fn check_window(signed_at: Moment, expires_seconds: u64, now_ms: u64) -> Result<(), Fault> {
    if expires_seconds == 0 || expires_seconds > SHORT_TERM_SECONDS_MAX {
        return Err(refuse::unknown_api_key(format_args!(
            "a short-term key for {expires_seconds} seconds: at most {SHORT_TERM_SECONDS_MAX} are allowed"
        )));
    }
    let now = now_ms / 1_000;
    if signed_at.seconds() > now.saturating_add(sigv4::SKEW_SECONDS_MAX) {
        return Err(refuse::expired(
            "Bearer Token is not yet valid. Check the clock of the machine that made it.",
        ));
    }
    if now >= signed_at.seconds().saturating_add(expires_seconds) {
        return Err(refuse::expired("Bearer Token has expired. Make a new one."));
    }
    Ok(())
}

/// The query of a presigned URL, taken apart.
struct Presigned {
    credential: String,
    date: String,
    expires_seconds: u64,
    signature: [u8; 32],
    session_token: bool,
    /// Everything but the signature, as it was.
    signed_query: String,
}

impl Presigned {
    /// Each parameter that matters must be there once; others are covered by the signature and mean nothing.
    fn parse(query: &str) -> Option<Self> {
        let only = |name: &str| {
            let mut found =
                query.split('&').filter_map(|pair| pair.split_once('=')).filter(|pair| pair.0 == name);
            let value = found.next()?.1;
            found.next().is_none().then_some(value)
        };
        let fixed = only("Action")? == "CallWithBearerToken"
            && only("X-Amz-Algorithm")? == sigv4::ALGORITHM
            && only("X-Amz-SignedHeaders")? == "host";
        if !fixed {
            return None;
        }
        let is_signed = |pair: &&str| !pair.starts_with("X-Amz-Signature=");
        Some(Self {
            credential: only("X-Amz-Credential")?.replace("%2F", "/"),
            date: only("X-Amz-Date")?.to_owned(),
            expires_seconds: only("X-Amz-Expires")?.parse().ok()?,
            signature: sigv4::unhex(only("X-Amz-Signature")?)?,
            session_token: query.split('&').any(|pair| pair.starts_with("X-Amz-Security-Token=")),
            signed_query: query.split('&').filter(is_signed).collect::<Vec<_>>().join("&"),
        })
    }
}

#[cfg(test)]
mod tests;
