use canon::{StopReason, Tier, Usage};
use serde::{Deserialize, Serialize};

/// Usage as Chat Completions counts it: what a cache supplied is part of the prompt, reasoning part of the completion.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ChatUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl ChatUsage {
    pub(crate) fn of(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt(),
            completion_tokens: usage.generated(),
            total_tokens: usage.total(),
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: Some(usage.cache_read),
                cache_write_tokens: Some(usage.cache_write()),
            }),
            completion_tokens_details: Some(CompletionDetails { reasoning_tokens: Some(usage.reasoning) }),
        }
    }

    /// In canon's disjoint counters. Details that exceed their whole are cut to it.
    pub(crate) fn canon(&self) -> Usage {
        let prompt = self.prompt_tokens_details.unwrap_or_default();
        let cache_read = prompt.cached_tokens.unwrap_or_default().min(self.prompt_tokens);
        let fresh = self.prompt_tokens - cache_read;
        let cache_write_5m = prompt.cache_write_tokens.unwrap_or_default().min(fresh);
        let completion = self.completion_tokens_details.unwrap_or_default();
        let reasoning = completion.reasoning_tokens.unwrap_or_default().min(self.completion_tokens);
        Usage {
            input: fresh - cache_write_5m,
            cache_read,
            cache_write_5m,
            cache_write_1h: 0,
            output: self.completion_tokens - reasoning,
            reasoning,
        }
    }
}

/// `finish_reason`, which knows fewer reasons than canon does.
pub(crate) const fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::StopSequence => "stop",
        StopReason::ToolUse => "tool_calls",
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        StopReason::Guardrail | StopReason::ContentFiltered | StopReason::Refusal => "content_filter",
    }
}

/// `service_tier` as it is echoed.
pub(crate) const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Priority => "priority",
        Tier::Default => "default",
        Tier::Flex => "flex",
        Tier::Reserved => "scale",
    }
}
