use crate::Json;

/// The tools of a request and how the model may use them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tools {
    /// What the model may call, in the order given.
    pub list: Vec<Tool>,
    /// Whether it may, must, or must not call one.
    pub choice: ToolChoice,
    /// `Some(false)` forbids more than one call in an answer.
    pub parallel: Option<bool>,
}

/// A function that the caller offers to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// `[a-zA-Z0-9_-]{1,64}`.
    pub name: String,
    /// What it does, for the model to read.
    pub description: Option<String>,
    /// The JSON Schema of its input; always an object schema.
    pub schema: Json,
    /// The input must satisfy the schema, not merely resemble it.
    pub strict: bool,
}

/// Whether the model may, must, or must not call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// It must call at least one, whichever.
    Any,
    /// It must call this one.
    Named(String),
    /// It must not call any.
    None,
}

/// A call of a tool, by the model.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolUse {
    /// Names this call, so that its result can refer to it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What the model passes to it; a JSON object in a well-formed call.
    pub input: Json,
}
