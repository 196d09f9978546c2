//! Bedrock Converse and ConverseStream, service model `bedrock-runtime` 2023-09-30 as of botocore 1.44.5.
//!
//! Refused by name, because Outcrop has no use for them that would be honest: `guardrailConfig`, `guardContent`,
//! `promptVariables`, `systemTool`, `searchResult`, `toolAddition`, `toolRemoval`, the `type` of server-side tools, a
//! bucket's owner, and every member that the service model does not know. Of `additionalModelRequestFields` the words
//! listed in [`extra`] are taken. Of `additionalModelResponseFieldPaths` only `/stop_sequence` ever finds anything;
//! as in Bedrock, a path that finds nothing is ignored.

#[macro_use]
mod shape;

pub mod client;
mod content;
pub(crate) mod counted;
mod extra;
pub(crate) mod nova;
mod request;
mod response;
mod stream;

use bytes::Bytes;
use canon::Fault;

use crate::Exchange;

/// Reads the body of Converse, or of ConverseStream when `stream`, as a call of `model`.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], which name the member.
pub fn decode(model: &str, stream: bool, body: &Bytes) -> Result<Exchange, Fault> {
    let (request, echo) = request::decode(model, stream, body)?;
    Ok(Exchange { request, encoder: Box::new(stream::Speaker::new(echo)) })
}

#[cfg(test)]
mod tests;
