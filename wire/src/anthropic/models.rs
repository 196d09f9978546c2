use canon::{Modality, ModelCard};
use serde::Serialize;

use crate::Reply;
use crate::time::rfc3339;

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    lifecycle: &'static str,
    max_input_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Page<'a> {
    data: Vec<Model<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

impl<'a> Model<'a> {
    fn of(card: &'a ModelCard) -> Self {
        Self {
            kind: "model",
            id: card.id.as_str(),
            display_name: &card.name,
            created_at: rfc3339(card.since_ms),
            lifecycle: "active",
            max_input_tokens: card.context_tokens_max,
        }
    }
}

/// The answer to `GET /v1/models`: those that write text, on one page.
#[must_use]
pub fn models(cards: &[ModelCard]) -> Reply {
    let data: Vec<_> =
        cards.iter().filter(|card| card.output.contains(&Modality::Text)).map(Model::of).collect();
    let (first_id, last_id) = (data.first().map(|model| model.id), data.last().map(|model| model.id));
    Reply::json(200, crate::json::encode(&Page { has_more: false, first_id, last_id, data }))
}

/// The answer to `GET /v1/models/{id}`.
#[must_use]
pub fn model(card: &ModelCard) -> Reply {
    Reply::json(200, crate::json::encode(&Model::of(card)))
}
