//! The shapes of an answer, whole or in pieces.

use canon::{Answer, Citation, Content, Finish, Span, StopReason, Tier, ToolUse, Usage};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::media::to_base64;
use crate::{AnswerHead, Reply};

/// The answer to a request to count tokens.
#[must_use]
pub fn count(tokens: u64) -> Reply {
    #[derive(Serialize)]
    struct Count {
        input_tokens: u64,
    }
    Reply::json(200, crate::json::encode(&Count { input_tokens: tokens }))
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    usage: WholeUsage,
}

impl<'a> Message<'a> {
    /// The message as it stands before anything is said.
    pub(super) fn begun(head: &'a AnswerHead, prompt: &Usage, tier: Option<Tier>) -> Self {
        let usage = WholeUsage::new(prompt, tier);
        Self {
            id: format!("msg_{}", head.request_id.replace('-', "")),
            kind: "message",
            role: "assistant",
            model: head.model.as_str(),
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage,
        }
    }

    pub(super) fn whole(
        head: &'a AnswerHead,
        answer: &'a Answer,
        tier: Option<Tier>,
        omit_thinking: bool,
    ) -> Self {
        let Finish { reason, stop_sequence, usage, .. } = &answer.finish;
        Self {
            content: answer.content.iter().filter_map(|content| Block::of(content, omit_thinking)).collect(),
            stop_reason: Some(stop_reason(*reason)),
            stop_sequence: stop_sequence.as_deref(),
            usage: WholeUsage::new(usage, tier),
            ..Self::begun(head, &Usage::default(), tier)
        }
    }
}

pub(super) fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ContextFull => "model_context_window_exceeded",
        StopReason::Guardrail | StopReason::ContentFiltered | StopReason::Refusal => "refusal",
    }
}

#[derive(Serialize)]
struct WholeUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    service_tier: &'static str,
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl WholeUsage {
    fn new(usage: &Usage, tier: Option<Tier>) -> Self {
        Self {
            input_tokens: usage.input,
            cache_creation_input_tokens: usage.cache_write(),
            cache_read_input_tokens: usage.cache_read,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: usage.cache_write_5m,
                ephemeral_1h_input_tokens: usage.cache_write_1h,
            },
            output_tokens: usage.generated(),
            output_tokens_details: OutputDetails::of(usage),
            service_tier: if tier == Some(Tier::Priority) { "priority" } else { "standard" },
        }
    }
}

impl OutputDetails {
    fn of(usage: &Usage) -> Option<Self> {
        (usage.reasoning > 0).then_some(Self { thinking_tokens: usage.reasoning })
    }
}

/// The usage at the end of a stream: totals, which replace those of the beginning.
#[derive(Serialize)]
pub(super) struct EndUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

impl EndUsage {
    pub(super) fn new(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input,
            cache_creation_input_tokens: usage.cache_write(),
            cache_read_input_tokens: usage.cache_read,
            output_tokens: usage.generated(),
            output_tokens_details: OutputDetails::of(usage),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Place<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Input<'a>,
    },
}

/// A tool's input: as its model wrote it, or, where that is not JSON, as a string.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    Json(&'a RawValue),
    Text(&'a str),
    Empty {},
}

impl<'a> Input<'a> {
    fn of(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

impl<'a> Block<'a> {
    /// `None` for what a model does not say.
    pub(super) fn of(content: &'a Content, omit_thinking: bool) -> Option<Self> {
        Some(match content {
            Content::Text(text) => Self::Text { text, citations: Vec::new() },
            Content::Cited { text, citations } => {
                Self::Text { text, citations: citations.iter().map(Place::of).collect() }
            }
            Content::Reasoning(reasoning) => Self::Thinking {
                thinking: if omit_thinking { "" } else { &reasoning.text },
                signature: reasoning.signature.as_deref().unwrap_or_default(),
            },
            Content::RedactedReasoning(data) => Self::RedactedThinking { data: to_base64(data) },
            Content::ToolUse(ToolUse { id, name, input }) => {
                Self::ToolUse { id, name, input: Input::of(input.text()) }
            }
            Content::Json(json) => Self::Text { text: json.text(), citations: Vec::new() },
            Content::Media(_)
            | Content::Document(_)
            | Content::ToolResult { .. }
            | Content::CachePoint { .. } => return None,
        })
    }
}

/// Where a statement's support stands.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Place<'a> {
    #[serde(rename = "char_location")]
    Chars {
        #[serde(flatten)]
        of: Quote<'a>,
        start_char_index: u64,
        end_char_index: u64,
    },
    #[serde(rename = "page_location")]
    Pages {
        #[serde(flatten)]
        of: Quote<'a>,
        start_page_number: u64,
        end_page_number: u64,
    },
    #[serde(rename = "content_block_location")]
    Pieces {
        #[serde(flatten)]
        of: Quote<'a>,
        start_block_index: u64,
        end_block_index: u64,
    },
    #[serde(rename = "search_result_location")]
    Found {
        cited_text: String,
        source: &'a str,
        title: Option<&'a str>,
        search_result_index: u64,
        start_block_index: u64,
        end_block_index: u64,
    },
    #[serde(rename = "web_search_result_location")]
    Web { cited_text: String, url: &'a str, title: Option<&'a str>, encrypted_index: &'static str },
}

#[derive(Serialize)]
pub(super) struct Quote<'a> {
    cited_text: String,
    document_index: u64,
    document_title: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn of(citation: &'a Citation) -> Self {
        let cited_text = citation.quoted.concat();
        let title = citation.title.as_deref();
        let quote = |document| Quote {
            cited_text: cited_text.clone(),
            document_index: document,
            document_title: title,
        };
        match (&citation.span, &citation.source) {
            (Some(Span::Chars { document, start, end }), _) => {
                Self::Chars { of: quote(*document), start_char_index: *start, end_char_index: *end }
            }
            (Some(Span::Pages { document, start, end }), _) => {
                Self::Pages { of: quote(*document), start_page_number: *start, end_page_number: *end }
            }
            (Some(Span::Chunks { document, start, end }), Some(source)) => Self::Found {
                cited_text,
                source,
                title,
                search_result_index: *document,
                start_block_index: *start,
                end_block_index: *end,
            },
            (Some(Span::Chunks { document, start, end }), None) => {
                Self::Pieces { of: quote(*document), start_block_index: *start, end_block_index: *end }
            }
            (Some(Span::Web { url, .. }), _) => Self::Web { cited_text, url, title, encrypted_index: "" },
            // A citation without a place is one of the whole first document.
            (None, _) => Self::Chars { of: quote(0), start_char_index: 0, end_char_index: 0 },
        }
    }
}
