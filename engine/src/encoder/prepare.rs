//! What a call asks for, as tokens that the model reads, or why it cannot be had.

use canon::{EmbedInput, EmbedRequest, Fault, Kind, Overflow};

use super::config::Reading;
use crate::tokenizer::WordPiece;

/// Tokens that one call may have in all its texts together. Source: OpenAI's limit for embeddings.
const CALL_TOKENS_MAX: usize = 300_000;
/// Bedrock's own text, which clients match.
const TOO_LONG: &str = "Input is too long for requested model.";

/// The tokens of each text of `request`, those that mark beginning and end among them.
///
/// # Errors
/// [`Kind::ContextExceeded`] for a text that is longer than the model reads, where it may not be cut;
/// [`Kind::Malformed`] for tokens that are none of the model's, and for more texts than one call may have.
pub(super) fn texts(
    request: &EmbedRequest,
    tokenizer: &WordPiece,
    reading: Reading,
) -> Result<Vec<Vec<u32>>, Fault> {
    let mut all = 0;
    let mut texts = Vec::with_capacity(request.inputs.len());
    for (number, input) in request.inputs.iter().enumerate() {
        let tokens = match input {
            EmbedInput::Text(text) => tokenizer.encode(text),
            EmbedInput::Tokens(tokens) => known(number, tokens, tokenizer)?,
        };
        let text = framed(tokens, tokenizer, reading, request.overflow)?;
        all += text.len();
        if all > CALL_TOKENS_MAX {
            let problem =
                format!("has more than {CALL_TOKENS_MAX} tokens in all; send the texts in several calls");
            return Err(Fault::malformed("input", problem));
        }
        texts.push(text);
    }
    Ok(texts)
}

/// Tokens that the caller made, if the vocabulary has all of them.
fn known(number: usize, tokens: &[u32], tokenizer: &WordPiece) -> Result<Vec<u32>, Fault> {
    match tokens.iter().find(|token| crate::tokenizer::index(**token) >= tokenizer.len()) {
        None => Ok(tokens.to_vec()),
        Some(token) => Err(Fault::malformed(
            format!("input[{number}]"),
            format_args!(
                "token {token} is none of this model's {}; tokens of another tokenizer mean other words here, so send \
                 text (in LangChain: check_embedding_ctx_length=False)",
                tokenizer.len()
            ),
        )),
    }
}

/// Puts the marks of beginning and end around a text, cut where that is allowed.
fn framed(
    mut tokens: Vec<u32>,
    tokenizer: &WordPiece,
    reading: Reading,
    overflow: Overflow,
) -> Result<Vec<u32>, Fault> {
    let (before, after) = tokenizer.frame();
    let room = reading.tokens_max.saturating_sub(before.len() + after.len());
    if tokens.len() > room {
        match overflow {
            Overflow::Refuse => {
                let tokens = (tokens.len() + before.len() + after.len()) as u64;
                let kind = Kind::ContextExceeded { tokens, tokens_max: reading.tokens_max as u64 };
                return Err(Fault::new(kind, TOO_LONG));
            }
            Overflow::KeepStart => tokens.truncate(room),
            Overflow::KeepEnd => drop(tokens.drain(..tokens.len() - room)),
        }
    }
    Ok([before, &tokens, after].concat())
}
