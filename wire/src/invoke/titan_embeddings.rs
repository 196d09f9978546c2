//! Amazon Titan Embeddings' body for `InvokeModel`, G1 and V2
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>).
//!
//! Every member is honoured; any other is refused by name. An answer has V2's members also where the body is one of
//! G1's, which has no `embeddingsByType`: clients of G1 read `embedding` alone.

use bytes::Bytes;
use canon::{Answer, EmbedInput, EmbedRequest, Fault, Format, ModelId, Verbatim};
use serde::Serialize;

use crate::json;
use crate::native::{Native, Whole};
use crate::object::{self, Node};
use crate::vectors;

/// The longest text, in characters. Source: the model's page in Amazon Bedrock's user guide.
const TEXT_CHARS_MAX: usize = 50_000;

/// The forms of a vector that an answer has under `embeddingsByType`.
#[derive(Clone, Copy)]
struct Types {
    float: bool,
    binary: bool,
}

pub(super) fn decode(
    model: &str,
    body: &Bytes,
) -> Result<(EmbedRequest, impl Native + 'static + use<>), Fault> {
    let node = object::read(body)?;
    let mut shape = node.object()?;
    let text = shape.need("inputText", |node| vectors::text(node, TEXT_CHARS_MAX))?;
    let mut request = EmbedRequest::new(ModelId::new(model), vec![EmbedInput::Text(text)]);
    request.dimensions = shape.maybe("dimensions", Node::positive)?;
    request.normalize = shape.maybe("normalize", Node::bool)?;
    let types = shape.maybe("embeddingTypes", types)?.unwrap_or(Types { float: true, binary: false });
    shape.end()?;
    request.verbatim = Some(Verbatim { format: Format::TitanEmbeddings, body: body.clone() });
    Ok((request, Whole(move |_: &_, answer: &Answer| encode(answer, types))))
}

fn types(node: Node<'_, '_>) -> Result<Types, Fault> {
    let mut types = Types { float: false, binary: false };
    for name in node.strings()? {
        match name.as_str() {
            "float" => types.float = true,
            "binary" => types.binary = true,
            _ => return Err(node.malformed("must be a list of float, binary or both")),
        }
    }
    if !types.float && !types.binary {
        return Err(node.malformed("must name at least one of float and binary"));
    }
    Ok(types)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Embedded<'a> {
    embedding: &'a [f32],
    embeddings_by_type: ByType<'a>,
    input_text_token_count: u64,
}

#[derive(Serialize)]
struct ByType<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<&'a [f32]>,
}

fn encode(answer: &Answer, types: Types) -> Vec<u8> {
    let embedding = answer.vectors.first().map(Vec::as_slice).unwrap_or_default();
    let binary = || embedding.iter().map(|number| u8::from(*number > 0.0)).collect();
    json::encode(&Embedded {
        embedding,
        embeddings_by_type: ByType {
            binary: types.binary.then(binary),
            float: types.float.then_some(embedding),
        },
        input_text_token_count: answer.finish.usage.prompt(),
    })
}
