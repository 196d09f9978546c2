//! The refusals, in the words that AWS uses where it has words for them: SDKs and people look for these texts.

use canon::{Fault, Kind, Refusal};
use std::fmt;

fn refuse(refusal: Refusal, message: impl Into<String>) -> Fault {
    Fault::new(Kind::Unauthenticated(refusal), message)
}

pub(crate) fn missing() -> Fault {
    refuse(
        Refusal::Missing,
        "Missing Authentication Token. Sign the request with Signature Version 4, or send an API key as a bearer token \
         or in x-api-key.",
    )
}

pub(crate) fn incomplete(problem: impl fmt::Display) -> Fault {
    refuse(Refusal::Incomplete, problem.to_string())
}

pub(crate) fn unknown_key(detail: impl fmt::Display) -> Fault {
    refuse(Refusal::UnknownKey, "The security token included in the request is invalid.").with_detail(detail)
}

pub(crate) fn unknown_api_key(detail: impl fmt::Display) -> Fault {
    refuse(Refusal::UnknownKey, "Authentication failed: Please make sure your API Key is valid.")
        .with_detail(detail)
}

pub(crate) fn bad_signature(detail: impl fmt::Display) -> Fault {
    refuse(
        Refusal::BadSignature,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details.",
    )
    .with_detail(detail)
}

pub(crate) fn body_changed() -> Fault {
    refuse(
        Refusal::BadSignature,
        "The body does not have the hash that x-amz-content-sha256 says. Send the body that was signed.",
    )
}

pub(crate) fn expired(message: impl Into<String>) -> Fault {
    refuse(Refusal::Expired, message)
}

pub(crate) fn bad_scope(problem: impl fmt::Display) -> Fault {
    refuse(Refusal::BadSignature, problem.to_string())
}
