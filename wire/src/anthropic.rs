//! Anthropic Messages, as <https://platform.claude.com/docs/en/api/messages> has it for API versions `2023-06-01`
//! to `2026-10-21` (Python SDK 2.10), and the body that Bedrock's `InvokeModel` takes for it.
//!
//! | member | what becomes of it |
//! |---|---|
//! | `model`, `messages`, `system`, `max_tokens`, sampling, `stop_sequences`, `tools`, `tool_choice`, `output_config.format` | honoured |
//! | `cache_control`, `thinking`, `output_config.effort`, `metadata`, `service_tier`, `speed`, `anthropic_beta` | hints |
//! | `thinking.display: "omitted"` | honoured by the encoder |
//! | `context_management` | only `clear_thinking_20251015` that keeps all, which changes nothing |
//! | server tools and their blocks, tools that the vendor defines, `container`, `mcp_servers`, files by id | refused by name |
//! | anything else | refused by name |

mod content;
mod models;
mod request;
mod response;
mod stream;
mod tools;
mod upstream;

use bytes::Bytes;
use canon::{Fault, ModelId, Request};

pub use models::{model, models};
pub use request::count as decode_count;
pub use response::count as encode_count;
pub(crate) use stream::Messages;
pub use upstream::{MAX_TOKENS, Stream, decode_answer, encode};

use crate::sse::Sse;
use crate::{Encoder, Exchange};

/// Reads a request of the Messages API.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], with the member.
pub fn decode(body: &Bytes) -> Result<Exchange, Fault> {
    let (request, answer) = request::native(body)?;
    Ok(Exchange { request, encoder: Box::new(Sse(answer)) as Box<dyn Encoder> })
}

/// Reads the body that `InvokeModel` carries, which names neither the model nor the manner of the answer.
///
/// # Errors
/// As for [`decode`].
pub(crate) fn decode_for(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Messages), Fault> {
    request::invoked(ModelId::new(model), stream, body)
}

#[cfg(test)]
mod tests;
