//! Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`: the body is in the model's own words, and so is the
//! answer.
//!
//! # Whose words
//!
//! Outcrop serves any model in any of these formats, so the body and not the model decides which one it is. The first
//! line that fits wins:
//!
//! | the body has | it is |
//! |---|---|
//! | `anthropic_version` | Anthropic Messages |
//! | `schemaVersion` or `inferenceConfig` | Amazon Nova |
//! | `texts` or `input_type` | Cohere Embed |
//! | `inputText`, and `textGenerationConfig` | Amazon Titan Text |
//! | `inputText`, and `dimensions`, `normalize` or `embeddingTypes` | Amazon Titan Embeddings |
//! | `inputText` alone | what the model makes: Titan Embeddings of a model that makes vectors, else Titan Text |
//! | `prompt`, and `max_gen_len` or `images` | Meta Llama |
//! | `prompt`, and `max_tokens`, `stop` or `top_k` | Mistral's text completion |
//! | `prompt` alone | Mistral's if the model's name says `mistral`, else Llama's |
//! | `messages` whose first content block has no `type` | Amazon Nova |
//! | `messages`, and `model`, `max_completion_tokens` or `response_format` | OpenAI chat |
//! | `messages`, and `system`, `stop_sequences`, `thinking`, `anthropic_beta` or `top_k` | Anthropic Messages |
//! | `messages`, and a model whose name says `anthropic` or `claude` | Anthropic Messages |
//! | `messages` | OpenAI chat, also for `max_tokens` with contents that are strings |
//!
//! Everything else is refused. Images and Mistral's variant of chat (which differs from OpenAI's in the
//! name of one member of its answer) have no format here yet.

mod chunked;
mod cohere_embed;
mod headers;
mod llama;
mod mistral;
mod prompt;
mod titan;
mod titan_embeddings;

use bytes::Bytes;
use canon::{Call, EmbedRequest, Fault, Request};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::converse::nova;
use crate::native::Native;
use crate::{Encoder, Exchange, anthropic, json, openai};

use chunked::Chunked;
pub use headers::Headers;

/// Reads the body of `InvokeModel`, or of its stream when `stream`, as a call of `model`.
///
/// # Errors
/// [`canon::Kind::Malformed`] and [`canon::Kind::Unsupported`], which name the member or the header.
pub fn decode(model: &str, stream: bool, headers: &Headers<'_>, body: &Bytes) -> Result<Exchange, Fault> {
    of_words(Words::of(model, false, body)?, (model, stream), headers, body)
}

/// Reads the body of `InvokeModel`, or of its stream when `stream`, as a call of `model`, of which the caller knows
/// whether it makes embeddings.
///
/// # Errors
/// As for [`decode`].
pub fn decode_any(
    (model, makes_embeddings): (&str, bool),
    stream: bool,
    headers: &Headers<'_>,
    body: &Bytes,
) -> Result<Exchange<Call>, Fault> {
    let words = Words::of(model, makes_embeddings, body)?;
    if stream && matches!(words, Words::CohereEmbed | Words::TitanEmbeddings) {
        return Err(Fault::unsupported(
            "InvokeModelWithResponseStream",
            "embeddings come whole; use InvokeModel",
        ));
    }
    match words {
        Words::CohereEmbed => whole(cohere_embed::decode(model, body)?, headers),
        Words::TitanEmbeddings => whole(titan_embeddings::decode(model, body)?, headers),
        words => of_words(words, (model, stream), headers, body).map(Exchange::into_call),
    }
}

fn whole<N: Native + 'static>(
    (mut request, native): (EmbedRequest, N),
    headers: &Headers<'_>,
) -> Result<Exchange<Call>, Fault> {
    let echo = headers.check()?;
    headers.apply(&mut request.hints)?;
    Ok(Exchange { request, encoder: Box::new(Chunked::new(native, echo)) as Box<dyn Encoder> }.into_call())
}

fn of_words(
    words: Words,
    (model, stream): (&str, bool),
    headers: &Headers<'_>,
    body: &Bytes,
) -> Result<Exchange, Fault> {
    let echo = headers.check()?;
    let mut exchange = match words {
        Words::Anthropic => chunked(anthropic::decode_for(model, stream, body)?, echo),
        Words::Nova => chunked(nova::decode(model, stream, body)?, echo),
        Words::Titan => chunked(titan::decode(model, stream, body)?, echo),
        Words::Llama => chunked(llama::decode(model, stream, body)?, echo),
        Words::Mistral => chunked(mistral::decode(model, stream, body)?, echo),
        Words::OpenaiChat => chunked(openai::chat::decode_for(model, stream, body)?, echo),
        Words::CohereEmbed | Words::TitanEmbeddings => {
            return Err(Fault::unsupported("", "The body asks for embeddings, which have no place here."));
        }
    };
    headers.apply(&mut exchange.request.hints)?;
    Ok(exchange)
}

fn chunked<N: Native + 'static>((request, native): (Request, N), echo: headers::Echo) -> Exchange {
    Exchange { request, encoder: Box::new(Chunked::new(native, echo)) as Box<dyn Encoder> }
}

/// Whose words a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Anthropic,
    Nova,
    Titan,
    Llama,
    Mistral,
    OpenaiChat,
    CohereEmbed,
    TitanEmbeddings,
}

/// The members that tell the formats apart. A member that is null is absent.
#[derive(Deserialize)]
struct Signs<'a> {
    anthropic_version: Option<IgnoredAny>,
    #[serde(rename = "schemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "inferenceConfig")]
    inference_config: Option<IgnoredAny>,
    #[serde(rename = "inputText")]
    input_text: Option<IgnoredAny>,
    #[serde(rename = "textGenerationConfig")]
    text_generation_config: Option<IgnoredAny>,
    dimensions: Option<IgnoredAny>,
    normalize: Option<IgnoredAny>,
    #[serde(rename = "embeddingTypes")]
    embedding_types: Option<IgnoredAny>,
    texts: Option<IgnoredAny>,
    input_type: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
    max_gen_len: Option<IgnoredAny>,
    images: Option<IgnoredAny>,
    max_tokens: Option<IgnoredAny>,
    stop: Option<IgnoredAny>,
    top_k: Option<IgnoredAny>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    model: Option<IgnoredAny>,
    max_completion_tokens: Option<IgnoredAny>,
    response_format: Option<IgnoredAny>,
    system: Option<IgnoredAny>,
    stop_sequences: Option<IgnoredAny>,
    thinking: Option<IgnoredAny>,
    anthropic_beta: Option<IgnoredAny>,
}

impl Words {
    fn of(model: &str, makes_embeddings: bool, body: &[u8]) -> Result<Self, Fault> {
        let signs: Signs<'_> = json::decode(body)?;
        if signs.anthropic_version.is_some() {
            Ok(Self::Anthropic)
        } else if signs.schema_version.is_some() || signs.inference_config.is_some() {
            Ok(Self::Nova)
        } else if signs.texts.is_some() || signs.input_type.is_some() {
            Ok(Self::CohereEmbed)
        } else if signs.input_text.is_some() {
            Ok(Self::of_input_text(makes_embeddings, &signs))
        } else if signs.prompt.is_some() {
            Ok(Self::of_prompt(model, &signs))
        } else if let Some(messages) = signs.messages {
            Ok(Self::of_messages(model, &signs, messages))
        } else {
            Err(Fault::malformed(
                "",
                "The body is in no format that is known here: it has no messages, prompt, inputText or texts.",
            ))
        }
    }

    fn of_input_text(makes_embeddings: bool, signs: &Signs<'_>) -> Self {
        let of_embeddings = [&signs.dimensions, &signs.normalize, &signs.embedding_types];
        if signs.text_generation_config.is_some() {
            Self::Titan
        } else if makes_embeddings || of_embeddings.into_iter().any(Option::is_some) {
            Self::TitanEmbeddings
        } else {
            Self::Titan
        }
    }

    fn of_prompt(model: &str, signs: &Signs<'_>) -> Self {
        if signs.max_gen_len.is_some() || signs.images.is_some() {
            Self::Llama
        } else if [&signs.max_tokens, &signs.stop, &signs.top_k].into_iter().any(Option::is_some)
            || model.contains("mistral")
        {
            Self::Mistral
        } else {
            Self::Llama
        }
    }

    fn of_messages(model: &str, signs: &Signs<'_>, messages: &RawValue) -> Self {
        let openai = [&signs.model, &signs.max_completion_tokens, &signs.response_format]
            .into_iter()
            .any(Option::is_some);
        let anthropic =
            [&signs.system, &signs.stop_sequences, &signs.thinking, &signs.anthropic_beta, &signs.top_k];
        if has_untyped_block(messages) {
            Self::Nova
        } else if openai {
            Self::OpenaiChat
        } else if anthropic.into_iter().any(Option::is_some) || names_anthropic(model) {
            Self::Anthropic
        } else {
            Self::OpenaiChat
        }
    }
}

fn names_anthropic(model: &str) -> bool {
    model.contains("anthropic") || model.contains("claude")
}

/// Whether the first block of the first message's content says what it is by its member's name, as Nova's do, and not
/// by a `type`.
fn has_untyped_block(messages: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Message {
        content: Vec<Block>,
    }
    #[derive(Deserialize)]
    struct Block {
        r#type: Option<IgnoredAny>,
    }
    let messages: Vec<Message> = serde_json::from_str(messages.get()).unwrap_or_default();
    messages.first().and_then(|message| message.content.first()).is_some_and(|block| block.r#type.is_none())
}

#[cfg(test)]
mod tests;
