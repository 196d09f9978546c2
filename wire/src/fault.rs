//! Faults as HTTP replies. Each surface has one table; statuses and codes are decided here and nowhere else.

pub(crate) mod anthropic;
pub(crate) mod bedrock;
pub(crate) mod openai;

use std::time::Duration;

use canon::{Fault, Kind};

use crate::Reply;

/// Whose manner of saying that something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// Amazon Bedrock's, runtime and control plane.
    Bedrock,
    /// OpenAI's.
    Openai,
    /// Anthropic's.
    Anthropic,
}

/// A fault that comes before the first byte of an answer, as `surface` says it. `request_id` goes into the body where
/// the surface has a place for it; the listener sets the headers that name the call.
#[must_use]
pub fn encode(surface: Surface, fault: &Fault, request_id: &str) -> Reply {
    let mut reply = match surface {
        Surface::Bedrock => bedrock::reply(fault),
        Surface::Openai => openai::reply(fault),
        Surface::Anthropic => anthropic::reply(fault, request_id),
    };
    if let Some(wait_s) = retry_after_s(fault.kind()) {
        reply.head.headers.push(("retry-after", wait_s.to_string()));
    }
    reply
}

/// How long to tell a caller to wait where the fault itself does not say, in seconds.
const RETRY_AFTER_S: u64 = 2;

/// Whole seconds, rounded up, so that a caller who obeys is not refused again.
fn retry_after_s(kind: &Kind) -> Option<u64> {
    match kind {
        Kind::Throttled { retry_after } => {
            let more = u64::from(*retry_after > Duration::from_secs(retry_after.as_secs()));
            Some(retry_after.as_secs().saturating_add(more).max(1))
        }
        Kind::Overloaded | Kind::NoCapacity | Kind::NotReady | Kind::Draining | Kind::Storage => {
            Some(RETRY_AFTER_S)
        }
        _ => None,
    }
}

/// The member that a fault is about.
fn member(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Malformed { path: member } | Kind::Unsupported { field: member } => {
            Some(member).filter(|member| !member.is_empty()).map(String::as_str)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
