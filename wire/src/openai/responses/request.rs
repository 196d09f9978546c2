use canon::{Content, Fault, Hints, ModelId, OutputFormat, Request, Sampling, Tool, ToolChoice, Tools};

use super::echo::Echo;
use super::items::items;
use crate::object::{Node, Object};
use crate::openai::chat::{effort, function, mode, tier};

pub(super) fn members(mut object: Object<'_, '_>) -> Result<(Request, Echo), Fault> {
    let echo = Echo::of(&object);
    let model = ModelId::new(object.need("model", Node::string)?);
    let mut system: Vec<_> =
        object.maybe("instructions", Node::string)?.map(Content::Text).into_iter().collect();
    let (more, messages) = object.need("input", |node| items(&node))?;
    system.extend(more);
    let hints = hints(&mut object)?;
    let request = Request {
        stream: object.maybe("stream", Node::bool)?.unwrap_or_default(),
        system,
        messages,
        sampling: Sampling {
            max_tokens: object.maybe("max_output_tokens", Node::positive)?,
            temperature: object.maybe("temperature", |node| node.within(0.0, 2.0))?,
            top_p: object.maybe("top_p", |node| node.within(0.0, 1.0))?,
            ..Sampling::default()
        },
        tools: tools(&mut object)?,
        output: object.maybe("text", |node| text(&node))?.unwrap_or_default(),
        hints,
        ..Request::new(model)
    };
    refused(&mut object)?;
    object.end()?;
    Ok((request, echo))
}

fn tools(object: &mut Object<'_, '_>) -> Result<Tools, Fault> {
    Ok(Tools {
        list: object.maybe("tools", |node| node.each(|item| tool(&item)))?.unwrap_or_default(),
        choice: object.maybe("tool_choice", |node| choice(&node))?.unwrap_or_default(),
        parallel: object.maybe("parallel_tool_calls", Node::bool)?,
    })
}

fn tool(node: &Node<'_, '_>) -> Result<Tool, Fault> {
    let (kind, mut object) = node.tagged()?;
    if kind != "function" {
        let remedy = "tools are not run here; offer tools of type `function`, and run them in your client";
        return Err(node.unsupported(remedy));
    }
    let tool = function(&mut object)?;
    object.only(&[
        ("defer_loading", "false", "tools are not searched for here; leave it out"),
        ("allowed_callers", "[\"direct\"]", "only the model calls tools here; leave it out"),
        ("async", "false", "calls are answered in the next turn; leave it out"),
    ])?;
    object.end()?;
    Ok(tool)
}

fn choice(node: &Node<'_, '_>) -> Result<ToolChoice, Fault> {
    if node.is_string() {
        return mode(node);
    }
    let (kind, mut object) = node.tagged()?;
    if kind != "function" {
        return Err(node.unsupported("name one function, or offer only those tools that may be called"));
    }
    let name = object.need("name", Node::string)?;
    object.end()?;
    Ok(ToolChoice::Named(name))
}

fn text(node: &Node<'_, '_>) -> Result<OutputFormat, Fault> {
    let mut object = node.object()?;
    object.only(&[("verbosity", "\"medium\"", "ask for short or long answers in the instructions")])?;
    let format = object.maybe("format", |node| {
        let (kind, mut object) = node.tagged()?;
        let format = match kind.as_str() {
            "text" => OutputFormat::Text,
            "json_object" => OutputFormat::JsonObject,
            "json_schema" => {
                // An answer always satisfies its schema here, whether that was asked for or not.
                object.maybe("strict", Node::bool)?;
                OutputFormat::JsonSchema {
                    name: object.maybe("name", Node::string)?,
                    description: object.maybe("description", Node::string)?,
                    schema: object.need("schema", Node::json_object)?,
                }
            }
            _ => return Err(node.malformed("type: expected `text`, `json_object` or `json_schema`")),
        };
        object.end()?;
        Ok(format)
    })?;
    object.end()?;
    Ok(format.unwrap_or_default())
}

fn hints(object: &mut Object<'_, '_>) -> Result<Hints, Fault> {
    let older = object.maybe("user", Node::string)?;
    let mut hints = Hints {
        tier: object.maybe("service_tier", tier)?.flatten(),
        metadata: object.maybe("metadata", |node| node.object()?.pairs())?.unwrap_or_default(),
        user: object.maybe("safety_identifier", Node::string)?.or(older),
        tells_unasked_cache: true,
        ..Hints::default()
    };
    if let Some(node) = object.take("reasoning") {
        let mut reasoning = node.object()?;
        hints.effort = reasoning.maybe("effort", effort)?;
        // Reasoning is shown as it is, not summed up.
        for name in ["summary", "generate_summary", "context", "mode"] {
            reasoning.maybe(name, Node::string)?;
        }
        reasoning.end()?;
    }
    // They say that the prompt is worth caching, and not up to where.
    for name in ["prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"] {
        hints.cache_tools |= object.take(name).is_some();
    }
    if let Some(node) = object.take("stream_options") {
        let mut options = node.object()?;
        options.maybe("include_obfuscation", Node::bool)?;
        options.end()?;
    }
    Ok(hints)
}

fn refused(object: &mut Object<'_, '_>) -> Result<(), Fault> {
    let kept = "answers are not kept here; send the whole conversation in `input`";
    object.maybe("include", |node| {
        node.each(|item| match item.string()?.as_str() {
            // Sealed reasoning is always in the answer, where there is any.
            "reasoning.encrypted_content" => Ok(()),
            _ => Err(item.unsupported("answers carry nothing more than they always do; leave it out")),
        })
    })?;
    object.only(&[
        ("store", "false", "answers are not kept here; leave it out or say false"),
        ("background", "false", "answers are given at once; leave it out, and stream if they are long"),
        ("truncation", "\"disabled\"", "conversations are not cut here; cut it in your client"),
        ("top_logprobs", "0", "the likelihoods of tokens are not given here; leave it out"),
    ])?;
    object.refuse(&[
        ("previous_response_id", kept),
        ("conversation", kept),
        ("prompt", "prompts are not kept here; send its text in `instructions`"),
        ("context_management", "conversations are not edited here; edit it in your client"),
        ("max_tool_calls", "tools are not run here; count the calls in your client"),
        ("moderation", "use the guardrails of this server; leave it out"),
    ])
}
