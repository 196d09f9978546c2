use crate::{Hints, ModelId, Verbatim};

/// What a caller asks of a model that makes embeddings: a vector for each of some texts.
///
/// Its answer is a [`crate::Event::Vector`] for each text, in their order, and then the finish, whose usage is all input.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedRequest {
    /// The model, as the caller named it: an id, an inference profile or an ARN.
    pub model: ModelId,
    /// The texts; never empty.
    pub inputs: Vec<EmbedInput>,
    /// What becomes of a text that is longer than the model reads.
    pub overflow: Overflow,
    /// How many numbers each vector is to have; `None` leaves it to the model.
    pub dimensions: Option<u64>,
    /// Whether vectors are brought to a length of one; `None` leaves it to the model.
    pub normalize: Option<bool>,
    /// What the vectors are for. A hint: few models make a difference.
    pub purpose: Option<Purpose>,
    /// What changes cost or speed but not meaning.
    pub hints: Hints,
    /// The body as it came.
    pub verbatim: Option<Verbatim>,
}

impl EmbedRequest {
    /// A request for the vectors of `inputs`, otherwise as the model would have it.
    #[must_use]
    pub fn new(model: ModelId, inputs: Vec<EmbedInput>) -> Self {
        Self {
            model,
            inputs,
            overflow: Overflow::Refuse,
            dimensions: None,
            normalize: None,
            purpose: None,
            hints: Hints::default(),
            verbatim: None,
        }
    }
}

/// One of the texts of an [`EmbedRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbedInput {
    /// Written language.
    Text(String),
    /// Tokens of the model's own vocabulary, without those that mark beginning and end.
    Tokens(Vec<u32>),
}

/// What becomes of a text that is longer than the model reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The call is refused.
    #[default]
    Refuse,
    /// What is too much is cut off at the end.
    KeepStart,
    /// What is too much is cut off at the start.
    KeepEnd,
}

/// What a vector is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It is searched for.
    SearchDocument,
    /// It searches.
    SearchQuery,
    /// It is classified.
    Classification,
    /// It is put into a cluster.
    Clustering,
}
