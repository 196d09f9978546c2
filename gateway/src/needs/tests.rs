use canon::{
    Call, Capabilities, Content, Fault, Format, Json, Kind, OutputFormat, Tool, ToolOutcome, Verbatim,
};

use super::check;
use crate::testing::hello;

fn refused(change: impl FnOnce(&mut canon::Request), can: &Capabilities) -> Option<String> {
    let mut request = hello();
    change(&mut request);
    match check(&Call::from(request), can).err()?.kind() {
        Kind::Unsupported { field } => Some(field.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_instruction_that_a_backend_cannot_follow_is_named() {
    let none = Capabilities::default();
    let tool = || Tool { name: "t".into(), description: None, schema: Json::from_text("{}"), strict: false };
    assert_eq!(refused(|_| {}, &none), None);
    assert_eq!(refused(|r| r.tools.list.push(tool()), &none).unwrap(), "tools");
    assert_eq!(refused(|r| r.output = OutputFormat::JsonObject, &none).unwrap(), "response format");
    let objects = Capabilities { json_objects: true, ..none.clone() };
    assert_eq!(refused(|r| r.output = OutputFormat::JsonObject, &objects), None);
    assert_eq!(refused(|r| r.sampling.top_k = Some(4), &none).unwrap(), "top_k");
    assert_eq!(refused(|r| r.sampling.seed = Some(4), &none).unwrap(), "seed");
    let penalty = refused(|r| r.sampling.presence_penalty = Some(0.5), &none).unwrap();
    assert_eq!(penalty, "presence_penalty, frequency_penalty");
}

#[test]
fn what_canon_cannot_carry_needs_a_backend_that_relays_its_format() {
    let asked = |format: Option<Format>| {
        move |r: &mut canon::Request| {
            r.verbatim = format.map(|format| Verbatim { format, body: bytes::Bytes::new() });
            r.beyond = Some(Fault::unsupported("min_p", "leave it out"));
        }
    };
    let relay = Capabilities { relays: Some(Format::OpenaiChat), ..Capabilities::default() };
    assert_eq!(refused(asked(Some(Format::OpenaiChat)), &relay), None);
    assert_eq!(refused(asked(Some(Format::Anthropic)), &relay).unwrap(), "min_p");
    assert_eq!(refused(asked(None), &relay).unwrap(), "min_p");
    // The embedded engine is such a one.
    assert_eq!(refused(asked(Some(Format::OpenaiChat)), &Capabilities::default()).unwrap(), "min_p");
    assert_eq!(refused(asked(None), &Capabilities::default()).unwrap(), "min_p");
}

#[test]
fn content_inside_a_tool_result_is_looked_at_too() {
    let can = Capabilities { tools: true, ..Capabilities::default() };
    let inner = Content::RedactedReasoning(bytes::Bytes::new());
    let result = Content::ToolResult { id: "a".into(), content: vec![inner], outcome: ToolOutcome::Success };
    let field = refused(|r| r.messages[0].content.push(result), &can).unwrap();
    assert_eq!(field, "messages[0].content[1].toolResult.content[0].reasoningContent");
}

#[test]
fn hints_are_never_refused() {
    let hint = |r: &mut canon::Request| {
        r.hints.thinking_budget = Some(1_000);
        r.hints.optimized_latency = true;
        r.system.push(Content::CachePoint { long: true });
    };
    assert_eq!(refused(hint, &Capabilities::default()), None);
}
