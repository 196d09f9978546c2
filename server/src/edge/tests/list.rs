//! Every operation. One that is not here does not compile (see [`variant`]) or fails the test below.

use std::collections::BTreeSet;

use http::Method;
use wire::fault::Surface;

use crate::route::{self, Operation, Style};
use crate::testing::{EMBEDDER, MODEL};

/// An operation, and all that a test needs to call it well and badly. `{model}` stands for a model's id.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The model that is called.
    pub(super) model: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    pub(super) surface: Surface,
    /// Where a good answer says `expected`.
    pub(super) says: Says,
    pub(super) expected: &'static str,
    /// The tokens that the model says for it, where it is run.
    pub(super) output_tokens: u64,
    /// What answers it.
    pub(super) by: By,
    /// How it can be malformed.
    pub(super) malformed: Malformed,
}

/// Where an answer says what matters.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Says {
    /// It is nothing else.
    Plain,
    /// In its documents, all together.
    At(&'static str),
}

/// What answers an operation.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum By {
    /// The process, to anyone.
    Process,
    /// What is known of models, or counted, without a receipt.
    Knowledge,
    /// The model, in one piece.
    Model,
    /// The model, in a stream, whose last document says of a fault this at this place, or by its name.
    Stream { fault: Says, code: &'static str },
}

#[derive(Clone, Copy)]
pub(super) enum Malformed {
    Body,
    Query(&'static str),
    Never,
}

impl Row {
    /// Whether the model is run, and a receipt is due.
    pub(super) fn runs(&self) -> bool {
        matches!(self.by, By::Model | By::Stream { .. })
    }

    pub(super) fn names_model(&self) -> bool {
        self.path.contains("{model}") || self.body.contains("{model}")
    }
}

pub(super) const CONVERSE: &str = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
const CHAT: &str = r#"{"model":"{model}","messages":[{"role":"user","content":"hi"}]}"#;
const CHAT_STREAM: &str = r#"{"model":"{model}","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
const INVOKED: &str = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":9}"#;
const INVOKED_CLAUDE: &str = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
const RESPONSES: &str = r#"{"model":"{model}","input":"hi"}"#;
const RESPONSES_STREAM: &str = r#"{"model":"{model}","input":"hi","stream":true}"#;
const MESSAGES: &str = r#"{"model":"{model}","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
const MESSAGES_STREAM: &str =
    r#"{"model":"{model}","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true}"#;
const MESSAGES_COUNT: &str = r#"{"model":"{model}","messages":[{"role":"user","content":"hi"}]}"#;
const COUNT: &str = r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"hi"}]}]}}}"#;
const TITAN: &str = r#"{"inputText":"hi"}"#;
const COHERE: &str = r#"{"texts":["hi"],"input_type":"search_query"}"#;
const EMBEDDINGS: &str = r#"{"model":"{model}","input":"hi"}"#;
const VERSION: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

/// A call of Bedrock's runtime that the model answers, for the others to differ from.
const POST: Row = Row {
    name: "",
    method: "POST",
    path: "",
    model: MODEL,
    headers: &[],
    body: CONVERSE,
    surface: Surface::Bedrock,
    says: Says::Plain,
    expected: "hello there",
    output_tokens: 2,
    by: By::Model,
    malformed: Malformed::Body,
};
/// A look at what is known.
const GET: Row =
    Row { method: "GET", body: "", expected: MODEL, by: By::Knowledge, malformed: Malformed::Never, ..POST };
/// A call of Bedrock's runtime for embeddings.
const EMBED: Row =
    Row { path: "/model/{model}/invoke", model: EMBEDDER, expected: VECTOR, output_tokens: 0, ..POST };
const VECTOR: &str = "[0.5,-0.25,1.0]";
/// A change of what is in memory.
const MANAGE: Row = Row { method: "POST", says: Says::At("/id"), ..GET };
const EXCEPTION: By = By::Stream { fault: Says::Plain, code: "modelStreamErrorException" };

pub(super) const ROWS: [Row; 32] = [
    Row { name: "alive", path: "/healthz", says: Says::Plain, expected: "ok\n", by: By::Process, ..GET },
    Row { name: "ready", path: "/readyz", says: Says::Plain, expected: "ready\n", by: By::Process, ..GET },
    Row {
        name: "Converse",
        path: "/model/{model}/converse",
        says: Says::At("/output/message/content/0/text"),
        ..POST
    },
    Row {
        name: "ConverseStream",
        path: "/model/{model}/converse-stream",
        says: Says::At("/delta/text"),
        by: EXCEPTION,
        ..POST
    },
    Row {
        name: "InvokeModel in OpenAI's words",
        path: "/model/{model}/invoke",
        body: INVOKED,
        says: Says::At("/choices/0/message/content"),
        ..POST
    },
    Row {
        name: "InvokeModel in Anthropic's words",
        path: "/some/prefix/model/{model}/invoke",
        body: INVOKED_CLAUDE,
        says: Says::At("/content/0/text"),
        ..POST
    },
    Row {
        name: "InvokeModelWithResponseStream in OpenAI's words",
        path: "/model/{model}/invoke-with-response-stream",
        body: INVOKED,
        says: Says::At("/choices/0/delta/content"),
        by: EXCEPTION,
        ..POST
    },
    Row {
        name: "InvokeModelWithResponseStream in Anthropic's words",
        path: "/model/{model}/invoke-with-response-stream",
        body: INVOKED_CLAUDE,
        says: Says::At("/delta/text"),
        by: EXCEPTION,
        ..POST
    },
    Row { name: "InvokeModel in Titan's words", body: TITAN, says: Says::At("/embedding"), ..EMBED },
    Row { name: "InvokeModel in Cohere's words", body: COHERE, says: Says::At("/embeddings/0"), ..EMBED },
    Row {
        name: "CountTokens",
        path: "/model/{model}/count-tokens",
        body: COUNT,
        says: Says::At("/inputTokens"),
        expected: "5",
        by: By::Knowledge,
        ..POST
    },
    Row {
        name: "ListFoundationModels",
        path: "/foundation-models",
        says: Says::At("/modelSummaries/0/modelId"),
        malformed: Malformed::Query("byOutputModality=SMELL"),
        ..GET
    },
    Row {
        name: "GetFoundationModel",
        path: "/foundation-models/{model}",
        says: Says::At("/modelDetails/modelId"),
        ..GET
    },
    Row {
        name: "chat completion",
        path: "/openai/v1/chat/completions",
        body: CHAT,
        surface: Surface::Openai,
        says: Says::At("/choices/0/message/content"),
        ..POST
    },
    Row {
        name: "streaming chat completion",
        path: "/v1/chat/completions",
        body: CHAT_STREAM,
        surface: Surface::Openai,
        says: Says::At("/choices/0/delta/content"),
        by: By::Stream { fault: Says::At("/error/code"), code: "upstream_error" },
        ..POST
    },
    Row {
        name: "response",
        path: "/openai/v1/responses",
        body: RESPONSES,
        surface: Surface::Openai,
        says: Says::At("/output/0/content/0/text"),
        ..POST
    },
    Row {
        name: "streaming response",
        path: "/v1/responses",
        body: RESPONSES_STREAM,
        surface: Surface::Openai,
        says: Says::At("/delta"),
        by: By::Stream { fault: Says::Plain, code: "response.failed" },
        ..POST
    },
    Row {
        name: "embeddings",
        path: "/openai/v1/embeddings",
        body: EMBEDDINGS,
        surface: Surface::Openai,
        says: Says::At("/data/0/embedding"),
        ..EMBED
    },
    Row {
        name: "embeddings at OpenAI's own path",
        path: "/v1/embeddings",
        body: EMBEDDINGS,
        surface: Surface::Openai,
        says: Says::At("/data/0/embedding"),
        ..EMBED
    },
    Row {
        name: "message",
        path: "/anthropic/v1/messages",
        headers: VERSION,
        body: MESSAGES,
        surface: Surface::Anthropic,
        says: Says::At("/content/0/text"),
        ..POST
    },
    Row {
        name: "streaming message",
        path: "/v1/messages",
        headers: VERSION,
        body: MESSAGES_STREAM,
        surface: Surface::Anthropic,
        says: Says::At("/delta/text"),
        by: By::Stream { fault: Says::At("/error/type"), code: "api_error" },
        ..POST
    },
    Row {
        name: "count of a message",
        path: "/v1/messages/count_tokens",
        headers: VERSION,
        body: MESSAGES_COUNT,
        surface: Surface::Anthropic,
        says: Says::At("/input_tokens"),
        expected: "5",
        by: By::Knowledge,
        ..POST
    },
    Row {
        name: "OpenAI's models",
        path: "/v1/models",
        surface: Surface::Openai,
        says: Says::At("/data/0/id"),
        ..GET
    },
    Row {
        name: "Anthropic's models",
        path: "/v1/models",
        headers: VERSION,
        surface: Surface::Anthropic,
        says: Says::At("/first_id"),
        ..GET
    },
    Row {
        name: "one of OpenAI's models",
        path: "/openai/v1/models/{model}",
        surface: Surface::Openai,
        says: Says::At("/id"),
        ..GET
    },
    Row {
        name: "one of Anthropic's models",
        path: "/v1/models/{model}",
        headers: VERSION,
        surface: Surface::Anthropic,
        says: Says::At("/id"),
        ..GET
    },
    Row { name: "models in memory", path: "/outcrop/v1/models", says: Says::At("/models/0/id"), ..GET },
    Row { name: "a model's status", path: "/outcrop/v1/models/{model}", says: Says::At("/id"), ..GET },
    Row { name: "loading a model", path: "/outcrop/v1/models/{model}/load", ..MANAGE },
    Row { name: "unloading a model", path: "/outcrop/v1/models/{model}/unload", ..MANAGE },
    Row { name: "pinning a model", path: "/outcrop/v1/models/{model}/pin", ..MANAGE },
    Row { name: "unpinning a model", path: "/outcrop/v1/models/{model}/unpin", ..MANAGE },
];

/// Counts the operations, a stream apart from what comes whole. A new one needs a number here, and then a row above.
fn variant(operation: &Operation) -> usize {
    match operation {
        Operation::Health => 0,
        Operation::Ready => 1,
        Operation::Model { style: Style::Converse, stream: false, .. } => 2,
        Operation::Model { style: Style::Converse, stream: true, .. } => 3,
        Operation::Model { style: Style::Invoke, stream: false, .. } => 4,
        Operation::Model { style: Style::Invoke, stream: true, .. } => 5,
        Operation::CountTokens { .. } => 6,
        Operation::ListFoundationModels => 7,
        Operation::GetFoundationModel { .. } => 8,
        Operation::ChatCompletions => 9,
        Operation::Responses => 10,
        Operation::Messages => 11,
        Operation::MessagesCount => 12,
        Operation::Models => 13,
        Operation::OneModel { .. } => 14,
        Operation::Embeddings => 15,
        Operation::Shelved => 16,
        Operation::Status { .. } => 17,
        Operation::Manage { .. } => 18,
    }
}
const VARIANTS: usize = 19;

#[test]
fn every_operation_is_on_the_list_with_the_surface_it_has() {
    let mut listed = BTreeSet::new();
    for row in &ROWS {
        let path = row.path.replace("{model}", row.model);
        let method: Method = row.method.parse().unwrap();
        let operation = route::operation(&method, &path).unwrap_or_else(|| panic!("{} is none", row.name));
        listed.insert(variant(&operation));
        let speaks_anthropic = row.headers.iter().any(|(name, _)| *name == "anthropic-version");
        assert_eq!(route::surface(&path, speaks_anthropic), row.surface, "{}", row.name);
    }
    assert_eq!(listed, (0..VARIANTS).collect());
}
