//! Amazon Nova's own body for `InvokeModel`, schema `messages-v1`
//! (<https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html>): the words are Converse's, so
//! the shapes are too. The events of its stream are wrapped in their names, which Converse's are not.
//!
//! Refused by name: what Converse refuses, and every member that is not in the shape below.

use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, Event, Fault, Finish, Format, Request, Usage, Verbatim};
use serde::{Deserialize, Serialize};

use super::shape::answer::{Output, OutputMessage, StopReason};
use super::shape::content::SystemBlock;
use super::shape::request::{
    ConverseRequest, EffortName, InferenceConfig, Message, OutputConfig, Role, ToolConfig,
};
use super::shape::scalar::{ANY, Fraction, List, NonEmpty, Positive, Ruled};
use super::stream::Said;
use super::{content, request, response};
use crate::native::{Native, Sink};
use crate::{AnswerHead, json};

shape! {
    struct Body<'a> {
        messages: List<Message<'a>, 1, ANY>,
        ? schema_version: Schema,
        ? system: Vec<SystemBlock<'a>>,
        ? inference_config: Config<'a>,
        ? tool_config: ToolConfig<'a>,
        ? reasoning_config: Reasoning,
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::converse) enum Schema {
    #[serde(rename = "messages-v1")]
    MessagesV1,
}

shape! {
    struct Config<'a> {
        // Early examples of Amazon's have the other spelling.
        ? #[serde(alias = "max_new_tokens")] max_tokens: Positive,
        ? temperature: Fraction,
        ? top_p: Fraction,
        ? top_k: u32,
        ? stop_sequences: List<Ruled<'a, NonEmpty>, 0, 2500>,
    }
}

shape! {
    struct Reasoning {
        r#type: Switch,
        ? max_reasoning_effort: EffortName,
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum Switch {
    Enabled,
    Disabled,
}

/// Reads the body as a call of `model`.
///
/// # Errors
/// As for [`super::decode`].
pub(crate) fn decode(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Nova), Fault> {
    let shape: Body<'_> = json::decode(body)?;
    let config = shape.inference_config;
    let top_k = config.as_ref().and_then(|config| config.top_k);
    let effort = shape.reasoning_config.map(|config| match config.r#type {
        Switch::Enabled => config.max_reasoning_effort.unwrap_or(EffortName::Medium),
        Switch::Disabled => EffortName::None,
    });
    let converse = ConverseRequest {
        messages: Some(shape.messages),
        system: shape.system,
        inference_config: config.map(|config| InferenceConfig {
            max_tokens: config.max_tokens,
            temperature: config.temperature,
            top_p: config.top_p,
            stop_sequences: config.stop_sequences,
        }),
        tool_config: shape.tool_config,
        output_config: effort.map(|effort| OutputConfig { effort: Some(effort), text_format: None }),
        ..ConverseRequest::default()
    };
    let mut request = request::from_shape(model, converse)?;
    request.sampling.top_k = top_k;
    request.stream = stream;
    request.verbatim = Some(Verbatim { format: Format::Nova, body: body.clone() });
    Ok((request, Nova))
}

/// Says answers as Nova does.
pub(crate) struct Nova;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    output: Output<'a>,
    stop_reason: StopReason,
    usage: Counts,
}

/// Nova's spelling of the cache's counters differs from Converse's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_input_token_count: u64,
    cache_write_input_token_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum End {
    MessageStop {
        #[serde(rename = "stopReason")]
        stop_reason: StopReason,
    },
    Metadata {
        usage: Counts,
        metrics: Empty,
        trace: Empty,
    },
}

#[derive(Serialize)]
struct Empty {}

impl Counts {
    const fn of(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input,
            output_tokens: usage.generated(),
            total_tokens: usage.total(),
            cache_read_input_token_count: usage.cache_read,
            cache_write_input_token_count: usage.cache_write(),
        }
    }
}

impl Native for Nova {
    fn whole(&mut self, _: &AnswerHead, answer: &Answer, _: Duration) -> Vec<u8> {
        json::encode(&Whole {
            output: Output {
                message: OutputMessage { role: Role::Assistant, content: content::blocks(answer) },
            },
            stop_reason: response::to_reason(answer.finish.reason),
            usage: Counts::of(&answer.finish.usage),
        })
    }

    fn begin(&mut self, _: &AnswerHead, sink: &mut impl Sink) {
        sink.emit(None, &Said::BEGIN);
    }

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        if let Some(said) = Said::of(event) {
            sink.emit(None, &said);
        }
    }

    fn finish(&mut self, finish: &Finish, _: Duration, sink: &mut impl Sink) {
        sink.emit(None, &End::MessageStop { stop_reason: response::to_reason(finish.reason) });
        sink.emit(
            None,
            &End::Metadata { usage: Counts::of(&finish.usage), metrics: Empty {}, trace: Empty {} },
        );
    }

    /// Nova travels only in frames, which have faults of their own.
    fn fault(&mut self, _: &Fault, _: &mut impl Sink) {}
}
