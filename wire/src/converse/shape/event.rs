//! The events of ConverseStream. Payloads are bare: a frame's `:event-type` names the member.

use serde::{Deserialize, Serialize};

use super::answer::{ExtraFields, Metrics, StopReason, Usage};
use super::content::Citation;
use super::request::{PerformanceConfig, Role, ServiceTier};
use super::scalar::{Base64, Refused, Text};

/// An event and the padding that hides its length.
#[derive(Debug, Serialize)]
pub(in crate::converse) struct Padded<'a, E> {
    #[serde(flatten)]
    pub(in crate::converse) event: E,
    pub(in crate::converse) p: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::converse) struct MessageStart {
    pub(in crate::converse) role: Role,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::converse) struct BlockStart<'a> {
    pub(in crate::converse) content_block_index: u32,
    pub(in crate::converse) start: Start<'a>,
}

union! {
    enum Start<'a> {
        "toolUse" => ToolUse(ToolUseStart<'a>),
        "toolResult" => ToolResult(Refused),
        "image" => Image(Refused),
    }
}

shape! {
    struct ToolUseStart<'a> {
        tool_use_id: Text<'a>,
        name: Text<'a>,
        ? r#type: Refused,
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::converse) struct BlockDelta<'a> {
    pub(in crate::converse) content_block_index: u32,
    pub(in crate::converse) delta: Delta<'a>,
}

union! {
    enum Delta<'a> {
        "text" => Text(Text<'a>),
        "toolUse" => ToolUse(ToolUseDelta<'a>),
        "reasoningContent" => Reasoning(ReasoningDelta<'a>),
        "citation" => Citation(Citation<'a>),
        "toolResult" => ToolResult(Refused),
        "image" => Image(Refused),
    }
}

shape! {
    struct ToolUseDelta<'a> {
        input: Text<'a>,
    }
}

union! {
    enum ReasoningDelta<'a> {
        "text" => Text(Text<'a>),
        "signature" => Signature(Text<'a>),
        "redactedContent" => Redacted(Base64),
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::converse) struct BlockStop {
    pub(in crate::converse) content_block_index: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::converse) struct MessageStop<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) additional_model_response_fields: Option<ExtraFields<'a>>,
    pub(in crate::converse) stop_reason: StopReason,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::converse) struct Metadata {
    pub(in crate::converse) metrics: Metrics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) performance_config: Option<PerformanceConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) service_tier: Option<ServiceTier>,
    pub(in crate::converse) usage: Usage,
}

/// What an exception frame says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::converse) struct Exception {
    #[serde(default)]
    pub(in crate::converse) message: Option<String>,
    #[serde(default)]
    pub(in crate::converse) original_status_code: Option<u16>,
}
