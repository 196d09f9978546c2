use canon::{Content, Fault, Json, Message, ReasoningText, Role, ToolOutcome, ToolUse};
use serde_json::value::RawValue;

use super::content::{parts, texts};
use crate::object::{Node, Object};

const LEGACY: &str = "use `tool_calls` and messages with role `tool`, which took its place";

/// The instructions that lead, and the conversation. Results of tools that follow one another are one turn.
pub(super) fn messages(
    node: &Node<'_, '_>,
    beyond: &mut Option<Fault>,
) -> Result<(Vec<Content>, Vec<Message>), Fault> {
    let mut system = Vec::new();
    let mut messages: Vec<Message> = Vec::new();
    let mut after_result = false;
    node.each(|item| {
        let mut object = item.object()?;
        let role = object.need("role", Node::string)?;
        let result = role == "tool";
        let (role, content) = match role.as_str() {
            "system" | "developer" => (Role::System, object.need("content", |node| texts(&node))?),
            "user" => (Role::User, object.need("content", |node| parts(&node))?),
            "assistant" => (Role::Assistant, assistant(&mut object, beyond)?),
            "tool" => (Role::User, vec![tool_result(&mut object)?]),
            "function" => return Err(item.unsupported(LEGACY)),
            _ => {
                return Err(
                    item.malformed("role: expected `system`, `developer`, `user`, `assistant` or `tool`")
                );
            }
        };
        object
            .note(&[("name", None, "speakers are not told apart here; put the name into the text")], beyond);
        object.rest(beyond)?;
        if content.is_empty() {
            return Err(item.malformed("content: must not be empty"));
        }
        let joined = result && std::mem::replace(&mut after_result, result);
        match messages.last_mut() {
            None if role == Role::System => system.extend(content),
            Some(last) if joined => last.content.extend(content),
            _ => messages.push(Message { role, content }),
        }
        after_result = result;
        Ok(())
    })?;
    if system.is_empty() && messages.is_empty() {
        return Err(node.malformed("at least one message is required"));
    }
    Ok((system, messages))
}

fn assistant(object: &mut Object<'_, '_>, beyond: &mut Option<Fault>) -> Result<Vec<Content>, Fault> {
    object.refuse(&[("function_call", LEGACY)])?;
    let noted = [
        ("audio", None, "sounds that a model made are not kept here; send their text"),
        ("annotations", Some("[]"), "citations of earlier answers cannot be carried; leave it out"),
    ];
    object.note(&noted, beyond);
    let mut content = Vec::new();
    for name in ["reasoning_content", "reasoning"] {
        if let Some(text) = object.maybe(name, Node::string)?.filter(|text| !text.is_empty()) {
            content.push(Content::Reasoning(ReasoningText { text, signature: None }));
        }
    }
    let said = object.maybe("content", |node| texts(&node))?.unwrap_or_default();
    let calls = object.maybe("tool_calls", |node| node.each(|item| tool_call(&item)))?.unwrap_or_default();
    // Beside calls, an empty string is what clients send for nothing.
    content.extend(said.into_iter().filter(|said| calls.is_empty() || *said != Content::Text(String::new())));
    content.extend(object.maybe("refusal", Node::string)?.map(Content::Text));
    content.extend(calls);
    Ok(content)
}

fn tool_call(node: &Node<'_, '_>) -> Result<Content, Fault> {
    let mut object = node.object()?;
    object.only(&[("type", "\"function\"", "only tools of type `function` are supported")])?;
    object.maybe("index", Node::u64)?;
    let id = object.need("id", Node::string)?;
    let (name, input) = object.need("function", |node| {
        let mut function = node.object()?;
        let both = (function.need("name", Node::string)?, function.need("arguments", arguments)?);
        function.end()?;
        Ok(both)
    })?;
    object.end()?;
    Ok(Content::ToolUse(ToolUse { id, name, input }))
}

/// JSON within a string; nothing at all where a tool has no parameters.
pub(in crate::openai) fn arguments(node: Node<'_, '_>) -> Result<Json, Fault> {
    let text = node.string()?;
    if text.trim().is_empty() {
        return Ok(Json::from_text("{}"));
    }
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(_) => Ok(Json::from_text(text)),
        Err(error) => Err(node.malformed(format_args!("the string is not JSON: {error}"))),
    }
}

fn tool_result(object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    Ok(Content::ToolResult {
        id: object.need("tool_call_id", Node::string)?,
        content: object.need("content", |node| texts(&node))?,
        outcome: ToolOutcome::Success,
    })
}
