//! The caller's side of Converse: requests written, answers and streams read.

mod stream;

use canon::{
    Answer, Effort, Fault, Hints, Message, OutputFormat, Request, Role, Sampling, Tier, ToolChoice, Tools,
};

use super::content::{self, Unsayable};
use super::extra::Extra;
use super::response;
use super::shape::request as shape;
use super::shape::scalar::{Fraction, List, Nothing, Pairs, Positive, Raw, RawObject, Ruled, Text};
use crate::json;

pub use stream::StreamDecoder;

/// Writes the body of Converse or ConverseStream. The model's name belongs into the path.
///
/// # Errors
/// [`canon::Kind::Unsupported`] names what Converse has no words for.
pub fn encode(request: &Request) -> Result<Vec<u8>, Fault> {
    request.carried()?;
    let body = shape::ConverseRequest {
        messages: Some(List(messages(&request.messages)?)),
        system: system(request)?,
        inference_config: inference_config(&request.sampling)?,
        tool_config: tool_config(&request.tools, &request.hints)?,
        additional_model_request_fields: Extra::of(request),
        additional_model_response_field_paths: Some(List(vec![Ruled::of("/stop_sequence")])),
        request_metadata: (!request.hints.metadata.is_empty()).then(|| Pairs(request.hints.metadata.clone())),
        performance_config: request
            .hints
            .optimized_latency
            .then_some(shape::PerformanceConfig { latency: Some(shape::Latency::Optimized) }),
        service_tier: request.hints.tier.map(|tier| shape::ServiceTier { r#type: to_tier(tier) }),
        output_config: output_config(request)?,
        guardrail_config: None,
        prompt_variables: None,
    };
    Ok(json::encode(&body))
}

/// Reads a whole answer.
///
/// # Errors
/// [`canon::Kind::Upstream`] where it is not an answer of Converse.
pub fn decode(body: &[u8]) -> Result<Answer, Fault> {
    response::decode(body)
}

fn messages(messages: &[Message]) -> Result<Vec<shape::Message<'_>>, Fault> {
    messages.iter().enumerate().map(|(index, message)| to_message(index, message)).collect()
}

fn to_message(index: usize, message: &Message) -> Result<shape::Message<'_>, Fault> {
    let role = match message.role {
        Role::User => shape::Role::User,
        Role::Assistant => shape::Role::Assistant,
        Role::System => shape::Role::System,
    };
    let block = |(at, part)| {
        content::to_block(part).map_err(|why| unsayable(format!("messages[{index}].content[{at}]"), why))
    };
    let content = message.content.iter().enumerate().map(block).collect::<Result<_, _>>()?;
    Ok(shape::Message { role, content: List(content) })
}

fn unsayable(path: impl Into<String>, why: Unsayable) -> Fault {
    Fault::unsupported(path, why)
}

type System<'a> = Option<Vec<super::shape::content::SystemBlock<'a>>>;

fn system(request: &Request) -> Result<System<'_>, Fault> {
    if request.system.is_empty() {
        return Ok(None);
    }
    let block = |(at, part)| content::to_system(part).map_err(|why| unsayable(format!("system[{at}]"), why));
    request.system.iter().enumerate().map(block).collect::<Result<_, _>>().map(Some)
}

fn inference_config(sampling: &Sampling) -> Result<Option<shape::InferenceConfig<'_>>, Fault> {
    if sampling.temperature.is_some_and(|temperature| temperature > 1.0) {
        return Err(unsayable("temperature", "Converse takes at most 1"));
    }
    let Sampling { max_tokens, temperature, top_p, stop, .. } = sampling;
    if max_tokens.is_none() && temperature.is_none() && top_p.is_none() && stop.is_empty() {
        return Ok(None);
    }
    Ok(Some(shape::InferenceConfig {
        max_tokens: max_tokens.map(Positive),
        temperature: temperature.map(Fraction),
        top_p: top_p.map(Fraction),
        stop_sequences: (!stop.is_empty()).then(|| List(stop.iter().map(|text| Ruled::of(text)).collect())),
    }))
}

fn tool_config<'a>(tools: &'a Tools, hints: &Hints) -> Result<Option<shape::ToolConfig<'a>>, Fault> {
    if tools.list.is_empty() {
        return Ok(None);
    }
    let spec = |tool: &'a canon::Tool| {
        shape::Tool::Spec(shape::ToolSpec {
            name: Ruled::of(&tool.name),
            input_schema: shape::InputSchema { json: RawObject(Raw::of(&tool.schema)) },
            description: tool.description.as_deref().filter(|text| !text.is_empty()).map(Ruled::of),
            strict: tool.strict.then_some(true),
        })
    };
    let mut list = tools.list.iter().map(spec).collect::<Vec<_>>();
    if hints.cache_tools {
        list.push(shape::Tool::CachePoint(content::to_cache_point(false)));
    }
    let tool_choice = match &tools.choice {
        ToolChoice::Auto => None,
        ToolChoice::Any => Some(shape::ToolChoice::Any(Nothing {})),
        ToolChoice::Named(name) => Some(shape::ToolChoice::Tool(shape::NamedTool { name: Ruled::of(name) })),
        ToolChoice::None => {
            return Err(unsayable("tools.choice", "Converse cannot forbid tools; leave them out instead"));
        }
    };
    Ok(Some(shape::ToolConfig { tools: List(list), tool_choice }))
}

fn output_config(request: &Request) -> Result<Option<shape::OutputConfig<'_>>, Fault> {
    let text_format = match &request.output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            return Err(unsayable("output", "Converse has no JSON mode without a schema; give a schema"));
        }
        OutputFormat::JsonSchema { name, description, schema } => Some(shape::TextFormat {
            r#type: shape::TextFormatType::JsonSchema,
            structure: shape::Structure {
                json_schema: shape::JsonSchema {
                    schema: Ruled::of(schema.text()),
                    name: name.as_deref().map(Text::of),
                    description: description.as_deref().map(Text::of),
                },
            },
        }),
    };
    let effort = request.hints.effort.map(to_effort);
    Ok((text_format.is_some() || effort.is_some()).then_some(shape::OutputConfig { text_format, effort }))
}

const fn to_tier(tier: Tier) -> shape::TierType {
    match tier {
        Tier::Priority => shape::TierType::Priority,
        Tier::Default => shape::TierType::Default,
        Tier::Flex => shape::TierType::Flex,
        Tier::Reserved => shape::TierType::Reserved,
    }
}

const fn to_effort(effort: Effort) -> shape::EffortName {
    match effort {
        Effort::None => shape::EffortName::None,
        Effort::Minimal => shape::EffortName::Minimal,
        Effort::Low => shape::EffortName::Low,
        Effort::Medium => shape::EffortName::Medium,
        Effort::High => shape::EffortName::High,
        Effort::ExtraHigh => shape::EffortName::ExtraHigh,
        Effort::Max => shape::EffortName::Max,
    }
}
