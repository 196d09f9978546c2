use std::collections::HashSet;

use bytes::Bytes;
use canon::{
    Effort, Fault, Format, Message, ModelId, OutputFormat, Request, Role, Sampling, Tier, Tool, ToolChoice,
    Tools, Verbatim,
};

use super::shape::request as shape;
use super::shape::scalar::{Ruled, Text};
use super::{content, response::Echo};
use crate::json;

/// Where a request says which member of the model's own answer it wants to see.
const STOP_SEQUENCE_POINTER: &str = "/stop_sequence";

/// A request, and what its answer repeats of it.
pub(super) fn decode(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Echo), Fault> {
    let shape: shape::ConverseRequest<'_> = json::decode(body)?;
    let echo = Echo {
        latency: shape.performance_config.as_ref().and_then(|config| config.latency),
        tier: shape.service_tier.as_ref().map(|tier| tier.r#type),
        stop_sequence: shape
            .additional_model_response_field_paths
            .as_ref()
            .is_some_and(|paths| paths.0.iter().any(|path| path.0.0 == STOP_SEQUENCE_POINTER)),
    };
    let mut request = from_shape(model, shape)?;
    request.stream = stream;
    request.verbatim = Some(Verbatim { format: Format::Converse, body: body.clone() });
    Ok((request, echo))
}

pub(super) fn from_shape(model: &str, shape: shape::ConverseRequest<'_>) -> Result<Request, Fault> {
    let mut request = Request::new(ModelId::new(model));
    let Some(messages) = shape.messages else {
        return Err(Fault::malformed("messages", "this member is required"));
    };
    request.messages = messages.0.into_iter().map(message).collect();
    request.system = shape.system.unwrap_or_default().into_iter().map(content::system).collect();
    if let Some(config) = shape.inference_config {
        request.sampling = sampling(config);
    }
    if let Some(config) = shape.tool_config {
        let (tools, cached) = tools(config)?;
        request.tools = tools;
        request.hints.cache_tools = cached;
    }
    if let Some(config) = shape.output_config {
        request.hints.effort = config.effort.map(effort);
        request.output = config.text_format.map(output).unwrap_or_default();
    }
    request.hints.optimized_latency =
        shape.performance_config.is_some_and(|config| config.latency == Some(shape::Latency::Optimized));
    request.hints.tier = shape.service_tier.map(|tier| from_tier(tier.r#type));
    request.hints.metadata = shape.request_metadata.map(|pairs| pairs.0).unwrap_or_default();
    if let Some(extra) = shape.additional_model_request_fields {
        extra.apply(&mut request);
    }
    Ok(request)
}

fn message(message: shape::Message<'_>) -> Message {
    let role = match message.role {
        shape::Role::User => Role::User,
        shape::Role::Assistant => Role::Assistant,
        shape::Role::System => Role::System,
    };
    Message { role, content: message.content.0.into_iter().map(content::from_block).collect() }
}

fn sampling(config: shape::InferenceConfig<'_>) -> Sampling {
    Sampling {
        max_tokens: config.max_tokens.map(|tokens| tokens.0),
        temperature: config.temperature.map(|temperature| temperature.0),
        top_p: config.top_p.map(|top_p| top_p.0),
        stop: config
            .stop_sequences
            .map(|list| list.0.into_iter().map(Ruled::own).collect())
            .unwrap_or_default(),
        ..Sampling::default()
    }
}

/// The tools, and whether their list may be cached.
fn tools(config: shape::ToolConfig<'_>) -> Result<(Tools, bool), Fault> {
    let mut cached = false;
    let mut list = Vec::new();
    let mut names = HashSet::new();
    for (index, tool) in config.tools.0.into_iter().enumerate() {
        let spec = match tool {
            shape::Tool::Spec(spec) => spec,
            shape::Tool::CachePoint(_) => {
                cached = true;
                continue;
            }
            shape::Tool::System(refused) => match refused {},
        };
        let name = spec.name.own();
        if !names.insert(name.clone()) {
            let path = format!("toolConfig.tools[{index}].toolSpec.name");
            return Err(Fault::malformed(path, format_args!("another tool is called {name}")));
        }
        let schema = spec.input_schema.json.0.json();
        let description = spec.description.map(Ruled::own);
        list.push(Tool { name, description, schema, strict: spec.strict.unwrap_or(false) });
    }
    let choice = match config.tool_choice {
        None | Some(shape::ToolChoice::Auto(_)) => ToolChoice::Auto,
        Some(shape::ToolChoice::Any(_)) => ToolChoice::Any,
        Some(shape::ToolChoice::Tool(tool)) => {
            let name = tool.name.own();
            if !names.contains(&name) {
                let problem = format_args!("toolConfig.tools has no tool called {name}");
                return Err(Fault::malformed("toolConfig.toolChoice.tool.name", problem));
            }
            ToolChoice::Named(name)
        }
    };
    Ok((Tools { list, choice, parallel: None }, cached))
}

fn output(format: shape::TextFormat<'_>) -> OutputFormat {
    let shape::TextFormat { r#type: shape::TextFormatType::JsonSchema, structure } = format;
    let schema = structure.json_schema;
    OutputFormat::JsonSchema {
        name: schema.name.map(Text::own),
        description: schema.description.map(Text::own),
        schema: canon::Json::from_text(schema.schema.own()),
    }
}

const fn from_tier(tier: shape::TierType) -> Tier {
    match tier {
        shape::TierType::Priority => Tier::Priority,
        shape::TierType::Default => Tier::Default,
        shape::TierType::Flex => Tier::Flex,
        shape::TierType::Reserved => Tier::Reserved,
    }
}

pub(super) const fn effort(name: shape::EffortName) -> Effort {
    match name {
        shape::EffortName::None => Effort::None,
        shape::EffortName::Minimal => Effort::Minimal,
        shape::EffortName::Low => Effort::Low,
        shape::EffortName::Medium => Effort::Medium,
        shape::EffortName::High => Effort::High,
        shape::EffortName::ExtraHigh => Effort::ExtraHigh,
        shape::EffortName::Max => Effort::Max,
    }
}
