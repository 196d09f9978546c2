use serde::{Deserialize, Serialize};

use super::content::{Blocks, CachePointBlock, SystemBlock};
use super::scalar::{
    ANY, Fraction, JsonText, List, Name, NonEmpty, Nothing, Pairs, Positive, RawObject, Refused, Ruled, Text,
};
use crate::converse::extra::Extra;

shape! {
    /// The body of Converse and ConverseStream.
    #[derive(Default)]
    struct ConverseRequest<'a> {
        ? messages: List<Message<'a>, 1, ANY>,
        ? system: Vec<SystemBlock<'a>>,
        ? inference_config: InferenceConfig<'a>,
        ? tool_config: ToolConfig<'a>,
        ? additional_model_request_fields: Extra<'a>,
        ? additional_model_response_field_paths: List<Pointer<'a>, 0, 10>,
        ? request_metadata: Pairs,
        ? performance_config: PerformanceConfig,
        ? service_tier: ServiceTier,
        ? output_config: OutputConfig<'a>,
        ? guardrail_config: Refused,
        ? prompt_variables: Refused,
    }
}

shape! {
    struct Message<'a> {
        role: Role,
        content: Blocks<'a>,
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum Role {
    User,
    Assistant,
    System,
}

shape! {
    struct InferenceConfig<'a> {
        ? max_tokens: Positive,
        ? temperature: Fraction,
        ? top_p: Fraction,
        ? stop_sequences: List<Ruled<'a, NonEmpty>, 0, 2500>,
    }
}

shape! {
    struct ToolConfig<'a> {
        tools: List<Tool<'a>, 1, ANY>,
        ? tool_choice: ToolChoice<'a>,
    }
}

union! {
    enum Tool<'a> {
        "toolSpec" => Spec(ToolSpec<'a>),
        "cachePoint" => CachePoint(CachePointBlock),
        "systemTool" => System(Refused),
    }
}

shape! {
    struct ToolSpec<'a> {
        name: Ruled<'a, Name>,
        input_schema: InputSchema<'a>,
        ? description: Ruled<'a, NonEmpty>,
        ? strict: bool,
    }
}

shape! {
    struct InputSchema<'a> {
        json: RawObject<'a>,
    }
}

union! {
    enum ToolChoice<'a> {
        "auto" => Auto(Nothing),
        "any" => Any(Nothing),
        "tool" => Tool(NamedTool<'a>),
    }
}

shape! {
    struct NamedTool<'a> {
        name: Ruled<'a, Name>,
    }
}

shape! {
    struct PerformanceConfig {
        ? latency: Latency,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum Latency {
    Standard,
    Optimized,
}

shape! {
    struct ServiceTier {
        r#type: TierType,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum TierType {
    Priority,
    Default,
    Flex,
    Reserved,
}

shape! {
    struct OutputConfig<'a> {
        ? text_format: TextFormat<'a>,
        ? effort: EffortName,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum EffortName {
    None,
    Minimal,
    Low,
    Medium,
    High,
    #[serde(rename = "xhigh")]
    ExtraHigh,
    Max,
}

shape! {
    struct TextFormat<'a> {
        r#type: TextFormatType,
        structure: Structure<'a>,
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::converse) enum TextFormatType {
    JsonSchema,
}

shape! {
    struct Structure<'a> {
        json_schema: JsonSchema<'a>,
    }
}

shape! {
    struct JsonSchema<'a> {
        schema: Ruled<'a, JsonText>,
        ? name: Text<'a>,
        ? description: Text<'a>,
    }
}

/// A JSON Pointer (RFC 6901) into a model's own answer.
pub(in crate::converse) type Pointer<'a> = Ruled<'a, super::scalar::JsonPointer>;
