use bytes::Bytes;
use canon::{
    Effort, Fault, Format, Hints, Json, Message, ModelId, OutputFormat, Request, Role, Sampling, Tier,
    Verbatim,
};

use super::content::{blocks, cache_point, texts};
use super::stream::Messages;
use super::tools::tools;
use crate::object::{Node, Object, read};

/// What a request says that [`Request`] does not keep.
#[derive(Default)]
struct Manner {
    stream: bool,
    omit_thinking: bool,
}

/// The body of the Messages API.
pub(super) fn native(body: &Bytes) -> Result<(Request, Messages), Fault> {
    let root = read(body)?;
    let mut object = root.object()?;
    let model = ModelId::new(object.need("model", Node::string)?);
    let (mut request, manner) = call(object, model)?;
    request.stream = manner.stream;
    request.verbatim = Some(Verbatim { format: Format::Anthropic, body: body.clone() });
    Ok(answered(request, &manner))
}

/// The body that `InvokeModel` carries; some clients leave `stream` in it. There is nothing to relay, because the
/// answer is framed otherwise.
pub(super) fn invoked(model: ModelId, stream: bool, body: &Bytes) -> Result<(Request, Messages), Fault> {
    let root = read(body)?;
    let (mut request, manner) = call(root.object()?, model)?;
    request.stream = stream;
    Ok(answered(request, &manner))
}

/// Reads a request to count tokens: a Messages request that need not say how long the answer may be.
///
/// # Errors
/// As for [`super::decode`].
pub fn count(body: &[u8]) -> Result<Request, Fault> {
    let root = read(body)?;
    let mut object = root.object()?;
    let model = ModelId::new(object.need("model", Node::string)?);
    Ok(members(object, model)?.0)
}

fn answered(request: Request, manner: &Manner) -> (Request, Messages) {
    let answer = Messages::new(manner.omit_thinking, request.hints.tier);
    (request, answer)
}

fn call(object: Object<'_, '_>, model: ModelId) -> Result<(Request, Manner), Fault> {
    let (request, manner) = members(object, model)?;
    match request.sampling.max_tokens {
        Some(_) => Ok((request, manner)),
        None => Err(Fault::malformed("max_tokens", "this member is required")),
    }
}

fn members(mut object: Object<'_, '_>, model: ModelId) -> Result<(Request, Manner), Fault> {
    let mut hints = Hints::default();
    let system = object.maybe("system", |node| texts(&node))?.unwrap_or_default();
    let mut messages = object.need("messages", |node| node.each(|item| message(&item)))?;
    let Some(last) = messages.last_mut() else {
        return Err(Fault::malformed("messages", "at least one message is required"));
    };
    // On the whole request, a cache point means: after its last block.
    last.content.extend(object.maybe("cache_control", |node| cache_point(&node))?);
    let (tools, cached) = tools(&mut object)?;
    hints.cache_tools = cached;
    let sampling = sampling(&mut object)?;
    let mut manner =
        Manner { stream: object.maybe("stream", Node::bool)?.unwrap_or_default(), ..Manner::default() };
    if let Some(node) = object.take("thinking") {
        (hints.thinking_budget, manner.omit_thinking) = thinking(&node)?;
    }
    let output = output(&mut object, &mut hints)?;
    outer_hints(&mut object, &mut hints)?;
    refused(&mut object)?;
    object.end()?;
    let request = Request { system, messages, sampling, tools, output, hints, ..Request::new(model) };
    Ok((request, manner))
}

fn message(node: &Node<'_, '_>) -> Result<Message, Fault> {
    let mut object = node.object()?;
    let role = object.need("role", |node| match node.string()?.as_str() {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(node.malformed("expected `user`, `assistant` or `system`")),
    })?;
    let content = object.need("content", |node| {
        let content = if role == Role::System { texts(&node)? } else { blocks(&node)? };
        if content.is_empty() { Err(node.malformed("must not be empty")) } else { Ok(content) }
    })?;
    object.end()?;
    Ok(Message { role, content })
}

fn sampling(object: &mut Object<'_, '_>) -> Result<Sampling, Fault> {
    Ok(Sampling {
        max_tokens: object.maybe("max_tokens", Node::positive)?,
        temperature: object.maybe("temperature", |node| node.within(0.0, 1.0))?,
        top_p: object.maybe("top_p", |node| node.within(0.0, 1.0))?,
        top_k: object.maybe("top_k", Node::u32)?,
        stop: object.maybe("stop_sequences", Node::strings)?.unwrap_or_default(),
        ..Sampling::default()
    })
}

/// The budget, and whether the answer's reasoning is to be left out.
fn thinking(node: &Node<'_, '_>) -> Result<(Option<u64>, bool), Fault> {
    let (kind, mut object) = node.tagged()?;
    let budget = match kind.as_str() {
        "enabled" => Some(object.need("budget_tokens", Node::positive)?),
        "disabled" => Some(0),
        "adaptive" | "between_tools" => None,
        _ => {
            return Err(node.malformed("type: expected `enabled`, `adaptive`, `between_tools` or `disabled`"));
        }
    };
    let omitted = object.maybe("display", |node| match node.string()?.as_str() {
        "summarized" => Ok(false),
        "omitted" => Ok(true),
        _ => Err(node.malformed("expected `summarized` or `omitted`")),
    })?;
    object.end()?;
    Ok((budget, omitted.unwrap_or_default()))
}

fn output(object: &mut Object<'_, '_>, hints: &mut Hints) -> Result<OutputFormat, Fault> {
    // Where the format stood before there was an `output_config`.
    let older = object.maybe("output_format", |node| json_schema(&node))?;
    let Some(node) = object.take("output_config") else {
        return Ok(older.unwrap_or_default());
    };
    let mut config = node.object()?;
    hints.effort = config.maybe("effort", |node| effort(&node))?;
    let format = config.maybe("format", |node| json_schema(&node))?;
    config.end()?;
    Ok(format.or(older).unwrap_or_default())
}

fn json_schema(node: &Node<'_, '_>) -> Result<OutputFormat, Fault> {
    let (kind, mut object) = node.tagged()?;
    if kind != "json_schema" {
        return Err(node.unsupported("the only `type` is `json_schema`"));
    }
    let schema: Json = object.need("schema", Node::json_object)?;
    object.end()?;
    Ok(OutputFormat::JsonSchema { name: None, description: None, schema })
}

fn effort(node: &Node<'_, '_>) -> Result<Effort, Fault> {
    match node.string()?.as_str() {
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        "xhigh" => Ok(Effort::ExtraHigh),
        "max" => Ok(Effort::Max),
        _ => Err(node.malformed("expected `low`, `medium`, `high`, `xhigh` or `max`")),
    }
}

/// Hints that stand at the top of the body.
fn outer_hints(object: &mut Object<'_, '_>, hints: &mut Hints) -> Result<(), Fault> {
    hints.tier = object
        .maybe("service_tier", |node| match node.string()?.as_str() {
            "auto" => Ok(None),
            "standard_only" => Ok(Some(Tier::Default)),
            _ => Err(node.malformed("expected `auto` or `standard_only`")),
        })?
        .flatten();
    let speed = object.maybe("speed", |node| match node.string()?.as_str() {
        "standard" => Ok(false),
        "fast" => Ok(true),
        _ => Err(node.malformed("expected `standard` or `fast`")),
    })?;
    hints.optimized_latency = speed.unwrap_or_default();
    if let Some(node) = object.take("metadata") {
        let mut metadata = node.object()?;
        hints.user = metadata.maybe("user_id", Node::string)?;
        metadata.end()?;
    }
    for name in ["anthropic_beta", "betas"] {
        hints.betas.extend(object.maybe(name, Node::strings)?.unwrap_or_default());
    }
    // Each version's requests are read alike.
    object.maybe("anthropic_version", Node::string)?;
    Ok(())
}

fn refused(object: &mut Object<'_, '_>) -> Result<(), Fault> {
    if let Some(node) = object.take("context_management") {
        context_management(&node)?;
    }
    let servers = "servers of tools are not called from here; call them in your client and offer their tools in `tools`";
    object.only(&[("mcp_servers", "[]", servers)])?;
    object.refuse(&[
        ("container", "code is not run here; leave it out"),
        ("diagnostics", "there are no diagnostics of caches here; leave it out"),
        ("inference_geo", "where a request may go follows from the model's inference profile; leave it out"),
        ("user_profile_id", "there are no user profiles here; leave it out"),
        ("workspace_id", "there are no workspaces here; leave it out"),
    ])
}

/// The one edit that changes nothing is accepted, because Claude Code always asks for it.
fn context_management(node: &Node<'_, '_>) -> Result<(), Fault> {
    let mut object = node.object()?;
    object.maybe("edits", |node| {
        node.each(|edit| {
            let (kind, mut object) = edit.tagged()?;
            if kind != "clear_thinking_20251015" {
                return Err(edit.unsupported("the conversation is not edited here; edit it in your client"));
            }
            object.only(&[(
                "keep",
                "\"all\"",
                "reasoning is not cleared here; leave it out, or keep `all`",
            )])?;
            object.end()
        })
    })?;
    object.end()
}
