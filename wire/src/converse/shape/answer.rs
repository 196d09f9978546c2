use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::content::{CacheTtl, ContentBlock};
use super::request::{PerformanceConfig, Role, ServiceTier};
use super::scalar::Text;

/// The answer of Converse. Read leniently: real answers carry members that the service model does not list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::converse) struct ConverseResponse<'a> {
    pub(in crate::converse) output: Output<'a>,
    pub(in crate::converse) stop_reason: StopReason,
    pub(in crate::converse) usage: Usage,
    pub(in crate::converse) metrics: Metrics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) additional_model_response_fields: Option<ExtraFields<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) performance_config: Option<PerformanceConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) service_tier: Option<ServiceTier>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::converse) struct Output<'a> {
    pub(in crate::converse) message: OutputMessage<'a>,
}

/// Unlike a request's message, an answer's may be empty.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::converse) struct OutputMessage<'a> {
    pub(in crate::converse) role: Role,
    pub(in crate::converse) content: Vec<ContentBlock<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::converse) enum StopReason {
    EndTurn,
    ToolUse,
    MaxTokens,
    StopSequence,
    GuardrailIntervened,
    ContentFiltered,
    MalformedModelOutput,
    MalformedToolUse,
    ModelContextWindowExceeded,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::converse) struct Usage {
    pub(in crate::converse) input_tokens: u64,
    pub(in crate::converse) output_tokens: u64,
    pub(in crate::converse) total_tokens: u64,
    #[serde(default)]
    pub(in crate::converse) cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    pub(in crate::converse) cache_write_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) cache_details: Option<Vec<CacheDetail>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::converse) struct CacheDetail {
    pub(in crate::converse) ttl: CacheTtl,
    pub(in crate::converse) input_tokens: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::converse) struct Metrics {
    pub(in crate::converse) latency_ms: u64,
}

/// What of a model's own answer `additionalModelResponseFieldPaths` can ask for.
#[derive(Debug, Serialize)]
pub(in crate::converse) struct ExtraFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::converse) stop_sequence: Option<Text<'a>>,
}

/// Whatever document the model's own answer holds there; only what is asked for here is looked at.
impl<'de: 'a, 'a> Deserialize<'de> for ExtraFields<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        struct Members<'a> {
            stop_sequence: Option<Text<'a>>,
        }
        let raw = <&'de RawValue>::deserialize(reader)?;
        let stop_sequence =
            serde_json::from_str(raw.get()).ok().and_then(|members: Members<'_>| members.stop_sequence);
        Ok(Self { stop_sequence })
    }
}
