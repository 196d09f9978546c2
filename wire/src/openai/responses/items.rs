use bytes::Bytes;
use canon::{Content, Fault, Message, ReasoningText, Role, ToolOutcome, ToolUse};

use crate::media::from_base64;
use crate::object::{Node, Object};
use crate::openai::chat::{arguments, cache_point, file, picture};

/// The instructions that lead, and the conversation. Neighbouring items of one speaker are one turn, but for two
/// messages, which are two.
pub(super) fn items(node: &Node<'_, '_>) -> Result<(Vec<Content>, Vec<Message>), Fault> {
    if node.is_string() {
        let content = vec![Content::Text(node.string()?)];
        return Ok((Vec::new(), vec![Message { role: Role::User, content }]));
    }
    let mut system = Vec::new();
    let mut messages: Vec<Message> = Vec::new();
    let mut joins = false;
    node.each(|item| {
        let (said, joinable) = self::item(&item)?;
        let Some(Message { role, content }) = said else { return Ok(()) };
        if content.is_empty() {
            return Err(item.malformed("content: must not be empty"));
        }
        match messages.last_mut() {
            None if role == Role::System => system.extend(content),
            Some(last) if last.role == role && joinable && (joins || role == Role::Assistant) => {
                last.content.extend(content);
            }
            _ => messages.push(Message { role, content }),
        }
        joins = joinable;
        Ok(())
    })?;
    if system.is_empty() && messages.is_empty() {
        return Err(node.malformed("at least one item is required"));
    }
    Ok((system, messages))
}

/// What an item says, if anything, and whether it belongs to the turn of the item before.
fn item(node: &Node<'_, '_>) -> Result<(Option<Message>, bool), Fault> {
    let mut object = node.object()?;
    let kind = object.maybe("type", Node::string)?;
    // Names of items that were kept, and how far they had got.
    for name in ["id", "status", "phase"] {
        object.maybe(name, Node::string)?;
    }
    let assistant = |content| Some(Message { role: Role::Assistant, content });
    let said = match kind.as_deref().unwrap_or("message") {
        "message" => {
            let role = object.need("role", role)?;
            (
                Some(Message { role, content: object.need("content", |node| content(&node, role))? }),
                role == Role::Assistant,
            )
        }
        "function_call" => (assistant(vec![function_call(&mut object)?]), true),
        "function_call_output" => {
            (Some(Message { role: Role::User, content: vec![function_call_output(&mut object)?] }), true)
        }
        "reasoning" => {
            let content = reasoning(&mut object)?;
            (assistant(content).filter(|said| !said.content.is_empty()), true)
        }
        "item_reference" => return Err(node.unsupported("items are not kept here; send the item itself")),
        kind => return Err(node.unsupported(format_args!("items of type `{kind}` are not supported here"))),
    };
    object.end()?;
    Ok(said)
}

fn role(node: Node<'_, '_>) -> Result<Role, Fault> {
    match node.string()?.as_str() {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" | "developer" => Ok(Role::System),
        _ => Err(node.malformed("expected `user`, `assistant`, `system` or `developer`")),
    }
}

fn content(node: &Node<'_, '_>, role: Role) -> Result<Vec<Content>, Fault> {
    if node.is_string() {
        return Ok(vec![Content::Text(node.string()?)]);
    }
    let parts = node.each(|item| {
        let (kind, mut object) = item.tagged()?;
        let content = match kind.as_str() {
            "input_text" | "text" => Content::Text(object.need("text", Node::string)?),
            "output_text" => {
                // What an answer said about its own text.
                object.take("annotations");
                object.take("logprobs");
                Content::Text(object.need("text", Node::string)?)
            }
            "refusal" => Content::Text(object.need("refusal", Node::string)?),
            "input_image" if role == Role::User => {
                object.maybe("detail", Node::string)?;
                object
                    .refuse(&[("file_id", "files are not kept here; send the data itself in `image_url`")])?;
                object.need("image_url", |node| picture(&node))?
            }
            "input_file" if role == Role::User => file(&mut object)?,
            kind => {
                return Err(item.unsupported(format_args!("parts of type `{kind}` are not supported here")));
            }
        };
        let point = object.maybe("prompt_cache_breakpoint", |node| cache_point(&node))?;
        object.end()?;
        Ok(std::iter::once(content).chain(point))
    })?;
    Ok(parts.into_iter().flatten().collect())
}

fn direct(object: &mut Object<'_, '_>) -> Result<(), Fault> {
    object.refuse(&[("namespace", "tools have no namespaces here; leave it out")])?;
    object.only(&[("caller", "{\"type\":\"direct\"}", "only the model calls tools here; leave it out")])
}

fn function_call(object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    direct(object)?;
    Ok(Content::ToolUse(ToolUse {
        id: object.need("call_id", Node::string)?,
        name: object.need("name", Node::string)?,
        input: object.need("arguments", arguments)?,
    }))
}

fn function_call_output(object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    direct(object)?;
    object.maybe("name", Node::string)?;
    Ok(Content::ToolResult {
        id: object.need("call_id", Node::string)?,
        content: object.need("output", |node| content(&node, Role::User))?,
        outcome: ToolOutcome::Success,
    })
}

/// Reasoning of an earlier answer. Its sealed form is the signature of what can be read, or all there is.
fn reasoning(object: &mut Object<'_, '_>) -> Result<Vec<Content>, Fault> {
    let texts = |node: Node<'_, '_>| {
        node.each(|item| {
            let (_, mut object) = item.tagged()?;
            let text = object.need("text", Node::string)?;
            object.end()?;
            Ok(text)
        })
    };
    let summary = object.maybe("summary", texts)?.unwrap_or_default().concat();
    let text = object.maybe("content", texts)?.unwrap_or_default().concat();
    let text = if text.is_empty() { summary } else { text };
    let sealed = object.maybe("encrypted_content", Node::string)?.filter(|sealed| !sealed.is_empty());
    Ok(match (text.is_empty(), sealed) {
        (false, signature) => vec![Content::Reasoning(ReasoningText { text, signature })],
        (true, Some(sealed)) => {
            let bytes = from_base64(&sealed).unwrap_or_else(|| Bytes::from(sealed));
            vec![Content::RedactedReasoning(bytes)]
        }
        (true, None) => Vec::new(),
    })
}
