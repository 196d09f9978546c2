//! The shapes of an answer.

use canon::{Content, Fault, Finish, StopReason, ToolUse, Usage};
use serde::Serialize;

use super::echo::Echo;
use crate::AnswerHead;
use crate::fault::openai::Error;
use crate::media::to_base64;

/// The response object, at any stage.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Incomplete>,
    model: &'a str,
    output: &'a [Item],
    usage: Option<ResponseUsage>,
    #[serde(flatten)]
    echo: &'a Echo,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'static str,
    message: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

/// One item of the output.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<Part>,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: String,
        arguments: String,
    },
    Reasoning {
        id: String,
        status: &'static str,
        summary: [(); 0],
        content: Vec<Part>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
}

#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    ReasoningText { text: String },
}

#[derive(Serialize)]
struct ResponseUsage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl ResponseUsage {
    fn of(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.prompt(),
            input_tokens_details: InputDetails {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write(),
            },
            output_tokens: usage.generated(),
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning },
            total_tokens: usage.total(),
        }
    }
}

impl<'a> Response<'a> {
    /// The response before anything is said.
    pub(super) fn begun(head: &'a AnswerHead, echo: &'a Echo) -> Self {
        Self {
            id: format!("resp_{}", hex(head)),
            object: "response",
            created_at: head.created_s,
            status: "in_progress",
            background: false,
            error: None,
            incomplete_details: None,
            model: head.model.as_str(),
            output: &[],
            usage: None,
            echo,
        }
    }

    pub(super) fn ended(head: &'a AnswerHead, echo: &'a Echo, output: &'a [Item], finish: &Finish) -> Self {
        let incomplete = match finish.reason {
            StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse => None,
            StopReason::MaxTokens | StopReason::ContextFull => Some("max_output_tokens"),
            StopReason::Guardrail | StopReason::ContentFiltered | StopReason::Refusal => {
                Some("content_filter")
            }
        };
        Self {
            status: if incomplete.is_some() { "incomplete" } else { "completed" },
            incomplete_details: incomplete.map(|reason| Incomplete { reason }),
            output,
            usage: Some(ResponseUsage::of(&finish.usage)),
            ..Self::begun(head, echo)
        }
    }

    pub(super) fn failed(head: &'a AnswerHead, echo: &'a Echo, output: &'a [Item], fault: &'a Fault) -> Self {
        let error = Failure { code: "server_error", message: Error::of(fault).message };
        Self { status: "failed", error: Some(error), output, ..Self::begun(head, echo) }
    }

    /// The name of the event with which a stream ends in this state.
    pub(super) fn event(&self) -> &'static str {
        match self.status {
            "completed" => "response.completed",
            "incomplete" => "response.incomplete",
            "failed" => "response.failed",
            _ => "response.in_progress",
        }
    }
}

/// The call's name without dashes: ids have none.
pub(super) fn hex(head: &AnswerHead) -> String {
    head.request_id.replace('-', "")
}

impl Item {
    pub(super) fn message(id: String, status: &'static str, content: Vec<Part>) -> Self {
        Self::Message { id, status, role: "assistant", content }
    }

    /// The `index`th item; `None` for what a model does not say.
    pub(super) fn of(content: &Content, hex: &str, index: usize) -> Option<Self> {
        let status = "completed";
        Some(match content {
            Content::Text(text) | Content::Cited { text, .. } => {
                Self::message(format!("msg_{hex}_{index}"), status, vec![Part::text(text.clone())])
            }
            Content::Json(json) => {
                Self::message(format!("msg_{hex}_{index}"), status, vec![Part::text(json.text().to_owned())])
            }
            Content::ToolUse(ToolUse { id, name, input }) => Self::FunctionCall {
                id: format!("fc_{hex}_{index}"),
                status,
                call_id: id.clone(),
                name: name.clone(),
                arguments: input.text().to_owned(),
            },
            Content::Reasoning(reasoning) => Self::Reasoning {
                id: format!("rs_{hex}_{index}"),
                status,
                summary: [],
                content: Some(&reasoning.text)
                    .filter(|text| !text.is_empty())
                    .map(|text| Part::ReasoningText { text: text.clone() })
                    .into_iter()
                    .collect(),
                encrypted_content: reasoning.signature.clone(),
            },
            Content::RedactedReasoning(data) => Self::Reasoning {
                id: format!("rs_{hex}_{index}"),
                status,
                summary: [],
                content: Vec::new(),
                encrypted_content: Some(to_base64(data)),
            },
            Content::Media(_)
            | Content::Document(_)
            | Content::ToolResult { .. }
            | Content::CachePoint { .. } => return None,
        })
    }

    /// The same item as it is announced, before anything is in it.
    pub(super) fn announced(mut self) -> Self {
        match &mut self {
            Self::Message { status, content, .. } | Self::Reasoning { status, content, .. } => {
                *status = "in_progress";
                content.clear();
            }
            Self::FunctionCall { status, .. } => *status = "in_progress",
        }
        self
    }

    /// Its only part, if it has one.
    pub(super) fn part(&self) -> Option<&Part> {
        match self {
            Self::Message { content, .. } | Self::Reasoning { content, .. } => content.first(),
            Self::FunctionCall { .. } => None,
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::FunctionCall { id, .. } | Self::Reasoning { id, .. } => id,
        }
    }
}

impl Part {
    pub(super) fn text(text: String) -> Self {
        Self::OutputText { text, annotations: [], logprobs: [] }
    }
}
