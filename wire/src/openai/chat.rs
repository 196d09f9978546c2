//! OpenAI Chat Completions, as <https://platform.openai.com/docs/api-reference/chat> has it (Python SDK 3.51), in
//! both directions, and the body that Bedrock's `InvokeModel` takes for it.
//!
//! | member | what becomes of it |
//! |---|---|
//! | `model`, `messages`, `max_completion_tokens` or `max_tokens`, sampling, `stop`, `seed`, penalties, `tools`, `tool_choice`, `parallel_tool_calls`, `response_format`, `stream_options` | honoured |
//! | `top_k` and `reasoning_content`, as vLLM and llama.cpp have them | honoured |
//! | `reasoning_effort`, `service_tier`, `metadata`, `user`, `safety_identifier`, `prompt_cache_…`, an image's `detail` | hints |
//! | `functions`, `function_call`, `n` > 1, `store: true`, audio out, web search, another length, place or model in servers' own words | refused by name, with what to do instead |
//! | `min_p`, `repetition_penalty`, `logprobs`, `logit_bias`, `verbosity`, `prediction`, `moderation`, a message's `name`, `audio` or `annotations` | [`Request::beyond`]: relayed, or refused by name where the body cannot be |
//! | any other member of the body or of a message, in small letters | likewise |
//! | anything else | refused by name |
//!
//! An answer's citations are left out: this format has a place for them only where they point into the web.

mod content;
mod messages;
mod relay;
mod request;
mod response;
mod stream;
mod tools;
mod upstream;

use bytes::Bytes;
use canon::{Fault, Format, ModelId, Request, Verbatim};

pub(super) use content::{cache_point, file, picture};
pub(super) use messages::arguments;
pub use relay::Relay;
pub(super) use request::{effort, tier};
pub(crate) use stream::Completion;
pub(super) use tools::{function, mode};
pub use upstream::{Answered, Dialect, LengthName, Stream, decode_answer, encode};

use crate::Exchange;
use crate::object::{Node, read};
use crate::sse::Sse;

/// Reads a request of Chat Completions.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], with the member.
pub fn decode(body: &Bytes) -> Result<Exchange, Fault> {
    let root = read(body)?;
    let mut object = root.object()?;
    let model = ModelId::new(object.need("model", Node::string)?);
    let (mut request, answer) = request::members(object, model)?;
    request.verbatim = Some(Verbatim { format: Format::OpenaiChat, body: body.clone() });
    Ok(Exchange { request, encoder: Box::new(Sse(answer)) })
}

/// Reads the body that `InvokeModel` carries: the path names the model and the manner of the answer. There is nothing
/// to relay, because the answer is framed otherwise, so what canon cannot carry is refused.
///
/// # Errors
/// As for [`decode`].
pub(crate) fn decode_for(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Completion), Fault> {
    let root = read(body)?;
    let mut object = root.object()?;
    object.maybe("model", Node::string)?;
    let (mut request, answer) = request::members(object, ModelId::new(model))?;
    request.carried()?;
    request.stream = stream;
    Ok((request, answer))
}

#[cfg(test)]
mod tests;
