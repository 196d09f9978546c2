use canon::{Effort, Fault, Json, OutputFormat, Request, ToolChoice, Tools};
use serde::Serialize;
use serde_json::value::RawValue;

use super::turns::{Turn, turns};
use super::{Dialect, LengthName};
use crate::openai::usage::tier;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Shape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<std::collections::BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Offer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: &'a RawValue,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Name<'a>,
    },
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Shape<'a> {
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    strict: bool,
}

/// Writes `request` for a server that calls the model `model` and speaks `dialect`.
///
/// Hints that the dialect has no place for are left out; the backend says which.
///
/// # Errors
/// [`canon::Kind::Unsupported`] for what the dialect cannot say, and for what canon could not carry here.
pub fn encode(request: &Request, model: &str, dialect: &Dialect) -> Result<Vec<u8>, Fault> {
    request.carried()?;
    let Request { sampling, tools, hints, stream, .. } = request;
    let newer = dialect.length == LengthName::MaxCompletionTokens;
    let body = Body {
        model,
        messages: turns(request, dialect)?,
        max_tokens: sampling.max_tokens.filter(|_| !newer),
        max_completion_tokens: sampling.max_tokens.filter(|_| newer),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: taken("top_k", sampling.top_k, dialect.top_k)?,
        seed: taken("seed", sampling.seed, dialect.seed)?.map(u64::cast_signed),
        presence_penalty: taken("presence_penalty", sampling.presence_penalty, dialect.penalties)?,
        frequency_penalty: taken("frequency_penalty", sampling.frequency_penalty, dialect.penalties)?,
        stop: &sampling.stop,
        tools: offers(tools)?,
        tool_choice: choice(tools, dialect)?,
        parallel_tool_calls: parallel(tools, dialect)?,
        response_format: shape(&request.output, dialect)?,
        reasoning_effort: hints.effort.filter(|_| dialect.effort).map(effort),
        service_tier: hints.tier.filter(|_| dialect.tier).map(tier),
        metadata: (dialect.metadata && !hints.metadata.is_empty())
            .then(|| hints.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
        user: hints.user.as_deref().filter(|_| dialect.user),
        stream: *stream,
        stream_options: (*stream && dialect.stream_usage).then_some(StreamOptions { include_usage: true }),
    };
    Ok(crate::json::encode(&body))
}

/// What was asked for, if it can be said.
fn taken<T>(field: &str, value: Option<T>, said: bool) -> Result<Option<T>, Fault> {
    match value {
        Some(_) if !said => {
            Err(Fault::unsupported(field, "the server behind this model does not take it; leave it out"))
        }
        value => Ok(value),
    }
}

fn offers(tools: &Tools) -> Result<Vec<Offer<'_>>, Fault> {
    tools
        .list
        .iter()
        .map(|tool| {
            let function = Function {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: raw(&tool.schema)?,
                strict: tool.strict,
            };
            Ok(Offer { kind: "function", function })
        })
        .collect()
}

fn choice<'a>(tools: &'a Tools, dialect: &Dialect) -> Result<Option<Choice<'a>>, Fault> {
    let named = |name| Choice::Named { kind: "function", function: Name { name } };
    Ok(match (&tools.choice, tools.list.as_slice()) {
        (_, []) => None,
        (ToolChoice::Auto, _) => (!dialect.required_tools).then_some(Choice::Mode("auto")),
        (ToolChoice::Any, _) if dialect.required_tools => Some(Choice::Mode("required")),
        // That one of one must be called can be said in another way.
        (ToolChoice::Any, [tool]) => Some(named(&tool.name)),
        (ToolChoice::Any, _) => {
            return Err(Fault::unsupported(
                "tool_choice",
                "the server behind this model cannot be made to call one of several tools; name the one",
            ));
        }
        (ToolChoice::None, _) => Some(Choice::Mode("none")),
        (ToolChoice::Named(name), _) => Some(named(name)),
    })
}

/// That calls may be parallel is every server's habit; that they may not must be said.
fn parallel(tools: &Tools, dialect: &Dialect) -> Result<Option<bool>, Fault> {
    let parallel = tools.parallel.filter(|_| !tools.list.is_empty());
    if parallel == Some(true) && !dialect.parallel_tools {
        return Ok(None);
    }
    taken("parallel_tool_calls", parallel, dialect.parallel_tools)
}

fn shape<'a>(output: &'a OutputFormat, dialect: &Dialect) -> Result<Option<Shape<'a>>, Fault> {
    match output {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonObject => Ok(Some(Shape::JsonObject)),
        OutputFormat::JsonSchema { .. } if !dialect.schemas => Err(Fault::unsupported(
            "response_format",
            "the server behind this model cannot be held to a schema; ask for a JSON object, or in words",
        )),
        OutputFormat::JsonSchema { name, description, schema } => Ok(Some(Shape::JsonSchema {
            json_schema: Schema {
                // The name is required there.
                name: name.as_deref().unwrap_or("answer"),
                description: description.as_deref(),
                schema: raw(schema)?,
                strict: true,
            },
        })),
    }
}

fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::None => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::ExtraHigh => "xhigh",
        Effort::Max => "max",
    }
}

/// The document, as it was written.
pub(super) fn raw(json: &Json) -> Result<&RawValue, Fault> {
    serde_json::from_str(json.text())
        .map_err(|error| Fault::internal(format_args!("a document in canon is not JSON: {error}")))
}
