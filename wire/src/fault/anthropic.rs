//! Anthropic's error object: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

use std::borrow::Cow;

use canon::{Fault, Kind};
use serde::Serialize;

use crate::{Reply, json};

pub(super) fn reply(fault: &Fault, request_id: &str) -> Reply {
    let (status, _) = row(fault.kind());
    Reply::json(status, json::encode(&Body::of(fault, Some(request_id))))
}

/// Status and type.
const fn row(kind: &Kind) -> (u16, &'static str) {
    match kind {
        Kind::Malformed { .. } | Kind::Unsupported { .. } | Kind::ContextExceeded { .. } => {
            (400, "invalid_request_error")
        }
        Kind::TooLarge { .. } => (413, "request_too_large"),
        Kind::Unauthenticated(_) => (401, "authentication_error"),
        Kind::Forbidden => (403, "permission_error"),
        Kind::UnknownModel | Kind::UnknownRoute => (404, "not_found_error"),
        Kind::Throttled { .. } => (429, "rate_limit_error"),
        Kind::Overloaded | Kind::NoCapacity | Kind::NotReady | Kind::Draining | Kind::Storage => {
            (529, "overloaded_error")
        }
        Kind::UpstreamTimeout => (504, "timeout_error"),
        Kind::Upstream { .. } | Kind::UpstreamStream | Kind::Internal => (500, "api_error"),
    }
}

/// The error object, of a reply or of an event in a stream.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    #[serde(rename = "type")]
    of_type: &'static str,
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    of_type: &'static str,
    message: Cow<'a, str>,
}

impl<'a> Body<'a> {
    pub(crate) fn of(fault: &'a Fault, request_id: Option<&'a str>) -> Self {
        let (_, of_type) = row(fault.kind());
        Self { of_type: "error", error: Error { of_type, message: message(fault) }, request_id }
    }
}

fn message(fault: &Fault) -> Cow<'_, str> {
    match fault.kind() {
        Kind::ContextExceeded { tokens, tokens_max } => {
            Cow::Owned(format!("prompt is too long: {tokens} tokens > {tokens_max} maximum"))
        }
        _ => Cow::Borrowed(fault.message()),
    }
}
