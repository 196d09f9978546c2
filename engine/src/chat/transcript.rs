//! A request's conversation in the words of chat templates.

use canon::{Content, Fault, Json, Message, OutputFormat, Request, Role, Tool, ToolOutcome, ToolUse};
use serde_json::{Map, Value, json};

use crate::grammar::{CALL_CLOSE, CALL_INPUT, CALL_NAME, CALL_OPEN};
use crate::template::spaced;
use crate::tokenizer::{Seal, Tokenizer};

const RESULT_OPEN: &str = "<tool_response>";
const RESULT_CLOSE: &str = "</tool_response>";

/// Writes a conversation. Every text of the caller's passes through [`Scribe::seal`].
pub(super) struct Scribe<'t> {
    pub(super) tokenizer: &'t Tokenizer,
    pub(super) seal: Seal,
    /// The template describes tools, calls and results in its own words.
    pub(super) native: bool,
}

impl Scribe<'_> {
    /// The system's instructions, with what the request asks of the answer; `None` where there are none.
    pub(super) fn system(&self, request: &Request, tools: &[Tool]) -> Result<Option<Value>, Fault> {
        let mut parts = Vec::new();
        for (at, content) in request.system.iter().enumerate() {
            parts.extend(self.words(content, &format!("system[{at}]"))?);
        }
        if !self.native && !tools.is_empty() {
            parts.push(self.offer(tools)?);
        }
        if let OutputFormat::JsonSchema { name, description, schema } = &request.output {
            let of = |part: &Option<String>| {
                part.as_deref().map(|part| self.seal(part) + "\n").unwrap_or_default()
            };
            let (name, description) = (of(name), of(description));
            let schema = self.seal(schema.text());
            parts.push(format!("Answer in JSON that satisfies this JSON Schema, and in nothing else:\n{name}{description}{schema}"));
        } else if request.output == OutputFormat::JsonObject {
            parts.push("Answer with a JSON object, and with nothing else.".to_owned());
        }
        Ok((!parts.is_empty()).then(|| turn("system", parts.join("\n\n"))))
    }

    /// One message as turns: a tool's results are turns of their own where the template knows them.
    pub(super) fn turns(&self, message: &Message, path: &str) -> Result<Vec<Value>, Fault> {
        match message.role {
            Role::Assistant => self.assistant(message, path),
            Role::System => Ok(vec![turn("system", self.text(message, path)?)]),
            Role::User if self.native => self.results(message, path),
            Role::User => Ok(vec![turn("user", self.text(message, path)?)]),
        }
    }

    /// A message's text, with calls and results spelt out.
    pub(super) fn text(&self, message: &Message, path: &str) -> Result<String, Fault> {
        let mut parts = Vec::new();
        for (at, content) in message.content.iter().enumerate() {
            let path = format!("{path}.content[{at}]");
            match content {
                Content::ToolUse(call) => parts.push(self.call(call)),
                Content::ToolResult { content, outcome, .. } => {
                    let result = self.result(content, *outcome, &path)?;
                    parts.push(format!("{RESULT_OPEN}\n{result}\n{RESULT_CLOSE}"));
                }
                other => parts.extend(self.words(other, &path)?),
            }
        }
        Ok(parts.join("\n"))
    }

    /// The tools as the template takes them.
    pub(super) fn tools(&self, tools: &[Tool]) -> Result<Vec<Value>, Fault> {
        tools.iter().enumerate().map(|(at, tool)| self.tool(tool, &format!("tools[{at}].schema"))).collect()
    }

    fn assistant(&self, message: &Message, path: &str) -> Result<Vec<Value>, Fault> {
        if !self.native {
            return Ok(vec![turn("assistant", self.text(message, path)?)]);
        }
        let is_call = |content: &&Content| matches!(content, Content::ToolUse(_));
        let (calls, said): (Vec<&Content>, Vec<&Content>) = message.content.iter().partition(is_call);
        let said = Message { role: message.role, content: said.into_iter().cloned().collect() };
        let mut spoken = turn("assistant", self.text(&said, path)?);
        let mut list = Vec::with_capacity(calls.len());
        for (at, call) in calls.into_iter().enumerate() {
            if let Content::ToolUse(call) = call {
                let arguments = self.value(&call.input, &format!("{path}.calls[{at}]"))?;
                let function = json!({ "name": self.seal(&call.name), "arguments": arguments });
                list.push(json!({ "id": self.seal(&call.id), "type": "function", "function": function }));
            }
        }
        if let (Value::Object(members), false) = (&mut spoken, list.is_empty()) {
            members.insert("tool_calls".to_owned(), Value::Array(list));
        }
        Ok(vec![spoken])
    }

    /// A user's message, in which each result is a turn of the tool.
    fn results(&self, message: &Message, path: &str) -> Result<Vec<Value>, Fault> {
        let mut turns = Vec::new();
        let mut said = Vec::new();
        let mut had_result = false;
        for (at, content) in message.content.iter().enumerate() {
            let path = format!("{path}.content[{at}]");
            if let Content::ToolResult { id, content, outcome } = content {
                if !said.is_empty() {
                    turns.push(turn("user", std::mem::take(&mut said).join("\n")));
                }
                let result = self.result(content, *outcome, &path)?;
                turns.push(json!({ "role": "tool", "tool_call_id": self.seal(id), "content": result }));
                had_result = true;
            } else {
                said.extend(self.words(content, &path)?);
            }
        }
        if !said.is_empty() || !had_result {
            turns.push(turn("user", said.join("\n")));
        }
        Ok(turns)
    }

    /// What a block says; `None` for one that says nothing.
    fn words(&self, content: &Content, path: &str) -> Result<Option<String>, Fault> {
        let what = match content {
            Content::Text(text) | Content::Cited { text, .. } => return Ok(Some(self.seal(text))),
            Content::Json(json) => return Ok(Some(self.seal(json.text()))),
            Content::CachePoint { .. } => return Ok(None),
            Content::Media(_) => "pictures, sounds and films",
            Content::Document(_) => "documents",
            Content::Reasoning(_) | Content::RedactedReasoning(_) => "reasoning of earlier turns",
            Content::ToolUse(_) | Content::ToolResult { .. } => "a tool's call or result here",
        };
        Err(Fault::unsupported(path, format!("this model does not take {what}; leave it out")))
    }

    fn result(&self, content: &[Content], outcome: ToolOutcome, path: &str) -> Result<String, Fault> {
        let mut parts = Vec::new();
        for (at, content) in content.iter().enumerate() {
            parts.extend(self.words(content, &format!("{path}.content[{at}]"))?);
        }
        let said = parts.join("\n");
        Ok(match outcome {
            ToolOutcome::Success => said,
            ToolOutcome::Error => format!("Error: {said}"),
        })
    }

    /// A call as the model writes it.
    fn call(&self, call: &ToolUse) -> String {
        let (name, input) = (self.seal(&call.name), self.seal(call.input.text()));
        format!("{CALL_OPEN}\n{CALL_NAME}{name}{CALL_INPUT}{input}}}\n{CALL_CLOSE}")
    }

    /// How tools are described to a model whose template does not: in the words of the Hermes models, which many
    /// others were trained with.
    fn offer(&self, tools: &[Tool]) -> Result<String, Fault> {
        let list: Vec<String> = self.tools(tools)?.iter().map(spaced).collect();
        Ok(format!(
            "You may call one or more functions to assist with the user query.\n\n\
             You are provided with function signatures within <tools></tools> XML tags:\n\
             <tools>\n{}\n</tools>\n\n\
             For each function call, return a json object with function name and arguments within \
             {CALL_OPEN}{CALL_CLOSE} XML tags:\n\
             {CALL_OPEN}\n{CALL_NAME}<function-name>{CALL_INPUT}<args-json-object>}}\n{CALL_CLOSE}",
            list.join("\n")
        ))
    }

    fn tool(&self, tool: &Tool, path: &str) -> Result<Value, Fault> {
        let mut function = Map::new();
        function.insert("name".to_owned(), Value::from(self.seal(&tool.name)));
        if let Some(description) = &tool.description {
            function.insert("description".to_owned(), Value::from(self.seal(description)));
        }
        function.insert("parameters".to_owned(), self.value(&tool.schema, path)?);
        Ok(json!({ "type": "function", "function": function }))
    }

    /// A caller's JSON, with every text in it sealed.
    fn value(&self, json: &Json, path: &str) -> Result<Value, Fault> {
        let value = serde_json::from_str(json.text())
            .map_err(|cause| Fault::malformed(path, format!("is no JSON: {cause}")))?;
        Ok(self.sealed(value))
    }

    fn sealed(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.seal(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.sealed(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (self.seal(&name), self.sealed(value))).collect()
            }
            other => other,
        }
    }

    fn seal(&self, text: &str) -> String {
        self.tokenizer.close(self.seal, text).into_owned()
    }
}

fn turn(role: &str, content: impl Into<Value>) -> Value {
    let content: Value = content.into();
    json!({ "role": role, "content": content })
}

/// Every text of a request that comes into its prompt.
pub(super) fn texts(request: &Request) -> Vec<&str> {
    let mut all = Vec::new();
    let said = request.messages.iter().flat_map(|message| &message.content);
    for content in request.system.iter().chain(said) {
        gather(content, &mut all);
    }
    for tool in &request.tools.list {
        all.extend([&*tool.name, tool.schema.text()]);
        all.extend(tool.description.as_deref());
    }
    if let OutputFormat::JsonSchema { name, description, schema } = &request.output {
        all.push(schema.text());
        all.extend(name.as_deref().into_iter().chain(description.as_deref()));
    }
    all
}

fn gather<'r>(content: &'r Content, all: &mut Vec<&'r str>) {
    match content {
        Content::Text(text) | Content::Cited { text, .. } => all.push(text),
        Content::Json(json) => all.push(json.text()),
        Content::ToolUse(call) => all.extend([&*call.id, &*call.name, call.input.text()]),
        Content::ToolResult { id, content, .. } => {
            all.push(id);
            for inner in content {
                gather(inner, all);
            }
        }
        Content::Media(_)
        | Content::Document(_)
        | Content::Reasoning(_)
        | Content::RedactedReasoning(_)
        | Content::CachePoint { .. } => {}
    }
}
