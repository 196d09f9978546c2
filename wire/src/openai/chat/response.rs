//! The shapes of an answer, whole or in pieces.

use canon::{Answer, Content, Tier, ToolUse};
use serde::Serialize;

use crate::AnswerHead;
use crate::openai::usage::{ChatUsage, finish_reason, tier};

#[derive(Serialize)]
pub(super) struct Whole<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: ChatUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Said<'a>,
    logprobs: (),
    finish_reason: &'static str,
    /// The stop sequence that was met: a word of vLLM's, where this format has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
}

/// What was said: all of it, or the next piece.
#[derive(Default, Serialize)]
pub(super) struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Text::is_unsaid")]
    pub(super) content: Text<'a>,
    #[serde(skip_serializing_if = "Text::is_unsaid")]
    pub(super) refusal: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<Call<'a>>,
}

/// A member that can be absent, null or a text.
#[derive(Default, Serialize)]
#[serde(untagged)]
pub(super) enum Text<'a> {
    #[default]
    Unsaid,
    Null(()),
    Piece(&'a str),
    All(String),
}

impl Text<'_> {
    fn is_unsaid(&self) -> bool {
        matches!(self, Self::Unsaid)
    }
}

/// A call, or the next piece of one, which has an index and no more than it needs.
#[derive(Serialize)]
pub(super) struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

impl<'a> Whole<'a> {
    pub(super) fn new(head: &'a AnswerHead, answer: &'a Answer, service_tier: Option<Tier>) -> Self {
        Self {
            id: id(head),
            object: "chat.completion",
            created: head.created_s,
            model: head.model.as_str(),
            choices: [Choice {
                index: 0,
                message: Said::all(&answer.content),
                logprobs: (),
                finish_reason: finish_reason(answer.finish.reason),
                stop_reason: answer.finish.stop_sequence.as_deref(),
            }],
            usage: ChatUsage::of(&answer.finish.usage),
            service_tier: service_tier.map(tier),
        }
    }
}

pub(super) fn id(head: &AnswerHead) -> String {
    format!("chatcmpl-{}", head.request_id)
}

impl<'a> Said<'a> {
    /// This format has one text, one reasoning and a list of calls, whatever stood between what.
    fn all(content: &'a [Content]) -> Self {
        let mut said = Self {
            role: Some("assistant"),
            content: Text::Null(()),
            refusal: Text::Null(()),
            ..Self::default()
        };
        let mut text: Option<String> = None;
        for block in content {
            match block {
                Content::Text(more) | Content::Cited { text: more, .. } => {
                    text.get_or_insert_default().push_str(more);
                }
                Content::Json(more) => text.get_or_insert_default().push_str(more.text()),
                Content::Reasoning(more) => {
                    said.reasoning_content.get_or_insert_default().to_mut().push_str(&more.text);
                }
                Content::ToolUse(ToolUse { id, name, input }) => said.tool_calls.push(Call {
                    index: None,
                    id: Some(id),
                    kind: Some("function"),
                    function: Function { name: Some(name), arguments: input.text() },
                }),
                Content::RedactedReasoning(_)
                | Content::Media(_)
                | Content::Document(_)
                | Content::ToolResult { .. }
                | Content::CachePoint { .. } => {}
            }
        }
        if let Some(text) = text {
            said.content = Text::All(text);
        }
        said
    }
}
