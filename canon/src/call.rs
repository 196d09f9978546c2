use std::sync::Arc;

use crate::{EmbedRequest, Hints, Modality, ModelId, Request, Verbatim};

/// A call of either kind: one that asks for words, or one that asks for vectors. What decides over calls decides over
/// this; only a backend, and what checks its abilities, has to know which it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// The model is to write.
    Text(Arc<Request>),
    /// The model is to make vectors.
    Embed(Arc<EmbedRequest>),
}

impl Call {
    /// The same call, once it is known who makes it.
    #[must_use]
    pub fn made_by(mut self, caller: &str) -> Self {
        if let Self::Text(request) = &mut self {
            Arc::make_mut(request).caller = Some(caller.into());
        }
        self
    }

    /// The model, as the caller named it.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        match self {
            Self::Text(request) => &request.model,
            Self::Embed(request) => &request.model,
        }
    }

    /// What the model must be able to make.
    #[must_use]
    pub const fn wants(&self) -> Modality {
        match self {
            Self::Text(_) => Modality::Text,
            Self::Embed(_) => Modality::Embedding,
        }
    }

    /// The caller wants the answer as it is made.
    #[must_use]
    pub fn stream(&self) -> bool {
        matches!(self, Self::Text(request) if request.stream)
    }

    /// At most so many tokens of answer; `None` where the caller does not say.
    #[must_use]
    pub fn answer_tokens_max(&self) -> Option<u64> {
        match self {
            Self::Text(request) => request.sampling.max_tokens,
            Self::Embed(_) => Some(0),
        }
    }

    /// The body as it came.
    #[must_use]
    pub fn verbatim(&self) -> Option<&Verbatim> {
        match self {
            Self::Text(request) => request.verbatim.as_ref(),
            Self::Embed(request) => request.verbatim.as_ref(),
        }
    }

    /// What changes cost or speed but not meaning.
    #[must_use]
    pub fn hints(&self) -> &Hints {
        match self {
            Self::Text(request) => &request.hints,
            Self::Embed(request) => &request.hints,
        }
    }
}

impl From<Request> for Call {
    fn from(request: Request) -> Self {
        Self::Text(Arc::new(request))
    }
}

impl From<EmbedRequest> for Call {
    fn from(request: EmbedRequest) -> Self {
        Self::Embed(Arc::new(request))
    }
}
