//! `outcrop models status`, `load`, `unload`, `pin` and `unpin`.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use server::Failure;
use server::client::{Change, Client};
use server::local::{ModelState, ModelStatus, Shelved, show_size};

use crate::args::{Format, ModelsCommand};
use crate::report;
use crate::table::{Column, render};

/// How often a change is looked after.
const POLL: Duration = Duration::from_millis(200);
/// How the bar of a load looks; it stands at nothing as long as the server cannot say how far it is.
const TEMPLATE: &str = "{spinner} {msg}  {wide_bar} {percent:>3}%  {elapsed} ";

/// Shows how models stand, or changes it.
pub(super) async fn run(client: &Client, what: ModelsCommand, format: Format) -> Result<(), Failure> {
    match what {
        ModelsCommand::Status { id: None } => {
            let shelved = client.shelved().await?;
            report::data(&all(&shelved, format))
        }
        ModelsCommand::Status { id: Some(id) } => print(&client.status(known(&id)).await?, format),
        ModelsCommand::Load { id } => change(client, known(&id), Change::Load, format).await,
        ModelsCommand::Unload { id } => change(client, known(&id), Change::Unload, format).await,
        ModelsCommand::Pin { id } => change(client, known(&id), Change::Pin, format).await,
        ModelsCommand::Unpin { id } => change(client, known(&id), Change::Unpin, format).await,
    }
}

/// A known model's id by its short name; what is not known is an id as it stands.
fn known(name: &str) -> &str {
    server::models::find(name).map_or(name, |model| model.id)
}

/// Begins a change, waits for its end, and prints how the model stands then.
async fn change(client: &Client, id: &str, change: Change, format: Format) -> Result<(), Failure> {
    let mut status = client.change(id, change).await?;
    let bar = bar(change, id);
    while !is_over(change, &status) {
        bar.set_message(about(change, &status));
        bar.set_position(u64::from(status.percent.unwrap_or(0)));
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = tokio::signal::ctrl_c() => {
                bar.finish_and_clear();
                return Err(Failure::interrupted().with_help("the server goes on with it: outcrop models status"));
            }
        }
        status = client.status(id).await?;
    }
    bar.finish_and_clear();
    match (change, &status.fault) {
        (Change::Load | Change::Pin, Some(fault)) if status.state != ModelState::Loaded => {
            Err(Failure::unavailable(format!("{id} could not be loaded: {fault}"))
                .with_help("the server's log has it too; a model in the way may be unloaded or unpinned"))
        }
        _ => print(&status, format),
    }
}

/// Whether nothing more is to be waited for.
fn is_over(change: Change, status: &ModelStatus) -> bool {
    match change {
        Change::Load | Change::Pin => match status.state {
            ModelState::Loaded | ModelState::Failed => true,
            // Nobody waits for it any more: it came and went.
            ModelState::Unloaded => status.fault.is_some(),
            ModelState::Loading | ModelState::Draining | ModelState::Unloading => false,
        },
        Change::Unload => !matches!(status.state, ModelState::Draining | ModelState::Unloading),
        Change::Unpin => true,
    }
}

fn about(change: Change, status: &ModelStatus) -> String {
    match (change, status.state) {
        (Change::Unload, _) => format!("{} calls of {} are under way", status.calls, status.id),
        (_, ModelState::Loading) => format!("loading {}", status.id),
        _ => format!("{} waits for memory", status.id),
    }
}

/// Hidden by itself where stderr is no terminal.
fn bar(change: Change, id: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━╸─"));
    bar.set_message(format!("{} {id}", change.name()));
    bar.enable_steady_tick(POLL);
    bar
}

fn print(status: &ModelStatus, format: Format) -> Result<(), Failure> {
    report::data(&match format {
        Format::Table => table(std::slice::from_ref(status)),
        Format::Json => format!("{:#}\n", status.to_json()),
    })
}

fn all(shelved: &Shelved, format: Format) -> String {
    match format {
        Format::Table => {
            let (bytes, most) = (show_size(shelved.bytes), show_size(shelved.bytes_max));
            format!("{}{bytes} of {most} set aside\n", table(&shelved.models))
        }
        Format::Json => {
            let models: Value = shelved.models.iter().map(ModelStatus::to_json).collect();
            let all = serde_json::json!({
                "memoryBytesMax": shelved.bytes_max, "memoryBytes": shelved.bytes, "models": models,
            });
            format!("{all:#}\n")
        }
    }
}

fn table(models: &[ModelStatus]) -> String {
    let columns = [
        Column::Left("MODEL"),
        Column::Left("STATE"),
        Column::Right("MEMORY"),
        Column::Right("CONTEXT"),
        Column::Right("CALLS"),
        Column::Right("WAITING"),
        Column::Left("NOTES"),
    ];
    let row = |model: &ModelStatus| {
        let state = match model.percent {
            Some(percent) => format!("{} {percent}%", model.state.name()),
            None => model.state.name().to_owned(),
        };
        [
            model.id.to_string(),
            state,
            show_size(model.bytes),
            model.context_tokens.to_string(),
            model.calls.to_string(),
            model.waiting.to_string(),
            notes(model),
        ]
    };
    render(&columns, &models.iter().map(row).collect::<Vec<_>>())
}

fn notes(model: &ModelStatus) -> String {
    let mut notes = Vec::new();
    notes.extend(model.base.as_ref().map(|base| format!("tuned of {base}")));
    notes.extend(model.pinned.then(|| "pinned".to_owned()));
    notes.extend(model.load_ms.map(|ms| format!("loaded in {}", span(ms))));
    notes.extend(model.idle_ms.map(|ms| format!("idle for {}", span(ms))));
    notes.extend(model.fault.clone());
    notes.join(", ")
}

fn span(ms: u64) -> String {
    match ms {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms if ms < 100_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms if ms < 6_000_000 => format!("{} min", ms / 60_000),
        ms => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests;
