//! Meta Llama's body for `InvokeModel`
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html>).
//!
//! `generation_token_count` of a piece counts the pieces so far, which are tokens where the backend sends each token
//! on its own; that of the last document is exact. Reasoning has no place in this format and is left out.

use std::time::Duration;

use bytes::Bytes;
use canon::{
    Answer, Blob, Content, Event, Fault, Finish, Format, Media, MediaKind, Request, Role, StopReason, Usage,
    Verbatim,
};
use serde::{Deserialize, Serialize};

use super::prompt;
use crate::native::{Native, Sink};
use crate::{AnswerHead, json, media};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    prompt: String,
    max_gen_len: Option<u64>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    images: Option<Vec<String>>,
}

pub(super) fn decode(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Llama), Fault> {
    let shape: Body = json::decode(body)?;
    let mut request = prompt::request(model, &shape.prompt)?;
    let images = shape.images.unwrap_or_default();
    let images = images.iter().enumerate().map(|(index, image)| picture(index, image));
    let images = images.collect::<Result<Vec<_>, _>>()?;
    if !images.is_empty() {
        let last = request.messages.iter_mut().rev().find(|message| message.role == Role::User);
        last.ok_or_else(|| Fault::malformed("images", "the prompt has no turn to show them in"))?
            .content
            .extend(images);
    }
    request.sampling.max_tokens = prompt::positive("max_gen_len", shape.max_gen_len)?;
    request.sampling.temperature = prompt::fraction("temperature", shape.temperature)?;
    request.sampling.top_p = prompt::fraction("top_p", shape.top_p)?;
    request.stream = stream;
    request.verbatim = Some(Verbatim { format: Format::Llama, body: body.clone() });
    Ok((request, Llama::default()))
}

/// A picture says what it is by its first bytes only.
fn picture(index: usize, base64: &str) -> Result<Content, Fault> {
    let path = || format!("images[{index}]");
    let bytes = media::from_base64(base64).ok_or_else(|| Fault::malformed(path(), "must be base64"))?;
    let format = match &*bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpeg",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        _ => return Err(Fault::malformed(path(), "must be a PNG, JPEG, GIF or WebP picture")),
    };
    Ok(Content::Media(Media {
        kind: MediaKind::Image,
        format: format.to_owned(),
        source: Blob::Bytes(bytes),
    }))
}

/// Says answers as Llama does.
#[derive(Default)]
pub(crate) struct Llama {
    prompt_tokens: Option<u64>,
    pieces: u64,
}

#[derive(Serialize)]
struct Piece<'a> {
    generation: &'a str,
    prompt_token_count: Option<u64>,
    generation_token_count: u64,
    stop_reason: Option<&'a str>,
}

const fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        _ => "stop",
    }
}

impl Native for Llama {
    fn whole(&mut self, _: &AnswerHead, answer: &Answer, _: Duration) -> Vec<u8> {
        let usage = &answer.finish.usage;
        json::encode(&Piece {
            generation: &prompt::text_of(answer),
            prompt_token_count: Some(usage.prompt()),
            generation_token_count: usage.generated(),
            stop_reason: Some(reason(answer.finish.reason)),
        })
    }

    fn prompt(&mut self, prompt: &Usage) {
        self.prompt_tokens = Some(prompt.prompt());
    }

    fn begin(&mut self, _: &AnswerHead, _: &mut impl Sink) {}

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        if let Event::Text { text, .. } = event {
            self.pieces = self.pieces.saturating_add(1);
            sink.emit(
                None,
                &Piece {
                    generation: text,
                    // Only the first document says it, as Bedrock does.
                    prompt_token_count: self.prompt_tokens.take(),
                    generation_token_count: self.pieces,
                    stop_reason: None,
                },
            );
        }
    }

    fn finish(&mut self, finish: &Finish, _: Duration, sink: &mut impl Sink) {
        sink.emit(
            None,
            &Piece {
                generation: "",
                prompt_token_count: self.prompt_tokens.take(),
                generation_token_count: finish.usage.generated(),
                stop_reason: Some(reason(finish.reason)),
            },
        );
    }

    /// Llama travels only in frames, which have faults of their own.
    fn fault(&mut self, _: &Fault, _: &mut impl Sink) {}
}
