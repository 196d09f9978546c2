use canon::{Effort, Fault, Hints, ModelId, OutputFormat, Request, Sampling, Tier};

use super::messages::messages;
use super::stream::Completion;
use super::tools::tools;
use crate::object::{Node, Object};

pub(super) fn members(mut object: Object<'_, '_>, model: ModelId) -> Result<(Request, Completion), Fault> {
    let mut beyond = None;
    let (system, messages) = object.need("messages", |node| messages(&node, &mut beyond))?;
    let stream = object.maybe("stream", Node::bool)?.unwrap_or_default();
    let include_usage = object.maybe("stream_options", |node| include_usage(&node))?.unwrap_or_default();
    let mut request = Request {
        stream,
        system,
        messages,
        sampling: sampling(&mut object)?,
        tools: tools(&mut object)?,
        output: object.maybe("response_format", |node| output(&node))?.unwrap_or_default(),
        hints: hints(&mut object)?,
        ..Request::new(model)
    };
    refused(&mut object)?;
    noted(&mut object, &mut beyond);
    object.rest(&mut beyond)?;
    request.beyond = beyond;
    let answer = Completion::new(include_usage, request.hints.tier);
    Ok((request, answer))
}

fn include_usage(node: &Node<'_, '_>) -> Result<bool, Fault> {
    let mut object = node.object()?;
    let include = object.maybe("include_usage", Node::bool)?;
    // Padding that hides lengths: it may be left out.
    object.maybe("include_obfuscation", Node::bool)?;
    object.end()?;
    Ok(include.unwrap_or_default())
}

fn sampling(object: &mut Object<'_, '_>) -> Result<Sampling, Fault> {
    let older = object.maybe("max_tokens", Node::positive)?;
    Ok(Sampling {
        max_tokens: object.maybe("max_completion_tokens", Node::positive)?.or(older),
        temperature: object.maybe("temperature", |node| node.within(0.0, 2.0))?,
        top_p: object.maybe("top_p", |node| node.within(0.0, 1.0))?,
        // vLLM's way to say "all" is -1.
        top_k: object.maybe("top_k", |node| if node.is("-1") { Ok(0) } else { node.u32() })?,
        seed: object.maybe("seed", Node::bits)?,
        presence_penalty: object.maybe("presence_penalty", |node| node.within(-2.0, 2.0))?,
        frequency_penalty: object.maybe("frequency_penalty", |node| node.within(-2.0, 2.0))?,
        stop: object.maybe("stop", stop)?.unwrap_or_default(),
    })
}

fn stop(node: Node<'_, '_>) -> Result<Vec<String>, Fault> {
    let all = if node.is_string() { vec![node.string()?] } else { node.strings()? };
    if all.iter().any(String::is_empty) { Err(node.malformed("must not be empty")) } else { Ok(all) }
}

fn output(node: &Node<'_, '_>) -> Result<OutputFormat, Fault> {
    let (kind, mut object) = node.tagged()?;
    let output = match kind.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::JsonObject,
        "json_schema" => object.need("json_schema", |node| {
            let mut object = node.object()?;
            // An answer always satisfies its schema here, whether that was asked for or not.
            object.maybe("strict", Node::bool)?;
            let format = OutputFormat::JsonSchema {
                name: object.maybe("name", Node::string)?,
                description: object.maybe("description", Node::string)?,
                schema: object.need("schema", Node::json_object)?,
            };
            object.end()?;
            Ok(format)
        })?,
        _ => return Err(node.malformed("type: expected `text`, `json_object` or `json_schema`")),
    };
    object.end()?;
    Ok(output)
}

fn hints(object: &mut Object<'_, '_>) -> Result<Hints, Fault> {
    let older = object.maybe("user", Node::string)?;
    let mut hints = Hints {
        effort: object.maybe("reasoning_effort", effort)?,
        tier: object.maybe("service_tier", tier)?.flatten(),
        metadata: object.maybe("metadata", |node| node.object()?.pairs())?.unwrap_or_default(),
        user: object.maybe("safety_identifier", Node::string)?.or(older),
        tells_unasked_cache: true,
        ..Hints::default()
    };
    // They say that the prompt is worth caching, and not up to where.
    for name in ["prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"] {
        hints.cache_tools |= object.take(name).is_some();
    }
    Ok(hints)
}

pub(in crate::openai) fn effort(node: Node<'_, '_>) -> Result<Effort, Fault> {
    match node.string()?.as_str() {
        "none" => Ok(Effort::None),
        "minimal" => Ok(Effort::Minimal),
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        "xhigh" => Ok(Effort::ExtraHigh),
        "max" => Ok(Effort::Max),
        _ => Err(node.malformed("expected `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`")),
    }
}

pub(in crate::openai) fn tier(node: Node<'_, '_>) -> Result<Option<Tier>, Fault> {
    match node.string()?.as_str() {
        "auto" => Ok(None),
        "default" => Ok(Some(Tier::Default)),
        "flex" => Ok(Some(Tier::Flex)),
        "priority" | "fast" => Ok(Some(Tier::Priority)),
        "scale" => Ok(Some(Tier::Reserved)),
        _ => Err(node.malformed("expected `auto`, `default`, `flex`, `priority` or `scale`")),
    }
}

/// What would break a promise also where it is relayed: one answer that its receipt covers, from the model that the
/// caller may use, with nothing kept.
fn refused(object: &mut Object<'_, '_>) -> Result<(), Fault> {
    let one = "one answer is given to one call; call as often as you want answers";
    object.only(&[
        ("n", "1", one),
        ("n_cmpl", "1", one),
        ("best_of", "1", one),
        ("use_beam_search", "false", one),
        ("store", "false", "answers are not kept here; leave it out or say false"),
        ("modalities", "[\"text\"]", "only text is written here; leave it out"),
    ])?;
    let place = "where a call runs is not the caller's to say; leave it out";
    object.refuse(&[
        ("functions", "use `tools`, which took its place"),
        ("function_call", "use `tool_choice`, which took its place"),
        ("audio", "only text is written here; leave it out"),
        ("web_search_options", "the web is not searched here; offer a tool of your own in `tools`"),
        ("n_predict", "use max_completion_tokens"),
        ("priority", "use service_tier"),
        ("models", "name one model in `model`"),
        ("lora", "name the model in `model`"),
        ("id_slot", place),
        ("kv_transfer_params", place),
        ("api_key", place),
        ("api_base", place),
        ("base_url", place),
        ("extra_body", "put its members into the body itself"),
    ])
}

/// What only a server that the body is relayed to may know how to do.
fn noted(object: &mut Object<'_, '_>, beyond: &mut Option<Fault>) {
    let logprobs = "the likelihoods of tokens are not given here; leave it out";
    let members = [
        ("min_p", Some("0"), "sampling by least probability is not supported; leave it out"),
        ("repetition_penalty", Some("1"), "use frequency_penalty and presence_penalty"),
        ("logprobs", Some("false"), logprobs),
        ("top_logprobs", Some("0"), logprobs),
        ("logit_bias", Some("{}"), "the likelihoods of single tokens cannot be changed here; leave it out"),
        ("verbosity", Some("\"medium\""), "ask for short or long answers in the system message"),
        ("prediction", None, "predicted outputs are not supported; leave it out"),
        ("moderation", None, "use the guardrails of this server; leave it out"),
    ];
    object.note(&members, beyond);
}
