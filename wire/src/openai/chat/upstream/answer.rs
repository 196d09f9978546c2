use canon::{Answer, Content, Fault, Finish, Json, ReasoningText, StopReason, ToolUse, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::garbled;
use crate::openai::usage::ChatUsage;

/// What a server answered, in one piece. Members that are not named here say nothing that canon could carry.
#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(default)]
    usage: Option<ChatUsage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Said<'a>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default, borrow)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default, alias = "reasoning")]
    reasoning_content: Option<String>,
    #[serde(default, borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    name: String,
    #[serde(default, borrow)]
    arguments: Option<&'a RawValue>,
}

/// A whole answer, and whether the server said what it used.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer. Where the server did not say what it used, its usage is zero.
    pub answer: Answer,
    /// The server said what it used.
    pub counted: bool,
}

/// Reads a whole answer.
///
/// # Errors
/// [`canon::Kind::Upstream`] where it is not one.
pub fn decode_answer(body: &[u8]) -> Result<Answered, Fault> {
    let completion: Completion<'_> = serde_json::from_slice(body).map_err(|error| garbled(&error))?;
    let choice = completion.choices.into_iter().next().ok_or_else(|| garbled(&"it has no choices"))?;
    let calls = choice.message.tool_calls.unwrap_or_default();
    let (reason, stop_sequence) =
        stop(choice.finish_reason.as_deref(), choice.stop_reason, !calls.is_empty());
    let mut content = Vec::new();
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    content.extend(
        some(choice.message.reasoning_content)
            .map(|text| Content::Reasoning(ReasoningText { text, signature: None })),
    );
    content.extend(some(choice.message.content).map(Content::Text));
    content.extend(some(choice.message.refusal).map(Content::Text));
    for (index, call) in calls.into_iter().enumerate() {
        content.push(Content::ToolUse(ToolUse {
            id: call_id(call.id, index),
            name: call.function.name,
            input: arguments(call.function.arguments)?,
        }));
    }
    let usage = completion.usage.as_ref().map(ChatUsage::canon);
    let finish = Finish { stop_sequence, ..Finish::new(reason, usage.unwrap_or(Usage::plain(0, 0))) };
    Ok(Answered { answer: Answer { content, vectors: Vec::new(), finish }, counted: usage.is_some() })
}

/// A call's name, made up where the server gave none.
pub(super) fn call_id(id: Option<String>, index: usize) -> String {
    id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{index}"))
}

/// JSON within a string; some servers leave the string out, and some what is in it.
fn arguments(raw: Option<&RawValue>) -> Result<Json, Fault> {
    let text = match raw.map(RawValue::get) {
        None | Some("null") => String::new(),
        Some(text) if text.starts_with('"') => serde_json::from_str(text).map_err(|error| garbled(&error))?,
        Some(text) => text.to_owned(),
    };
    Ok(Json::from_text(if text.trim().is_empty() { "{}".to_owned() } else { text }))
}

/// Why it ended. vLLM says in `stop_reason` which stop sequence it met (or the number of a token).
pub(super) fn stop(
    finish_reason: Option<&str>,
    stop_reason: Option<&RawValue>,
    called: bool,
) -> (StopReason, Option<String>) {
    let sequence = stop_reason.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let reason = match finish_reason {
        Some("length") => StopReason::MaxTokens,
        Some("content_filter") => StopReason::ContentFiltered,
        Some("tool_calls" | "function_call") => StopReason::ToolUse,
        // Where one tool was forced, `stop` is what some servers say.
        _ if called => StopReason::ToolUse,
        _ if sequence.is_some() => StopReason::StopSequence,
        _ => StopReason::EndTurn,
    };
    (reason, sequence.filter(|_| reason == StopReason::StopSequence))
}
