use canon::{Fault, Tool, ToolChoice, Tools};

use crate::object::{Node, Object};

/// The tools, how they may be used, and whether they are worth caching.
pub(super) fn tools(object: &mut Object<'_, '_>) -> Result<(Tools, bool), Fault> {
    let mut cached = false;
    let list = object
        .maybe("tools", |node| {
            node.each(|item| {
                let (tool, marked) = tool(&item)?;
                cached |= marked;
                Ok(tool)
            })
        })?
        .unwrap_or_default();
    let mut tools = Tools { list, ..Tools::default() };
    if let Some(node) = object.take("tool_choice") {
        (tools.choice, tools.parallel) = choice(&node)?;
    }
    Ok((tools, cached))
}

fn tool(node: &Node<'_, '_>) -> Result<(Tool, bool), Fault> {
    let mut object = node.object()?;
    let custom =
        "the vendor's own tools are not available here; define a tool of your own, with `input_schema`";
    object.only(&[
        ("type", "\"custom\"", custom),
        ("defer_loading", "false", "tools are not searched for here; leave it out"),
        ("allowed_callers", "[\"direct\"]", "only the model calls tools here; leave it out"),
        ("input_examples", "[]", "examples cannot be carried; put them into the description"),
    ])?;
    let tool = Tool {
        name: object.need("name", Node::string)?,
        description: object.maybe("description", Node::string)?,
        schema: object.need("input_schema", Node::json_object)?,
        strict: object.maybe("strict", Node::bool)?.unwrap_or_default(),
    };
    // Fragments of an input always leave as soon as they are there.
    object.maybe("eager_input_streaming", Node::bool)?;
    let cached = object.maybe("cache_control", |node| super::content::cache_point(&node))?.is_some();
    object.end()?;
    Ok((tool, cached))
}

fn choice(node: &Node<'_, '_>) -> Result<(ToolChoice, Option<bool>), Fault> {
    let (kind, mut object) = node.tagged()?;
    let choice = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "tool" => ToolChoice::Named(object.need("name", Node::string)?),
        "none" => ToolChoice::None,
        _ => return Err(node.malformed("type: expected `auto`, `any`, `tool` or `none`")),
    };
    let parallel = object.maybe("disable_parallel_tool_use", Node::bool)?.map(|disabled| !disabled);
    object.end()?;
    Ok((choice, parallel))
}
