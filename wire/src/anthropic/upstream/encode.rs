use canon::{Effort, Fault, OutputFormat, Request, Role, Sampling, Tier, Tool, ToolChoice, Tools};
use serde::Serialize;
use serde_json::value::RawValue;

use super::blocks::{CacheControl, Marked, blocks, raw};

/// The length that an answer may have where the caller does not say: this format must be told one.
pub const MAX_TOKENS: u64 = 8192;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Marked<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Marked<'a>>,
}

#[derive(Serialize)]
struct Offer<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Thinking {
    Enabled { budget_tokens: u64 },
    Disabled,
}

#[derive(Serialize)]
struct Output<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes `request` for a server that calls the model `model`.
///
/// The names of beta features belong into the header `anthropic-beta`, and not into the body.
///
/// # Errors
/// [`canon::Kind::Unsupported`] for what this format cannot say.
pub fn encode(request: &Request, model: &str) -> Result<Vec<u8>, Fault> {
    request.carried()?;
    let Request { sampling, tools, hints, .. } = request;
    refuse(sampling)?;
    let mut messages = Vec::with_capacity(request.messages.len());
    for (index, message) in request.messages.iter().enumerate() {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        messages.push(Turn { role, content: blocks(&message.content, &format!("messages[{index}]"))? });
    }
    let body = Body {
        model,
        max_tokens: sampling.max_tokens.unwrap_or(MAX_TOKENS),
        system: blocks(&request.system, "system")?,
        messages,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: &sampling.stop,
        tools: offers(&tools.list, hints.cache_tools)?,
        tool_choice: choice(tools),
        thinking: hints.thinking_budget.map(|tokens| match tokens {
            0 => Thinking::Disabled,
            budget_tokens => Thinking::Enabled { budget_tokens },
        }),
        output_config: output(request)?,
        metadata: hints.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: hints.tier.map(|tier| if tier == Tier::Default { "standard_only" } else { "auto" }),
        stream: request.stream,
    };
    Ok(crate::json::encode(&body))
}

fn refuse(sampling: &Sampling) -> Result<(), Fault> {
    let no = |field: &str| {
        Err(Fault::unsupported(field, "the server behind this model does not take it; leave it out"))
    };
    match sampling {
        Sampling { seed: Some(_), .. } => no("seed"),
        Sampling { presence_penalty: Some(_), .. } => no("presence_penalty"),
        Sampling { frequency_penalty: Some(_), .. } => no("frequency_penalty"),
        Sampling { temperature: Some(temperature), .. } if *temperature > 1.0 => {
            Err(Fault::unsupported("temperature", "the server behind this model takes 0 to 1"))
        }
        _ => Ok(()),
    }
}

/// The tools; the cache point that follows them is the last one's.
fn offers(tools: &[Tool], cached: bool) -> Result<Vec<Offer<'_>>, Fault> {
    let last = tools.len().saturating_sub(1);
    tools
        .iter()
        .enumerate()
        .map(|(index, tool)| {
            Ok(Offer {
                name: &tool.name,
                description: tool.description.as_deref(),
                input_schema: raw(&tool.schema)?,
                strict: tool.strict,
                cache_control: (cached && index == last).then(|| CacheControl::of(false)),
            })
        })
        .collect()
}

fn choice(tools: &Tools) -> Option<Choice<'_>> {
    let (kind, name) = match &tools.choice {
        ToolChoice::Auto => ("auto", None),
        ToolChoice::Any => ("any", None),
        ToolChoice::Named(name) => ("tool", Some(name.as_str())),
        ToolChoice::None => ("none", None),
    };
    let disable_parallel_tool_use =
        tools.parallel.filter(|_| tools.choice != ToolChoice::None).map(|parallel| !parallel);
    let says = kind != "auto" || disable_parallel_tool_use.is_some();
    (says && !tools.list.is_empty()).then_some(Choice { kind, name, disable_parallel_tool_use })
}

fn output(request: &Request) -> Result<Option<Output<'_>>, Fault> {
    let format = match &request.output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            let remedy = "the server behind this model takes a schema, not any JSON object; give a schema";
            return Err(Fault::unsupported("response_format", remedy));
        }
        OutputFormat::JsonSchema { schema, .. } => Some(Format { kind: "json_schema", schema: raw(schema)? }),
    };
    let effort = request.hints.effort.map(|effort| match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::ExtraHigh => "xhigh",
        Effort::Max => "max",
    });
    Ok((effort.is_some() || format.is_some()).then_some(Output { effort, format }))
}
