//! What becomes of a server's failures.
//!
//! | the server | the fault | another deployment is tried |
//! |---|---|---|
//! | refuses the connection, has no address, fails the handshake | `upstream` | yes |
//! | does not connect, begin or go on in time | `upstream-timeout` | yes, before the first event |
//! | 401, 403: this server's key is wrong | `upstream`; the operator's detail says so | yes |
//! | 404: it has no such model, or the URL is wrong | `upstream`; the operator's detail says so | yes |
//! | 408, 504 | `upstream-timeout` | yes |
//! | 429, 529, 503 | `overloaded` | yes |
//! | 503 while it loads its model (llama.cpp) | `not-ready` | yes |
//! | 400, 413, 422 because the context is too small | `context-exceeded` | no |
//! | 400, 413, 422 otherwise | `malformed`, with its message, cut to 500 characters | no |
//! | any other status | `upstream` with the status | yes |
//! | 200 with what is not an answer, or one over 32 MiB | `upstream` | yes |
//! | breaks off, says nonsense or reports an error before the first event of a stream | `upstream-stream` | yes |
//! | the same after it | `upstream-stream` in the stream | no |
//! | a stream that ends with neither a reason nor an end mark | `upstream-stream` in the stream | no |
//! | a stream of more than 256 MiB, or with an event of more than 4 MiB | `upstream-stream` in the stream | no |
//! | an answer without usage | no fault: usage is estimated, and a warning says so | – |
//!
//! A message about the caller's own request is passed on, because nobody else can mend it; the server's name for the
//! model is taken out of it. Whatever else a server says is for the operator.

use canon::{Fault, Kind};
use hyper::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::Instant;

use crate::transport::{late, whole};

/// How much of an error is read.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// How much of an error's message is passed on.
const MESSAGE_CHARS_MAX: usize = 500;

/// The shapes in which servers of this format report errors.
#[derive(Default, Deserialize)]
struct Report {
    #[serde(default)]
    error: Option<Inner>,
    /// vLLM before 0.10 had no envelope.
    #[serde(default)]
    message: Option<String>,
    /// What `FastAPI` says by itself.
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inner {
    Object(Box<Error>),
    Text(String),
}

#[derive(Default, Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: Option<serde_json::Value>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    param: Option<String>,
    /// llama.cpp says how far a prompt is over its context.
    #[serde(default)]
    n_prompt_tokens: Option<u64>,
    #[serde(default)]
    n_ctx: Option<u64>,
}

/// The fault for a response that is not a success.
pub(crate) async fn refused(response: Response<Incoming>, upstream_model: &str, deadline: Instant) -> Fault {
    let status = response.status().as_u16();
    // An error that cannot be read is still one of that status.
    let body = whole(response.into_body(), ERROR_BYTES_MAX, deadline).await.unwrap_or_default();
    classify(status, &body, upstream_model)
}

fn classify(status: u16, body: &[u8], upstream_model: &str) -> Fault {
    let error = read(body);
    let detail = format!("status {status}: {}", String::from_utf8_lossy(body).trim());
    let upstream = Kind::Upstream { status: Some(status) };
    let fault = match status {
        400 | 413 | 422 if is_context(&error) => context(&error),
        400 | 413 | 422 => malformed(&error, upstream_model),
        401 | 403 => {
            Fault::new(upstream, "The model's provider did not accept this server's key. Tell its operator.")
        }
        404 => {
            Fault::new(upstream, "The model's provider does not know the model. Tell this server's operator.")
        }
        408 | 504 => late("it gave up"),
        503 if is_loading(&error) => {
            Fault::new(Kind::NotReady, "The model's provider is still loading the model. Retry in a moment.")
        }
        429 | 503 | 529 => {
            Fault::new(Kind::Overloaded, "The model's provider has more calls than it can take. Retry later.")
        }
        _ => Fault::new(upstream, "The model's provider failed. Retry."),
    };
    fault.with_detail(detail)
}

fn read(body: &[u8]) -> Error {
    let report: Report = serde_json::from_slice(body).unwrap_or_default();
    let plain = |message: String| Error { message, ..Error::default() };
    match (report.error, report.message, report.detail) {
        (Some(Inner::Object(error)), ..) => *error,
        (Some(Inner::Text(text)), ..) | (None, Some(text), _) => plain(text),
        (None, None, Some(serde_json::Value::String(text))) => plain(text),
        (None, None, Some(detail)) => plain(detail.to_string()),
        (None, None, None) => Error::default(),
    }
}

fn is_loading(error: &Error) -> bool {
    error.message.to_lowercase().contains("loading")
}

fn is_context(error: &Error) -> bool {
    const TEXTS: [&str; 6] = [
        "maximum context length",
        "context size",
        "context window",
        "exceeds the available context",
        "prompt is too long",
        "longer than the maximum model length",
    ];
    let message = error.message.to_lowercase();
    error.code.as_ref().and_then(|code| code.as_str()) == Some("context_length_exceeded")
        || error.kind.as_deref() == Some("exceed_context_size_error")
        || TEXTS.iter().any(|text| message.contains(text))
}

/// The numbers are in members, or in the sentence.
fn context(error: &Error) -> Fault {
    const BEFORE_MAX: [&str; 4] =
        ["context length is ", "model length of ", "context size of ", "context window of "];
    let said = BEFORE_MAX.iter().find_map(|before| error.message.split_once(before));
    let tokens_max = error.n_ctx.or_else(|| numbers(said?.1).next()).unwrap_or_default();
    // The first number that is over it is what was asked for.
    let over = numbers(&error.message).find(|number| *number > tokens_max);
    let tokens = error.n_prompt_tokens.or(over).unwrap_or_default();
    let message =
        "The prompt, or prompt and answer together, are longer than the model's context. Shorten them.";
    Fault::new(Kind::ContextExceeded { tokens, tokens_max }, message)
}

fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

fn malformed(error: &Error, upstream_model: &str) -> Fault {
    let path = error.param.clone().unwrap_or_default();
    let said = error.message.replace(upstream_model, "the model");
    let said: String =
        said.chars().take(MESSAGE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let message = match said.trim() {
        "" => "The model's provider refused the request, and did not say why.".to_owned(),
        said => format!("The model's provider refused the request: {said}"),
    };
    Fault::new(Kind::Malformed { path }, message)
}

#[cfg(test)]
mod tests;
