//! Grammars of answers, in llguidance's Lark dialect.

use std::fmt::Write;

use serde_json::Value;

/// What opens a call in an answer, and what closes it.
pub(crate) const CALL_OPEN: &str = "<tool_call>";
/// See [`CALL_OPEN`].
pub(crate) const CALL_CLOSE: &str = "</tool_call>";
/// A call is this, the tool's name, [`CALL_INPUT`], the input and a closing brace.
pub(crate) const CALL_NAME: &str = "{\"name\": \"";
/// See [`CALL_NAME`].
pub(crate) const CALL_INPUT: &str = "\", \"arguments\": ";

/// One call, and nothing else. Each tool is its name and the schema of its input.
pub(super) fn call(tools: &[(&str, Value)]) -> String {
    format!("start: call\n{}", calls(tools))
}

/// Text, or calls of tools, or text before calls; with `answer`, a schema, the text is JSON that satisfies it.
pub(super) fn text_or_calls(tools: &[(&str, Value)], answer: Option<&Value>, many: bool) -> String {
    let between = if many { format!("(/\\s{{0,2}}/ {} body)*", quoted(CALL_OPEN)) } else { String::new() };
    let body = format!("body: /\\s{{0,2}}/ call /\\s{{0,2}}/ {}\n{}", quoted(CALL_CLOSE), calls(tools));
    match answer {
        Some(schema) => {
            format!("start: answer | {} body {between}\nanswer: %json {schema}\n{body}", quoted(CALL_OPEN))
        }
        // The lazy lexeme ends with the first opening, and the other cannot hold one, so each text is read one way.
        None => format!(
            "start: TEXT | opened body {between}\nopened[lazy]: /(?s:.*){CALL_OPEN}/\nTEXT: /(?s:.*)/ & ~/(?s:.*){CALL_OPEN}(?s:.*)/\n{body}"
        ),
    }
}

fn calls(tools: &[(&str, Value)]) -> String {
    let names: Vec<String> = (0..tools.len()).map(|at| format!("call_{at}")).collect();
    let mut text = format!("call: {}\n", names.join(" | "));
    for (at, (name, schema)) in tools.iter().enumerate() {
        let head = quoted(&format!("{CALL_NAME}{name}{CALL_INPUT}"));
        // Writing to a text cannot fail.
        let _written = writeln!(text, "call_{at}: {head} input_{at} \"}}\"\ninput_{at}: %json {schema}");
    }
    text
}

/// A Lark string, which is spelt as a JSON string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
