use std::time::Duration;

use canon::{Fault, Kind, Refusal};

use super::{Surface, encode};

/// One fault of each kind, in the order of [`Kind::CODES`], and each refusal.
fn every() -> Vec<Fault> {
    let kinds = [
        Kind::Malformed { path: "messages[0].role".into() },
        Kind::Unsupported { field: "guardrailConfig".into() },
        Kind::TooLarge { bytes_max: 25_000_000 },
        Kind::Unauthenticated(Refusal::Missing),
        Kind::Unauthenticated(Refusal::Incomplete),
        Kind::Unauthenticated(Refusal::UnknownKey),
        Kind::Unauthenticated(Refusal::BadSignature),
        Kind::Unauthenticated(Refusal::Expired),
        Kind::Forbidden,
        Kind::UnknownModel,
        Kind::UnknownRoute,
        Kind::ContextExceeded { tokens: 9000, tokens_max: 8192 },
        Kind::Throttled { retry_after: Duration::from_millis(1500) },
        Kind::Overloaded,
        Kind::NoCapacity,
        Kind::NotReady,
        Kind::Draining,
        Kind::Upstream { status: Some(502) },
        Kind::UpstreamTimeout,
        Kind::UpstreamStream,
        Kind::Storage,
        Kind::Internal,
    ];
    kinds.into_iter().map(|kind| Fault::new(kind, "why, and what to do")).collect()
}

fn line(surface: Surface, fault: &Fault) -> String {
    let reply = encode(surface, fault, "6a3e");
    let headers = reply
        .head
        .headers
        .iter()
        .filter(|(name, _)| *name != "content-type")
        .map(|(name, value)| format!(" {name}={value}"))
        .collect::<String>();
    let body = String::from_utf8(reply.body.to_vec()).expect("text");
    format!("{}{headers} {body}\n", reply.head.status)
}

#[test]
fn every_kind_has_its_row_on_every_surface() {
    let faults = every();
    let mut codes = faults.iter().map(|fault| fault.kind().code()).collect::<Vec<_>>();
    codes.dedup();
    assert_eq!(codes, Kind::CODES);
    let mut table = String::new();
    for fault in &faults {
        let name = match fault.kind() {
            Kind::Unauthenticated(refusal) => format!("{} {refusal:?}", fault.kind().code()),
            kind => kind.code().to_owned(),
        };
        table.push_str(&name);
        table.push('\n');
        for surface in [Surface::Bedrock, Surface::Openai, Surface::Anthropic] {
            table.push_str("  ");
            table.push_str(&line(surface, fault));
        }
        table.push_str("  in a stream: ");
        table.push_str(super::bedrock::exception(fault.kind(), true));
        table.push('\n');
    }
    crate::golden::check("faults.txt", &table);
}

#[test]
fn converse_streams_raise_only_what_they_know() {
    // bedrock-runtime 2023-09-30, ConverseStreamOutput.
    let known = [
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "serviceUnavailableException",
    ];
    for fault in every() {
        let name = super::bedrock::exception(fault.kind(), false);
        assert!(known.contains(&name), "{name}");
    }
}

#[test]
fn a_wait_is_rounded_up() {
    let wait = |ms| super::retry_after_s(&Kind::Throttled { retry_after: Duration::from_millis(ms) });
    assert_eq!([wait(0), wait(1), wait(1000), wait(1001)], [Some(1), Some(1), Some(1), Some(2)]);
}
