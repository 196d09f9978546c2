use canon::{Modality, ModelCard};
use serde::Serialize;

use crate::Reply;

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
    /// vLLM's word for it, which many clients read.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_model_len: Option<u64>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

impl<'a> Model<'a> {
    fn of(card: &'a ModelCard) -> Self {
        Self {
            id: card.id.as_str(),
            object: "model",
            created: card.since_ms / 1000,
            owned_by: card.id.provider(),
            max_model_len: card.context_tokens_max,
        }
    }
}

/// The answer to `GET /v1/models`: those that write text or make embeddings, as OpenAI's own list has both.
#[must_use]
pub fn models(cards: &[ModelCard]) -> Reply {
    let served = |card: &&ModelCard| {
        [Modality::Text, Modality::Embedding].iter().any(|made| card.output.contains(made))
    };
    let data = cards.iter().filter(served).map(Model::of).collect();
    Reply::json(200, crate::json::encode(&List { object: "list", data }))
}

/// The answer to `GET /v1/models/{id}`.
#[must_use]
pub fn model(card: &ModelCard) -> Reply {
    Reply::json(200, crate::json::encode(&Model::of(card)))
}
