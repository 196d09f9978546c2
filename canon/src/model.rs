use std::fmt;
use std::sync::Arc;

/// A model's name as Bedrock spells it: `provider.name-vN:M`. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// Names a model. Whether it exists is for the catalogue to say.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dot, which names who made the model; empty where there is none.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.0.split_once('.').map_or("", |(provider, _)| provider)
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What goes into a model or comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Written language.
    Text,
    /// Pictures.
    Image,
    /// Vectors that stand for a text's meaning.
    Embedding,
}

/// What is published about a model: the row that listings show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCard {
    /// The name that calls use.
    pub id: ModelId,
    /// The name that people use, such as `SmolLM2 135M Instruct`.
    pub name: String,
    /// Who made it, as people write it, such as `Hugging Face`.
    pub provider: String,
    /// What it reads.
    pub input: Vec<Modality>,
    /// What it writes.
    pub output: Vec<Modality>,
    /// Prompt and answer together, in tokens; `None` where only the backend knows.
    pub context_tokens_max: Option<u64>,
    /// When this Outcrop first served it, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}
