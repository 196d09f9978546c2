use canon::{
    Answer, Citation, Content, Fault, Finish, Json, ReasoningText, Span, StopReason, ToolUse, Usage,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::garbled;
use crate::media::from_base64;

/// A Messages object. Members that are not named here say nothing that canon could carry.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default, borrow)]
    content: Vec<Block<'a>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
    pub(super) usage: Counts,
}

/// A block of any type: which members it has follows from that.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    citations: Option<Vec<Place>>,
    #[serde(default)]
    pub(super) thinking: String,
    #[serde(default)]
    pub(super) signature: Option<String>,
    #[serde(default)]
    pub(super) data: String,
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, borrow)]
    pub(super) input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Place {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    cited_text: String,
    #[serde(default, alias = "document_title")]
    title: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default, alias = "search_result_index")]
    document_index: u64,
    #[serde(default, alias = "start_page_number", alias = "start_block_index")]
    start_char_index: u64,
    #[serde(default, alias = "end_page_number", alias = "end_block_index")]
    end_char_index: u64,
}

/// Usage, or the part of it that an event repeats: what is not there stays as it was.
#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct Counts {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation: Option<CacheCreation>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_5m_input_tokens: u64,
    #[serde(default)]
    ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: u64,
}

impl Counts {
    /// What is known when these come after `self`.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            cache_creation: later.cache_creation.or(self.cache_creation),
            output_tokens: later.output_tokens.or(self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }

    /// In canon's disjoint counters. This format's are disjoint too, but for reasoning, which is part of the output,
    /// and for writes to a cache, whose times to live may be missing.
    pub(super) fn canon(self) -> Usage {
        let generated = self.output_tokens.unwrap_or_default();
        let reasoning =
            self.output_tokens_details.map_or(0, |details| details.thinking_tokens).min(generated);
        let written = self.cache_creation_input_tokens.unwrap_or_default();
        let (cache_write_5m, cache_write_1h) = match self.cache_creation {
            Some(split)
                if split.ephemeral_5m_input_tokens.checked_add(split.ephemeral_1h_input_tokens)
                    == Some(written) =>
            {
                (split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens)
            }
            _ => (written, 0),
        };
        Usage {
            input: self.input_tokens.unwrap_or_default(),
            cache_read: self.cache_read_input_tokens.unwrap_or_default(),
            cache_write_5m,
            cache_write_1h,
            output: generated - reasoning,
            reasoning,
        }
    }
}

/// Reads a whole answer.
///
/// # Errors
/// [`canon::Kind::Upstream`] where it is not one.
pub fn decode_answer(body: &[u8]) -> Result<Answer, Fault> {
    let message: Message<'_> = serde_json::from_slice(body).map_err(|error| garbled(&error))?;
    let reason = message.stop_reason.as_deref().ok_or_else(|| garbled(&"it does not say why it ended"))?;
    let finish = Finish {
        stop_sequence: message.stop_sequence,
        ..Finish::new(stop_reason(reason), message.usage.canon())
    };
    let mut content = Vec::new();
    for block in message.content {
        content.extend(block.content()?);
    }
    Ok(Answer { content, vectors: Vec::new(), finish })
}

impl Block<'_> {
    /// `None` for a block that canon has no word for, which comes only where it was asked for.
    fn content(self) -> Result<Option<Content>, Fault> {
        Ok(Some(match self.kind.as_str() {
            "text" => {
                let citations: Vec<_> = self.citations.into_iter().flatten().map(Place::citation).collect();
                if citations.is_empty() {
                    Content::Text(self.text)
                } else {
                    Content::Cited { text: self.text, citations }
                }
            }
            "thinking" => {
                let signature = self.signature.filter(|signature| !signature.is_empty());
                Content::Reasoning(ReasoningText { text: self.thinking, signature })
            }
            "redacted_thinking" => Content::RedactedReasoning(
                from_base64(&self.data).ok_or_else(|| garbled(&"sealed reasoning is not base64"))?,
            ),
            "tool_use" => {
                let input = Json::from_text(self.input.map_or("{}", RawValue::get));
                Content::ToolUse(ToolUse { id: self.id, name: self.name, input })
            }
            _ => return Ok(None),
        }))
    }
}

impl Place {
    pub(super) fn citation(self) -> Citation {
        let (document, start, end) = (self.document_index, self.start_char_index, self.end_char_index);
        let span = match (self.kind.as_str(), self.url) {
            ("char_location", _) => Some(Span::Chars { document, start, end }),
            ("page_location", _) => Some(Span::Pages { document, start, end }),
            ("content_block_location" | "search_result_location", _) => {
                Some(Span::Chunks { document, start, end })
            }
            (_, Some(url)) => Some(Span::Web { url, domain: None }),
            (_, None) => None,
        };
        Citation { title: self.title, source: self.source, quoted: vec![self.cited_text], span }
    }
}

pub(super) fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "refusal" => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}
