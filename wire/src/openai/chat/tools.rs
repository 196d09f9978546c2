use canon::{Fault, Json, Tool, ToolChoice, Tools};

use crate::object::{Node, Object};

/// The schema of a tool that takes nothing.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

pub(super) fn tools(object: &mut Object<'_, '_>) -> Result<Tools, Fault> {
    Ok(Tools {
        list: object.maybe("tools", |node| node.each(|item| tool(&item)))?.unwrap_or_default(),
        choice: object.maybe("tool_choice", |node| choice(&node))?.unwrap_or_default(),
        parallel: object.maybe("parallel_tool_calls", Node::bool)?,
    })
}

fn tool(node: &Node<'_, '_>) -> Result<Tool, Fault> {
    let (kind, mut object) = node.tagged()?;
    if kind != "function" {
        return Err(node.unsupported("only tools of type `function` are supported"));
    }
    let tool = object.need("function", |node| {
        let mut object = node.object()?;
        let tool = function(&mut object)?;
        object.end()?;
        Ok(tool)
    })?;
    object.end()?;
    Ok(tool)
}

/// The members that describe a function, wherever they stand.
pub(in crate::openai) fn function(object: &mut Object<'_, '_>) -> Result<Tool, Fault> {
    Ok(Tool {
        name: object.need("name", Node::string)?,
        description: object.maybe("description", Node::string)?,
        schema: object
            .maybe("parameters", Node::json_object)?
            .unwrap_or_else(|| Json::from_text(NO_PARAMETERS)),
        strict: object.maybe("strict", Node::bool)?.unwrap_or_default(),
    })
}

fn choice(node: &Node<'_, '_>) -> Result<ToolChoice, Fault> {
    if node.is_string() {
        return mode(node);
    }
    let (kind, mut object) = node.tagged()?;
    if kind != "function" {
        return Err(node.unsupported("name one function, or offer only those tools that may be called"));
    }
    let name = object.need("function", |node| {
        let mut object = node.object()?;
        let name = object.need("name", Node::string)?;
        object.end()?;
        Ok(name)
    })?;
    object.end()?;
    Ok(ToolChoice::Named(name))
}

pub(in crate::openai) fn mode(node: &Node<'_, '_>) -> Result<ToolChoice, Fault> {
    match node.string()?.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Any),
        "none" => Ok(ToolChoice::None),
        _ => Err(node.malformed("expected `auto`, `required`, `none` or a function")),
    }
}
