//! `outcrop models`.

mod manage;

use std::path::Path;

use canon::{Modality, ModelCard, Secret};
use serde_json::json;
use server::Failure;
use server::client::Client;

use crate::args::{Format, Models, Whom};
use crate::report;
use crate::table::{Column, render};

/// Lists what the server serves, or manages what it runs itself.
pub(crate) async fn run(dir: &Path, models: Models) -> Result<(), Failure> {
    let client = client(dir, models.whom)?;
    if let Some(what) = models.what {
        return manage::run(&client, what, models.format).await;
    }
    let cards = client.models().await?;
    report::data(&match models.format {
        Format::Table => table(&cards),
        Format::Json => format!("{:#}\n", cards.iter().map(json).collect::<serde_json::Value>()),
    })
}

/// The client that the command line asks for.
pub(crate) fn client(dir: &Path, whom: Whom) -> Result<Client, Failure> {
    Client::find(dir, whom.endpoint, whom.api_key.map(Secret::new))
}

fn table(cards: &[ModelCard]) -> String {
    let columns = ["MODEL", "NAME", "PROVIDER", "READS", "WRITES"].map(Column::Left);
    let row = |card: &ModelCard| {
        [
            card.id.to_string(),
            card.name.clone(),
            card.provider.clone(),
            names(&card.input).join(", "),
            names(&card.output).join(", "),
        ]
    };
    render(&columns, &cards.iter().map(row).collect::<Vec<_>>())
}

fn json(card: &ModelCard) -> serde_json::Value {
    json!({
        "id": card.id.as_str(),
        "name": card.name,
        "provider": card.provider,
        "input": names(&card.input),
        "output": names(&card.output),
    })
}

fn names(modalities: &[Modality]) -> Vec<&'static str> {
    let name = |modality: &Modality| match modality {
        Modality::Text => "text",
        Modality::Image => "image",
        Modality::Embedding => "embedding",
    };
    modalities.iter().map(name).collect()
}
