//! Bedrock's CountTokens.

use canon::{Fault, Request};
use serde::Serialize;

use crate::converse::counted::{self, Counted};
use crate::{Reply, invoke, json};

/// Reads a request to count the tokens of a prompt for `model`: the call that would have that prompt.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], which name the member.
pub fn decode(model: &str, body: &[u8]) -> Result<Request, Fault> {
    match counted::decode(model, body)? {
        Counted::Converse(request) => Ok(*request),
        Counted::Invoke(body) => {
            let exchange = invoke::decode(model, false, &invoke::Headers::default(), &body);
            exchange
                .map(|exchange| exchange.request)
                .map_err(|fault| json::within("input.invokeModel.body", fault))
        }
    }
}

/// The answer: the prompt has so many tokens.
#[must_use]
pub fn encode(tokens: u64) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Counts {
        input_tokens: u64,
    }
    Reply::json(200, json::encode(&Counts { input_tokens: tokens }))
}

#[cfg(test)]
mod tests;
