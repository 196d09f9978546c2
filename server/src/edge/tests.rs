//! Every operation in every case, over real sockets.

mod bodies;
mod full_disk;
mod list;
mod manage;
mod refusals;
mod strangers;
mod streams;
mod tuned;
mod whole;

use wire::fault::Surface;

use crate::testing::{Books, Call, Reply, World};
use list::{Row, Says};

/// A model that nobody serves.
const NO_MODEL: &str = "acme.none-v1:0";

/// The call of `row` that goes well.
fn good(world: &World, row: &Row) -> Call {
    shape(row, world.call(row.method, &row.path.replace("{model}", row.model)), row.model)
}

/// `call` with the headers and the body of `row`.
fn shape(row: &Row, call: Call, model: &str) -> Call {
    let call = row.headers.iter().fold(call, |call, (name, value)| call.header(name, *value));
    call.body(row.body.replace("{model}", model))
}

/// What `says` points at, in all documents of an answer together.
fn said(reply: &Reply, says: Says) -> String {
    let text = |value: &serde_json::Value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    match says {
        Says::Plain => String::from_utf8(reply.body.to_vec()).unwrap(),
        Says::At(pointer) => {
            let documents = reply.documents();
            documents.iter().filter_map(|document| document.value.pointer(pointer)).map(text).collect()
        }
    }
}

/// The call is named in its answer, whichever surface it came to.
fn check_named(case: &str, reply: &Reply) {
    let id = reply.header("x-amzn-requestid");
    assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{case}: {id}");
    assert_eq!((reply.header("request-id"), reply.header("x-request-id")), (id, id), "{case}");
}

/// Checks a refusal: its status and its code, in the manner of `surface`.
fn check_refused(case: &str, surface: Surface, reply: &Reply, expected: (u16, &str)) {
    let shown = String::from_utf8_lossy(&reply.body).into_owned();
    let (status, code) = expected;
    assert_eq!(reply.status, status, "{case}: {shown}");
    check_named(case, reply);
    assert_eq!(reply.header("content-type"), "application/json", "{case}");
    let document = reply.document();
    let at = |pointer: &str| document.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    let message = match surface {
        Surface::Bedrock => {
            assert_eq!(reply.header("x-amzn-errortype"), code, "{case}: {shown}");
            at("/message")
        }
        Surface::Openai => {
            assert_eq!(at("/error/code"), code, "{case}: {shown}");
            assert!(document["error"].get("param").is_some() && !at("/error/type").is_empty(), "{case}");
            at("/error/message")
        }
        Surface::Anthropic => {
            assert_eq!((at("/type"), at("/error/type")), ("error", code), "{case}: {shown}");
            assert_eq!(at("/request_id"), reply.header("x-amzn-requestid"), "{case}");
            at("/error/message")
        }
    };
    // AWS has no message for a path that is none.
    assert!(!message.is_empty() || code == "UnknownOperationException", "{case}: {shown}");
}

/// What came onto the books since `before`.
fn since(before: Books, after: Books) -> Books {
    let usage =
        canon::Usage::plain(after.usage.input - before.usage.input, after.usage.output - before.usage.output);
    Books {
        completed: after.completed - before.completed,
        failed: after.failed - before.failed,
        cancelled: after.cancelled - before.cancelled,
        open: after.open,
        usage,
    }
}
