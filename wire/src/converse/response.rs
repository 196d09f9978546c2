use std::time::Duration;

use canon::{Answer, Fault, Finish, StopReason, Usage};

use super::content;
use super::shape::answer as shape;
use super::shape::content::CacheTtl;
use super::shape::request::{Latency, PerformanceConfig, Role, ServiceTier, TierType};
use super::shape::scalar::Text;
use crate::json;

/// What an answer repeats of its request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Echo {
    pub(super) latency: Option<Latency>,
    pub(super) tier: Option<TierType>,
    /// The caller asked to see which stop sequence was met.
    pub(super) stop_sequence: bool,
}

impl Echo {
    pub(super) fn performance_config(self) -> Option<PerformanceConfig> {
        self.latency.map(|latency| PerformanceConfig { latency: Some(latency) })
    }

    pub(super) fn service_tier(self) -> Option<ServiceTier> {
        self.tier.map(|tier| ServiceTier { r#type: tier })
    }

    pub(super) fn extra_fields(self, finish: &Finish) -> Option<shape::ExtraFields<'_>> {
        let met = finish.stop_sequence.as_deref().filter(|_| self.stop_sequence)?;
        Some(shape::ExtraFields { stop_sequence: Some(Text::of(met)) })
    }
}

pub(super) fn encode(answer: &Answer, echo: Echo, latency: Duration) -> Vec<u8> {
    let content = content::blocks(answer);
    json::encode(&shape::ConverseResponse {
        output: shape::Output { message: shape::OutputMessage { role: Role::Assistant, content } },
        stop_reason: to_reason(answer.finish.reason),
        usage: to_usage(&answer.finish.usage),
        metrics: metrics(latency),
        additional_model_response_fields: echo.extra_fields(&answer.finish),
        performance_config: echo.performance_config(),
        service_tier: echo.service_tier(),
    })
}

pub(super) fn decode(body: &[u8]) -> Result<Answer, Fault> {
    let response: shape::ConverseResponse<'_> = json::decode_answer(body)?;
    let stop_sequence = response.additional_model_response_fields.and_then(|fields| fields.stop_sequence);
    let finish = Finish {
        stop_sequence: stop_sequence.map(Text::own),
        ..Finish::new(from_reason(response.stop_reason)?, from_usage(&response.usage))
    };
    Ok(Answer {
        vectors: Vec::new(),
        content: response.output.message.content.into_iter().map(content::from_block).collect(),
        finish,
    })
}

pub(super) fn metrics(latency: Duration) -> shape::Metrics {
    shape::Metrics { latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX) }
}

pub(super) const fn to_reason(reason: StopReason) -> shape::StopReason {
    match reason {
        StopReason::EndTurn => shape::StopReason::EndTurn,
        StopReason::ToolUse => shape::StopReason::ToolUse,
        StopReason::MaxTokens => shape::StopReason::MaxTokens,
        StopReason::StopSequence => shape::StopReason::StopSequence,
        StopReason::ContextFull => shape::StopReason::ModelContextWindowExceeded,
        StopReason::Guardrail => shape::StopReason::GuardrailIntervened,
        // Converse has no word for a model that declines; its provider withholding the answer comes nearest.
        StopReason::ContentFiltered | StopReason::Refusal => shape::StopReason::ContentFiltered,
    }
}

pub(super) fn from_reason(reason: shape::StopReason) -> Result<StopReason, Fault> {
    Ok(match reason {
        shape::StopReason::EndTurn => StopReason::EndTurn,
        shape::StopReason::ToolUse => StopReason::ToolUse,
        shape::StopReason::MaxTokens => StopReason::MaxTokens,
        shape::StopReason::StopSequence => StopReason::StopSequence,
        shape::StopReason::ModelContextWindowExceeded => StopReason::ContextFull,
        shape::StopReason::GuardrailIntervened => StopReason::Guardrail,
        shape::StopReason::ContentFiltered => StopReason::ContentFiltered,
        shape::StopReason::MalformedModelOutput | shape::StopReason::MalformedToolUse => {
            return Err(json::garbled(&format_args!("the answer ended with {reason:?}")));
        }
    })
}

/// Bedrock counts fresh input apart from the cache's, as canon does, and reasoning as output.
pub(super) fn to_usage(usage: &Usage) -> shape::Usage {
    let detail = |ttl, tokens| (tokens > 0).then_some(shape::CacheDetail { ttl, input_tokens: tokens });
    let details =
        [detail(CacheTtl::FiveMinutes, usage.cache_write_5m), detail(CacheTtl::Hour, usage.cache_write_1h)];
    let details = details.into_iter().flatten().collect::<Vec<_>>();
    shape::Usage {
        input_tokens: usage.input,
        output_tokens: usage.generated(),
        total_tokens: usage.total(),
        cache_read_input_tokens: Some(usage.cache_read),
        cache_write_input_tokens: Some(usage.cache_write()),
        cache_details: (!details.is_empty()).then_some(details),
    }
}

pub(super) fn from_usage(usage: &shape::Usage) -> Usage {
    let details = usage.cache_details.as_deref().unwrap_or_default();
    let hour = details.iter().filter(|detail| matches!(detail.ttl, CacheTtl::Hour));
    let cache_write_1h = hour.map(|detail| detail.input_tokens).fold(0, u64::saturating_add);
    let cache_write = usage.cache_write_input_tokens.unwrap_or(0);
    Usage {
        input: usage.input_tokens,
        cache_read: usage.cache_read_input_tokens.unwrap_or(0),
        cache_write_5m: cache_write.saturating_sub(cache_write_1h),
        cache_write_1h: cache_write_1h.min(cache_write),
        output: usage.output_tokens,
        reasoning: 0,
    }
}
