//! OpenAI Responses, as <https://platform.openai.com/docs/api-reference/responses> has it (Python SDK 3.51): the part
//! that keeps nothing, which is also what Bedrock's runtime serves.
//!
//! | member | what becomes of it |
//! |---|---|
//! | `model`, `input`, `instructions`, `max_output_tokens`, `temperature`, `top_p`, `tools` of type `function`, `tool_choice`, `parallel_tool_calls`, `text.format`, `stream` | honoured |
//! | `reasoning`, `service_tier`, `metadata`, `user`, `safety_identifier`, `prompt_cache_…`, `include: ["reasoning.encrypted_content"]` | hints |
//! | `store` | unsaid or false; answers say `false`, because nothing is kept |
//! | `previous_response_id`, `conversation`, `background`, `prompt`, references to items, the vendor's own tools | refused by name, with what to do instead |
//! | anything else | refused by name |
//!
//! Each of canon's blocks is one item of the output.

mod echo;
mod items;
mod request;
mod response;
mod stream;

use bytes::Bytes;
use canon::{Fault, Format, Verbatim};

use crate::Exchange;
use crate::object::read;
use crate::sse::Sse;

/// Reads a request to create a response.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], with the member.
pub fn decode(body: &Bytes) -> Result<Exchange, Fault> {
    let root = read(body)?;
    let (mut request, echo) = request::members(root.object()?)?;
    request.verbatim = Some(Verbatim { format: Format::OpenaiResponses, body: body.clone() });
    Ok(Exchange { request, encoder: Box::new(Sse(stream::Responses::new(echo))) })
}

#[cfg(test)]
mod tests;
