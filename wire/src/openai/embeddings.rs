//! OpenAI Embeddings, as <https://platform.openai.com/docs/api-reference/embeddings> has it (Python SDK 3.51).
//!
//! | member | what becomes of it |
//! |---|---|
//! | `model`, `input`, `encoding_format`, `dimensions` | honoured |
//! | `user` | a hint |
//! | anything else | refused by name |
//!
//! `input` is a text, a list of texts, a list of tokens or a list of such lists. Tokens are those of the model's own
//! vocabulary, not of OpenAI's: a client that counts and cuts with `tiktoken` must send text instead.

use bytes::Bytes;
use canon::{Answer, EmbedInput, EmbedRequest, Fault, Format, ModelId, Verbatim};
use serde::Serialize;

use crate::native::Whole;
use crate::object::{Node, read};
use crate::sse::Sse;
use crate::{AnswerHead, Exchange, json, vectors};

/// How many texts a call may have. Source: the page above.
const TEXTS_MAX: usize = 2_048;
/// The longest text, in characters. OpenAI's limit is in tokens; no model reads as many as come of this.
const TEXT_CHARS_MAX: usize = 100_000;
/// The most tokens that one text may be given in. No model reads as many.
const TEXT_TOKENS_MAX: usize = 100_000;

/// Reads a request for embeddings.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], with the member.
pub fn decode(body: &Bytes) -> Result<Exchange<EmbedRequest>, Fault> {
    let root = read(body)?;
    let mut object = root.object()?;
    let model = ModelId::new(object.need("model", Node::string)?);
    let mut request = EmbedRequest::new(model, object.need("input", inputs)?);
    request.dimensions = object.maybe("dimensions", Node::positive)?;
    request.hints.user = object.maybe("user", Node::string)?;
    let base64 = object.maybe("encoding_format", in_base64)?.unwrap_or(false);
    object.end()?;
    request.verbatim = Some(Verbatim { format: Format::OpenaiEmbeddings, body: body.clone() });
    let say = move |head: &AnswerHead, answer: &Answer| encode(head, answer, base64);
    Ok(Exchange { request, encoder: Box::new(Sse(Whole(say))) })
}

fn in_base64(node: Node<'_, '_>) -> Result<bool, Fault> {
    match node.string()?.as_str() {
        "float" => Ok(false),
        "base64" => Ok(true),
        _ => Err(node.malformed("must be float or base64")),
    }
}

fn inputs(node: Node<'_, '_>) -> Result<Vec<EmbedInput>, Fault> {
    if node.is_string() {
        return Ok(vec![EmbedInput::Text(vectors::text(node, TEXT_CHARS_MAX)?)]);
    }
    let first = node.text().trim_start_matches(['[', ' ', '\t', '\n', '\r']);
    if node.text().starts_with('[')
        && first.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && !nested(node)
    {
        return Ok(vec![tokens(node)?]);
    }
    let inputs = node.each(|node| {
        if node.is_string() {
            return Ok(EmbedInput::Text(vectors::text(node, TEXT_CHARS_MAX)?));
        }
        if !node.text().starts_with('[') {
            return Err(node.malformed("expected a text or a list of tokens"));
        }
        tokens(node)
    })?;
    if inputs.is_empty() || inputs.len() > TEXTS_MAX {
        return Err(
            node.malformed(format_args!("must have 1 to {TEXTS_MAX} texts; send more in another call"))
        );
    }
    Ok(inputs)
}

/// Whether an array's first element is an array.
fn nested(node: Node<'_, '_>) -> bool {
    node.text().strip_prefix('[').is_some_and(|inner| inner.trim_start().starts_with('['))
}

fn tokens(node: Node<'_, '_>) -> Result<EmbedInput, Fault> {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough over the node's lifetimes"
    )]
    let tokens = node.each(|token| token.u32())?;
    if tokens.is_empty() || tokens.len() > TEXT_TOKENS_MAX {
        return Err(node.malformed(format_args!("must have 1 to {TEXT_TOKENS_MAX} tokens")));
    }
    Ok(EmbedInput::Tokens(tokens))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: Used,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Floats(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct Used {
    prompt_tokens: u64,
    total_tokens: u64,
}

fn encode(head: &AnswerHead, answer: &Answer, base64: bool) -> Vec<u8> {
    let numbers = |vector| {
        if base64 { Numbers::Base64(vectors::base64(vector)) } else { Numbers::Floats(vector) }
    };
    let embedding = |(index, vector)| Embedding { object: "embedding", index, embedding: numbers(vector) };
    let usage = &answer.finish.usage;
    json::encode(&List {
        object: "list",
        data: answer.vectors.iter().map(Vec::as_slice).enumerate().map(embedding).collect(),
        model: head.model.as_str(),
        usage: Used { prompt_tokens: usage.prompt(), total_tokens: usage.total() },
    })
}

#[cfg(test)]
mod tests;
