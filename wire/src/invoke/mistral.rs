//! Mistral's text completion for `InvokeModel`
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html>). Reasoning
//! has no place in this format and is left out.

use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, Event, Fault, Finish, Format, Request, StopReason, Verbatim};
use serde::{Deserialize, Serialize};

use super::prompt;
use crate::native::{Native, Sink};
use crate::{AnswerHead, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    prompt: String,
    max_tokens: Option<u64>,
    stop: Option<Vec<String>>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
}

/// How many stop sequences Mistral takes.
const STOPS_MAX: usize = 10;

pub(super) fn decode(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Mistral), Fault> {
    let shape: Body = json::decode(body)?;
    let mut request = prompt::request(model, &shape.prompt)?;
    let stop = shape.stop.unwrap_or_default();
    if stop.len() > STOPS_MAX || stop.iter().any(String::is_empty) {
        return Err(Fault::malformed(
            "stop",
            format_args!("must be at most {STOPS_MAX} texts that are not empty"),
        ));
    }
    request.sampling.stop = stop;
    request.sampling.max_tokens = prompt::positive("max_tokens", shape.max_tokens)?;
    request.sampling.temperature = prompt::fraction("temperature", shape.temperature)?;
    request.sampling.top_p = prompt::fraction("top_p", shape.top_p)?;
    request.sampling.top_k = shape.top_k;
    request.stream = stream;
    request.verbatim = Some(Verbatim { format: Format::Mistral, body: body.clone() });
    Ok((request, Mistral))
}

/// Says answers as Mistral does.
pub(crate) struct Mistral;

#[derive(Serialize)]
struct Outputs<'a> {
    outputs: [Output<'a>; 1],
}

#[derive(Serialize)]
struct Output<'a> {
    text: &'a str,
    stop_reason: Option<&'static str>,
}

impl<'a> Outputs<'a> {
    const fn of(text: &'a str, stop_reason: Option<&'static str>) -> Self {
        Self { outputs: [Output { text, stop_reason }] }
    }
}

const fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        _ => "stop",
    }
}

impl Native for Mistral {
    fn whole(&mut self, _: &AnswerHead, answer: &Answer, _: Duration) -> Vec<u8> {
        json::encode(&Outputs::of(&prompt::text_of(answer), Some(reason(answer.finish.reason))))
    }

    fn begin(&mut self, _: &AnswerHead, _: &mut impl Sink) {}

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        if let Event::Text { text, .. } = event {
            sink.emit(None, &Outputs::of(text, None));
        }
    }

    fn finish(&mut self, finish: &Finish, _: Duration, sink: &mut impl Sink) {
        sink.emit(None, &Outputs::of("", Some(reason(finish.reason))));
    }

    /// Mistral travels only in frames, which have faults of their own.
    fn fault(&mut self, _: &Fault, _: &mut impl Sink) {}
}
