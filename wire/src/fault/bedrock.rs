//! Bedrock's errors: a code in `x-amzn-errortype`, a message in the body. The codes of the runtime's operations are
//! those of its service model; those for callers who are not believed are the ones that every AWS service shares.

use bytes::BytesMut;
use canon::{Fault, Kind, Refusal};
use serde::Serialize;

use crate::{Reply, frame, json};

/// The text that clients match to find out that a conversation has grown too long.
const TOO_LONG: &str = "Input is too long for requested model.";

/// AWS's answer to a path that no operation has; its shape differs from that of all other errors.
const UNKNOWN_OPERATION: &str =
    r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;

pub(super) fn reply(fault: &Fault) -> Reply {
    let (status, code) = row(fault.kind());
    let mut reply = match fault.kind() {
        Kind::UnknownRoute => Reply::json(status, UNKNOWN_OPERATION),
        _ => Reply::json(status, json::encode(&Body::of(fault))),
    };
    reply.head.headers.push(("x-amzn-errortype", code.to_owned()));
    reply
}

/// Status and code of a fault before the first byte.
const fn row(kind: &Kind) -> (u16, &'static str) {
    match kind {
        Kind::Malformed { .. }
        | Kind::Unsupported { .. }
        | Kind::TooLarge { .. }
        | Kind::UnknownModel
        | Kind::ContextExceeded { .. } => (400, "ValidationException"),
        Kind::Unauthenticated(refusal) => refused(*refusal),
        Kind::Forbidden => (403, "AccessDeniedException"),
        Kind::UnknownRoute => (404, "UnknownOperationException"),
        Kind::Throttled { .. } => (429, "ThrottlingException"),
        // SDKs repeat the call by themselves for this code.
        Kind::NotReady => (429, "ModelNotReadyException"),
        Kind::Overloaded | Kind::NoCapacity | Kind::Draining | Kind::Storage => {
            (503, "ServiceUnavailableException")
        }
        Kind::Upstream { .. } => (424, "ModelErrorException"),
        Kind::UpstreamStream => (424, "ModelStreamErrorException"),
        Kind::UpstreamTimeout => (408, "ModelTimeoutException"),
        Kind::Internal => (500, "InternalServerException"),
    }
}

const fn refused(refusal: Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::Missing => (403, "MissingAuthenticationTokenException"),
        Refusal::Incomplete => (400, "IncompleteSignatureException"),
        Refusal::UnknownKey => (403, "UnrecognizedClientException"),
        // For a signature of the wrong time this is the code at which every SDK compares its clock with `Date`.
        Refusal::BadSignature | Refusal::Expired => (403, "InvalidSignatureException"),
    }
}

/// The name of a fault inside a stream. Converse's stream knows five; invoke's knows `modelTimeoutException` too.
pub(super) const fn exception(kind: &Kind, knows_timeout: bool) -> &'static str {
    match kind {
        Kind::Malformed { .. }
        | Kind::Unsupported { .. }
        | Kind::TooLarge { .. }
        | Kind::UnknownModel
        | Kind::UnknownRoute
        | Kind::ContextExceeded { .. }
        | Kind::Unauthenticated(_)
        | Kind::Forbidden => "validationException",
        Kind::Throttled { .. } => "throttlingException",
        Kind::Overloaded | Kind::NoCapacity | Kind::NotReady | Kind::Draining | Kind::Storage => {
            "serviceUnavailableException"
        }
        Kind::UpstreamTimeout if knows_timeout => "modelTimeoutException",
        Kind::Upstream { .. } | Kind::UpstreamStream | Kind::UpstreamTimeout => "modelStreamErrorException",
        Kind::Internal => "internalServerException",
    }
}

/// Appends the frame that ends a failed stream.
pub(crate) fn write_exception(fault: &Fault, knows_timeout: bool, out: &mut BytesMut) {
    let headers = [
        (":exception-type", exception(fault.kind(), knows_timeout)),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    frame::write(out, &headers, &Body::of(fault));
}

/// What the body of an error, or of an exception in a stream, says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_status_code: Option<u16>,
}

impl<'a> Body<'a> {
    fn of(fault: &'a Fault) -> Self {
        match fault.kind() {
            Kind::ContextExceeded { .. } => Self { message: TOO_LONG, original_status_code: None },
            Kind::Upstream { status } => Self { message: fault.message(), original_status_code: *status },
            _ => Self { message: fault.message(), original_status_code: None },
        }
    }
}
