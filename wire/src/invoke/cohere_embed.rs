//! Cohere Embed's body for `InvokeModel`, version 3
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html>).
//!
//! | member | what becomes of it |
//! |---|---|
//! | `texts`, `truncate`, `embedding_types` of `float`, `binary` and `ubinary` | honoured |
//! | `input_type` | a hint, because most models make no difference; required, as it is there |
//! | `embedding_types` of `int8` and `uint8` | refused: the ranges that they are scaled by are Cohere's own |
//! | `images`, and `input_type: image` | refused |
//! | anything else, also what only version 4 has | refused by name |

use bytes::Bytes;
use canon::{Answer, EmbedInput, EmbedRequest, Fault, Format, ModelId, Overflow, Purpose, Verbatim};
use serde::Serialize;

use crate::native::{Native, Whole};
use crate::object::{self, Node};
use crate::{AnswerHead, json, vectors};

/// How many texts a call may have. Source: the page above.
const TEXTS_MAX: usize = 96;
/// The longest text, in characters. The page says 2,048, but what `truncate` is for is longer; this is Titan's limit.
const TEXT_CHARS_MAX: usize = 50_000;

/// A form of vectors that a call asks for.
#[derive(Clone, Copy, PartialEq)]
enum Type {
    Float,
    Binary,
    Ubinary,
}

pub(super) fn decode(
    model: &str,
    body: &Bytes,
) -> Result<(EmbedRequest, impl Native + 'static + use<>), Fault> {
    let node = object::read(body)?;
    let mut shape = node.object()?;
    shape.refuse(&[("images", "this model reads texts; send texts")])?;
    let texts = shape.need("texts", texts)?;
    let inputs = texts.iter().cloned().map(EmbedInput::Text).collect();
    let mut request = EmbedRequest::new(ModelId::new(model), inputs);
    request.purpose = Some(shape.need("input_type", purpose)?);
    request.overflow = shape.maybe("truncate", overflow)?.unwrap_or_default();
    let types = shape.maybe("embedding_types", types)?;
    shape.end()?;
    request.verbatim = Some(Verbatim { format: Format::CohereEmbed, body: body.clone() });
    let say = move |head: &AnswerHead, answer: &Answer| encode(head, answer, &texts, types.as_deref());
    Ok((request, Whole(say)))
}

fn texts(node: Node<'_, '_>) -> Result<Vec<String>, Fault> {
    let texts = node.each(|node| vectors::any_text(node, TEXT_CHARS_MAX))?;
    if texts.is_empty() || texts.len() > TEXTS_MAX {
        return Err(
            node.malformed(format_args!("must have 1 to {TEXTS_MAX} texts; send more in another call"))
        );
    }
    Ok(texts)
}

fn purpose(node: Node<'_, '_>) -> Result<Purpose, Fault> {
    Ok(match node.string()?.as_str() {
        "search_document" => Purpose::SearchDocument,
        "search_query" => Purpose::SearchQuery,
        "classification" => Purpose::Classification,
        "clustering" => Purpose::Clustering,
        "image" => return Err(node.unsupported("this model reads texts; send texts")),
        _ => {
            let known = "must be one of search_document, search_query, classification, clustering";
            return Err(node.malformed(known));
        }
    })
}

/// What Cohere discards, we do not keep.
fn overflow(node: Node<'_, '_>) -> Result<Overflow, Fault> {
    Ok(match node.string()?.as_str() {
        "NONE" => Overflow::Refuse,
        "START" => Overflow::KeepEnd,
        "END" => Overflow::KeepStart,
        _ => return Err(node.malformed("must be one of NONE, START, END")),
    })
}

fn types(node: Node<'_, '_>) -> Result<Vec<Type>, Fault> {
    let types = node.each(|node| {
        Ok(match node.string()?.as_str() {
            "float" => Type::Float,
            "binary" => Type::Binary,
            "ubinary" => Type::Ubinary,
            "int8" | "uint8" => {
                return Err(node.unsupported("the ranges that it scales by are Cohere's own; ask for float"));
            }
            _ => return Err(node.malformed("must be one of float, binary, ubinary")),
        })
    })?;
    if types.is_empty() {
        return Err(node.malformed("must name at least one type, or be left out"));
    }
    Ok(types)
}

#[derive(Serialize)]
struct Embedded<'a> {
    id: &'a str,
    response_type: &'static str,
    texts: &'a [String],
    embeddings: Embeddings<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Embeddings<'a> {
    Floats(&'a [Vec<f32>]),
    ByType {
        #[serde(skip_serializing_if = "Option::is_none")]
        float: Option<&'a [Vec<f32>]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        binary: Option<Vec<Vec<i8>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ubinary: Option<Vec<Vec<u8>>>,
    },
}

fn encode(head: &AnswerHead, answer: &Answer, texts: &[String], types: Option<&[Type]>) -> Vec<u8> {
    let vectors = answer.vectors.as_slice();
    let packed = || vectors.iter().map(|vector| vectors::packed(vector));
    // Cohere's signed bytes are its unsigned ones, less 128.
    let signed = |bytes: Vec<u8>| bytes.into_iter().map(|byte| (byte ^ 0x80).cast_signed()).collect();
    let (response_type, embeddings) = match types {
        None => ("embeddings_floats", Embeddings::Floats(vectors)),
        Some(types) => {
            let asked = |of: Type| types.contains(&of);
            let by_type = Embeddings::ByType {
                float: asked(Type::Float).then_some(vectors),
                binary: asked(Type::Binary).then(|| packed().map(signed).collect()),
                ubinary: asked(Type::Ubinary).then(|| packed().collect()),
            };
            ("embeddings_by_type", by_type)
        }
    };
    json::encode(&Embedded { id: &head.request_id, response_type, texts, embeddings })
}
