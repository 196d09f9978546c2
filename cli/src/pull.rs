//! `outcrop pull`.

use server::Failure;
use server::models::{Cache, DEFAULT, KNOWN, KnownModel, find};

use crate::args::Pull;
use crate::bar::Bar;
use crate::report;
use crate::table::{Column, render};

/// Fetches a model, or lists those that could be.
pub(crate) async fn run(pull: Pull) -> Result<(), Failure> {
    let cache = Cache::new(pull.cache.model_dir)?;
    if pull.list {
        return report::data(&list(&cache));
    }
    let model = match &pull.name {
        None => DEFAULT,
        Some(name) => find(name).ok_or_else(|| unknown(name))?,
    };
    let bar = Bar::new();
    let path = tokio::select! {
        pulled = cache.pull(model, &bar) => pulled?,
        _ = tokio::signal::ctrl_c() => {
            return Err(Failure::interrupted().with_help("the next pull goes on from here where the source can"));
        }
    };
    report::data(&format!("{}\n", path.display()))
}

fn list(cache: &Cache) -> String {
    let columns = [
        Column::Left("MODEL"),
        Column::Left("SHORT NAME"),
        Column::Right("MB"),
        Column::Left("LICENCE"),
        Column::Left("HERE"),
    ];
    let row = |model: &KnownModel| {
        let here = if cache.find(model).is_some() { "yes" } else { "no" };
        let alias = model.aliases.first().copied().unwrap_or_default();
        [model.id, alias, &(model.bytes_total() / 1_000_000).to_string(), model.licence, here]
            .map(str::to_owned)
    };
    render(&columns, &KNOWN.iter().map(row).collect::<Vec<_>>())
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!("no known model is called {name}")).with_help(
        "see: outcrop pull --list\nany other GGUF file or Hugging Face folder is served as it is: outcrop up --model PATH",
    )
}
