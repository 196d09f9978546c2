//! `additionalModelRequestFields`: what callers of Converse pass to a model in that model's own words. The words of
//! Anthropic, Amazon Nova and OpenAI that canon can carry are taken; all others are refused by name.

use canon::{Hints, Request, Sampling};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::request::effort;
use super::shape::request::EffortName;
use super::shape::scalar::{Positive, Text};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", bound(deserialize = "'de: 'a"))]
pub(super) struct Extra<'a> {
    #[serde(default, alias = "topK", skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Penalty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Penalty>,
    #[serde(
        default,
        alias = "stop_sequences",
        alias = "stopSequences",
        skip_serializing_if = "Option::is_none"
    )]
    stop: Option<OneOrMore<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_config: Option<Reasoning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_config: Option<AnthropicOutput>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<EffortName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anthropic_beta: Option<OneOrMore<'a>>,
    #[serde(default, rename = "inferenceConfig", skip_serializing_if = "Option::is_none")]
    inference_config: Option<NovaConfig>,
}

as_object!(Extra<'a>);

/// Nova's `topK` sits where its other sampling parameters do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NovaConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Thinking {
    Enabled { budget_tokens: Positive },
    Adaptive {},
    Disabled {},
}

/// `reasoning_config` is how hard to think for some models and Anthropic's `thinking` for others.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected how hard to think, or what `thinking` takes")]
enum Reasoning {
    Effort(EffortName),
    Thinking(Thinking),
}

/// What Anthropic's models take besides `thinking: {"type": "adaptive"}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnthropicOutput {
    effort: EffortName,
}

/// A number from −2 to 2.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
struct Penalty(f32);

impl<'de> Deserialize<'de> for Penalty {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let number = f32::deserialize(reader)?;
        if (-2.0..=2.0).contains(&number) {
            return Ok(Self(number));
        }
        Err(D::Error::custom("must be between -2 and 2"))
    }
}

/// A string, or a list of strings.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, bound(deserialize = "'de: 'a"), expecting = "expected a string or a list of strings")]
enum OneOrMore<'a> {
    One(Text<'a>),
    More(Vec<Text<'a>>),
}

impl OneOrMore<'_> {
    fn own(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text.own()],
            Self::More(texts) => texts.into_iter().map(Text::own).collect(),
        }
    }
}

impl<'a> Extra<'a> {
    /// Adds what the caller said here to what they said in Converse's own words.
    pub(super) fn apply(self, request: &mut Request) {
        let Sampling { top_k, seed, presence_penalty, frequency_penalty, stop, .. } = &mut request.sampling;
        *top_k = self.top_k.or(self.inference_config.and_then(|config| config.top_k));
        *seed = self.seed;
        *presence_penalty = self.presence_penalty.map(|penalty| penalty.0);
        *frequency_penalty = self.frequency_penalty.map(|penalty| penalty.0);
        stop.extend(self.stop.map(OneOrMore::own).unwrap_or_default());
        request.tools.parallel = self.parallel_tool_calls;
        let Hints { effort: hard, thinking_budget, betas, .. } = &mut request.hints;
        let (harder, thinking) = match self.reasoning_config {
            Some(Reasoning::Effort(name)) => (Some(name), self.thinking),
            Some(Reasoning::Thinking(thinking)) => (None, self.thinking.or(Some(thinking))),
            None => (None, self.thinking),
        };
        let harder = self.reasoning_effort.or(harder).or(self.output_config.map(|config| config.effort));
        *hard = harder.map(effort).or(*hard);
        *thinking_budget = thinking.and_then(|thinking| match thinking {
            Thinking::Enabled { budget_tokens } => Some(budget_tokens.0),
            Thinking::Adaptive {} => None,
            Thinking::Disabled {} => Some(0),
        });
        *betas = self.anthropic_beta.map(OneOrMore::own).unwrap_or_default();
    }

    /// What Converse's own words cannot say; `None` where they say everything.
    pub(super) fn of(request: &'a Request) -> Option<Self> {
        let sampling = &request.sampling;
        let many = |texts: &'a [String]| {
            let texts = texts.iter().map(|text| Text::of(text)).collect::<Vec<_>>();
            (!texts.is_empty()).then_some(OneOrMore::More(texts))
        };
        let thinking = request.hints.thinking_budget.map(|budget| match budget {
            0 => Thinking::Disabled {},
            tokens => Thinking::Enabled { budget_tokens: Positive(tokens) },
        });
        let extra = Self {
            top_k: sampling.top_k,
            seed: sampling.seed,
            presence_penalty: sampling.presence_penalty.map(Penalty),
            frequency_penalty: sampling.frequency_penalty.map(Penalty),
            thinking,
            parallel_tool_calls: request.tools.parallel,
            anthropic_beta: many(&request.hints.betas),
            ..Self::default()
        };
        (!extra.is_empty()).then_some(extra)
    }

    fn is_empty(&self) -> bool {
        let Self { top_k, seed, presence_penalty, frequency_penalty, thinking, parallel_tool_calls, .. } =
            self;
        top_k.is_none()
            && seed.is_none()
            && presence_penalty.is_none()
            && frequency_penalty.is_none()
            && thinking.is_none()
            && parallel_tool_calls.is_none()
            && self.anthropic_beta.is_none()
    }
}
