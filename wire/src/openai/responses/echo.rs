use serde::Serialize;
use serde_json::value::RawValue;

use crate::object::Object;

/// What a response repeats of its request, as it was written.
#[derive(Serialize)]
pub(super) struct Echo {
    instructions: Option<Box<RawValue>>,
    max_output_tokens: Option<Box<RawValue>>,
    metadata: Box<RawValue>,
    parallel_tool_calls: Box<RawValue>,
    previous_response_id: (),
    reasoning: Box<RawValue>,
    service_tier: Box<RawValue>,
    store: bool,
    temperature: Option<Box<RawValue>>,
    text: Box<RawValue>,
    tool_choice: Box<RawValue>,
    tools: Box<RawValue>,
    top_p: Option<Box<RawValue>>,
    truncation: &'static str,
    user: Option<Box<RawValue>>,
}

impl Echo {
    /// Takes nothing out of the request. Where it says nothing, the documented defaults stand.
    pub(super) fn of(object: &Object<'_, '_>) -> Self {
        let given = |name| object.peek(name).map(ToOwned::to_owned);
        let or = |name, default: &str| {
            given(name).unwrap_or_else(|| {
                // The defaults below are JSON.
                RawValue::from_string(default.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
            })
        };
        Self {
            instructions: given("instructions"),
            max_output_tokens: given("max_output_tokens"),
            metadata: or("metadata", "{}"),
            parallel_tool_calls: or("parallel_tool_calls", "true"),
            previous_response_id: (),
            reasoning: or("reasoning", r#"{"effort":null,"summary":null}"#),
            service_tier: or("service_tier", r#""default""#),
            store: false,
            temperature: given("temperature"),
            text: or("text", r#"{"format":{"type":"text"}}"#),
            tool_choice: or("tool_choice", r#""auto""#),
            tools: or("tools", "[]"),
            top_p: given("top_p"),
            truncation: "disabled",
            user: given("user"),
        }
    }
}
