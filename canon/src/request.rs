use std::sync::Arc;

use bytes::Bytes;

use crate::{Content, Fault, Json, ModelId, Tools};

/// What a caller asks of a model, whatever format it was written in.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model, as the caller named it: an id, an inference profile or an ARN.
    pub model: ModelId,
    /// The caller wants the answer as it is made.
    pub stream: bool,
    /// Instructions that stand before the conversation.
    pub system: Vec<Content>,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// How tokens are chosen, and how many.
    pub sampling: Sampling,
    /// What the model may call.
    pub tools: Tools,
    /// What shape the answer must have.
    pub output: OutputFormat,
    /// What changes cost or speed but not meaning.
    pub hints: Hints,
    /// Who asks, where that is known: callers are served alike, and learn nothing of one another. Set by the gateway,
    /// never by a format.
    pub caller: Option<Arc<str>>,
    /// The body as it came, for a backend that speaks the same format.
    pub verbatim: Option<Verbatim>,
    /// The first of what the body asks for that nothing above can carry: [`crate::Kind::Unsupported`]. Only a backend
    /// that relays the body may run the request; any other refuses it with this.
    pub beyond: Option<Fault>,
}

impl Request {
    /// A request that asks `model` nothing yet.
    #[must_use]
    pub fn new(model: ModelId) -> Self {
        Self {
            model,
            stream: false,
            system: Vec::new(),
            messages: Vec::new(),
            sampling: Sampling::default(),
            tools: Tools::default(),
            output: OutputFormat::Text,
            hints: Hints::default(),
            caller: None,
            verbatim: None,
            beyond: None,
        }
    }

    /// That this value says all that the body asks for, so that a backend may put it into words of its own.
    ///
    /// # Errors
    /// [`Self::beyond`].
    pub fn carried(&self) -> Result<(), Fault> {
        self.beyond.clone().map_or(Ok(()), Err)
    }

    /// Whether the caller marked anything as worth caching.
    #[must_use]
    pub fn has_cache_point(&self) -> bool {
        let marked = |content: &Content| matches!(content, Content::CachePoint { .. });
        self.hints.cache_tools
            || self.system.iter().any(marked)
            || self.messages.iter().flat_map(|message| &message.content).any(marked)
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; never empty.
    pub content: Vec<Content>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The caller, or a tool on its behalf.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of a conversation.
    System,
}

/// How tokens are chosen, and how many. `None` leaves it to the model's own default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// At most so many tokens of answer; ≥ 1.
    pub max_tokens: Option<u64>,
    /// 0 picks the likeliest token always.
    pub temperature: Option<f32>,
    /// Sample from the smallest set of tokens whose probabilities reach this; 0 to 1.
    pub top_p: Option<f32>,
    /// Sample from so many of the likeliest tokens; 0 means all.
    pub top_k: Option<u32>,
    /// The same seed and request give the same answer.
    pub seed: Option<u64>,
    /// Lowers the chance of tokens already used, once; −2 to 2.
    pub presence_penalty: Option<f32>,
    /// Lowers the chance of tokens already used, by how often; −2 to 2.
    pub frequency_penalty: Option<f32>,
    /// The answer ends before the first of these.
    pub stop: Vec<String>,
}

/// What shape the answer must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OutputFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that satisfies a schema.
    JsonSchema {
        /// What the caller calls it.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The JSON Schema.
        schema: Json,
    },
}

/// What changes cost or speed but not meaning. A backend may ignore these, aloud: it names what it ignored.
/// The names under which they are reported are those of [`crate::HintSet`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// How hard to think.
    pub effort: Option<Effort>,
    /// At most so many tokens of reasoning; `Some(0)` asks for none.
    pub thinking_budget: Option<u64>,
    /// Prefer latency to throughput.
    pub optimized_latency: bool,
    /// How urgent the call is; echoed in the answer.
    pub tier: Option<Tier>,
    /// Pairs for logs and cost allocation.
    pub metadata: Vec<(String, String)>,
    /// Names of beta features that the client's library always asks for.
    pub betas: Vec<String>,
    /// An id of the end user, for abuse monitoring upstream.
    pub user: Option<String>,
    /// The list of tools may be cached.
    pub cache_tools: bool,
    /// The caller's format tells of tokens that a cache supplied without being asked to. In other formats a cache is
    /// spoken of where the caller has marked something for it, and nowhere else.
    pub tells_unasked_cache: bool,
}

/// How hard to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as possible.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// A lot.
    High,
    /// More than that.
    ExtraHigh,
    /// As much as possible.
    Max,
}

/// How urgent a call is, and at what price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Before the others.
    Priority,
    /// As usual.
    Default,
    /// When there is room.
    Flex,
    /// On capacity that was reserved.
    Reserved,
}

/// A body as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim {
    /// The format that it is written in.
    pub format: Format,
    /// The body.
    pub body: Bytes,
}

/// The public formats. Compared, never interpreted, outside `wire`: a backend relays a body when this is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Bedrock Converse and ConverseStream.
    Converse,
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    OpenaiChat,
    /// OpenAI Responses.
    OpenaiResponses,
    /// Amazon Nova's body for InvokeModel.
    Nova,
    /// Amazon Titan Text's body for InvokeModel.
    Titan,
    /// Meta Llama's body for InvokeModel.
    Llama,
    /// Mistral's text body for InvokeModel.
    Mistral,
    /// OpenAI embeddings.
    OpenaiEmbeddings,
    /// Amazon Titan Embeddings' body for InvokeModel.
    TitanEmbeddings,
    /// Cohere Embed's body for InvokeModel.
    CohereEmbed,
}

impl Format {
    /// The format's name in logs, receipts and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Converse => "converse",
            Self::Anthropic => "anthropic",
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
            Self::Nova => "nova",
            Self::Titan => "titan",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::OpenaiEmbeddings => "openai-embeddings",
            Self::TitanEmbeddings => "titan-embeddings",
            Self::CohereEmbed => "cohere-embed",
        }
    }
}
