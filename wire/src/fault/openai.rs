//! OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`, the last two `null` where there is none.

use std::borrow::Cow;

use canon::{Fault, Kind};
use serde::Serialize;

use crate::{Reply, json};

pub(super) fn reply(fault: &Fault) -> Reply {
    let (status, ..) = row(fault.kind());
    Reply::json(status, json::encode(&Body::of(fault)))
}

/// Status, type and code.
const fn row(kind: &Kind) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        Kind::Malformed { .. } => (400, INVALID, Some("invalid_value")),
        Kind::Unsupported { .. } => (400, INVALID, Some("unsupported_parameter")),
        Kind::TooLarge { .. } => (413, INVALID, Some("request_too_large")),
        Kind::Unauthenticated(_) => (401, INVALID, Some("invalid_api_key")),
        Kind::Forbidden => (403, INVALID, Some("insufficient_permissions")),
        Kind::UnknownModel => (404, INVALID, Some("model_not_found")),
        Kind::UnknownRoute => (404, INVALID, Some("unknown_url")),
        Kind::ContextExceeded { .. } => (400, INVALID, Some("context_length_exceeded")),
        Kind::Throttled { .. } => (429, "rate_limit_error", Some("rate_limit_exceeded")),
        Kind::Overloaded | Kind::NoCapacity => (503, SERVER, Some("overloaded")),
        Kind::NotReady => (503, SERVER, Some("model_not_ready")),
        Kind::Draining | Kind::Storage => (503, SERVER, Some("unavailable")),
        Kind::Upstream { .. } | Kind::UpstreamStream => (502, SERVER, Some("upstream_error")),
        Kind::UpstreamTimeout => (504, SERVER, Some("upstream_timeout")),
        Kind::Internal => (500, SERVER, None),
    }
}

/// The error object, of a reply or of an event in a stream.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
pub(crate) struct Error<'a> {
    pub(crate) message: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(crate) of_type: &'static str,
    pub(crate) param: Option<&'a str>,
    pub(crate) code: Option<&'static str>,
}

impl<'a> Body<'a> {
    pub(crate) fn of(fault: &'a Fault) -> Self {
        Self { error: Error::of(fault) }
    }
}

impl<'a> Error<'a> {
    pub(crate) fn of(fault: &'a Fault) -> Self {
        let (_, of_type, code) = row(fault.kind());
        let param = match fault.kind() {
            Kind::UnknownModel => Some("model"),
            Kind::ContextExceeded { .. } => Some("messages"),
            kind => super::member(kind),
        };
        Self { message: message(fault), of_type, param, code }
    }
}

fn message(fault: &Fault) -> Cow<'_, str> {
    match fault.kind() {
        Kind::ContextExceeded { tokens, tokens_max } => Cow::Owned(format!(
            "This model's maximum context length is {tokens_max} tokens. However, your messages resulted in \
             {tokens} tokens. Please reduce the length of the messages."
        )),
        _ => Cow::Borrowed(fault.message()),
    }
}
