use canon::{OutputFormat, Request, ToolChoice};

/// What a server of this format takes beyond what all of them do. A vendor is one of these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What it calls the length of the answer.
    pub length: LengthName,
    /// It takes `top_k`.
    pub top_k: bool,
    /// It takes `seed`.
    pub seed: bool,
    /// It takes `presence_penalty` and `frequency_penalty`.
    pub penalties: bool,
    /// It takes `response_format` of type `json_schema`.
    pub schemas: bool,
    /// It takes `parallel_tool_calls`.
    pub parallel_tools: bool,
    /// It takes `tool_choice` of `required`. One that does not is told `auto` too, which is the usual elsewhere.
    pub required_tools: bool,
    /// It takes `reasoning_content` of earlier turns.
    pub reasoning: bool,
    /// It takes `stream_options.include_usage`.
    pub stream_usage: bool,
    /// It takes `reasoning_effort`.
    pub effort: bool,
    /// It takes `service_tier`.
    pub tier: bool,
    /// It takes `metadata`.
    pub metadata: bool,
    /// It takes `user`.
    pub user: bool,
}

/// What a server calls the length of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthName {
    /// `max_tokens`, and the other name passes unread.
    MaxTokens,
    /// `max_tokens`, and the other name is taken too.
    Either,
    /// `max_completion_tokens`, as OpenAI has it since its models reason.
    MaxCompletionTokens,
}

impl Dialect {
    /// vLLM, and servers that follow it.
    /// <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>
    pub const VLLM: Self = Self {
        length: LengthName::Either,
        top_k: true,
        seed: true,
        penalties: true,
        schemas: true,
        parallel_tools: true,
        required_tools: true,
        reasoning: true,
        stream_usage: true,
        effort: true,
        tier: false,
        metadata: false,
        user: true,
    };

    /// llama.cpp's `llama-server`.
    /// <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>
    pub const LLAMA_CPP: Self = Self {
        length: LengthName::MaxTokens,
        parallel_tools: false,
        effort: false,
        user: false,
        ..Self::VLLM
    };

    /// The server that comes with llama.cpp's Python binding, as of 0.3.36: it takes no schema, its streams never say
    /// what they used, and `required` it either ignores or fails at, by the chat format that it was started with.
    /// <https://llama-cpp-python.readthedocs.io/en/latest/server/>
    pub const LLAMA_CPP_PYTHON: Self = Self {
        schemas: false,
        required_tools: false,
        reasoning: false,
        stream_usage: false,
        ..Self::LLAMA_CPP
    };

    /// Ollama. <https://docs.ollama.com/api/openai-compatibility>
    pub const OLLAMA: Self = Self {
        length: LengthName::MaxTokens,
        top_k: false,
        parallel_tools: false,
        reasoning: false,
        user: false,
        ..Self::VLLM
    };

    /// OpenAI itself.
    pub const OPENAI: Self = Self {
        length: LengthName::MaxCompletionTokens,
        top_k: false,
        reasoning: false,
        tier: true,
        metadata: true,
        ..Self::VLLM
    };

    /// Another Outcrop. What its own model cannot do it refuses by name.
    pub const OUTCROP: Self = Self { tier: true, metadata: true, ..Self::VLLM };

    /// Whether the instructions of a request in this format can be passed on as they are. Where they cannot,
    /// [`super::encode()`] says them in another way, or refuses them: the server itself would drop some in silence.
    #[must_use]
    pub fn says(&self, request: &Request) -> bool {
        let tools = &request.tools;
        let schema = matches!(request.output, OutputFormat::JsonSchema { .. });
        let told = matches!(tools.choice, ToolChoice::Named(_) | ToolChoice::None);
        (self.schemas || !schema)
            && (self.parallel_tools || tools.parallel != Some(false))
            && (self.required_tools || told || tools.list.is_empty())
            && (self.length != LengthName::MaxTokens
                || request.sampling.max_tokens.is_none()
                || !mentions(request, br#""max_completion_tokens""#))
            && (self.stream_usage || !request.stream || !mentions(request, br#""include_usage""#))
    }
}

/// Whether the body may have a member of that name, which comes in its quotation marks. No text in JSON holds one that
/// is not escaped, so what a user says is not taken for it.
fn mentions(request: &Request, name: &[u8]) -> bool {
    let body = request.verbatim.as_ref().map_or(&[][..], |verbatim| &verbatim.body);
    body.windows(name.len()).any(|window| window == name)
}
