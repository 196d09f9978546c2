//! `outcrop up`.

mod banner;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use server::local::models_bytes_max;
use server::{Failure, Ready, UpOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Up;
use crate::bar::Bar;
use crate::report;

/// Serves until a signal ends it.
pub(crate) async fn run(data_dir: PathBuf, up: Up) -> Result<(), Failure> {
    let options = UpOptions {
        data_dir,
        listen: up.listen,
        tls_names: up.tls_name,
        models: up.model,
        adapters: up.adapter,
        default_model: !up.no_default_model,
        estate: up.estate,
        model_dir: up.cache.model_dir,
        model_memory_max: up.model_memory_max.unwrap_or_else(models_bytes_max),
        model_kv: up.model_kv,
        model_idle: up.model_idle_s.map(Duration::from_secs),
        model_wait: Duration::from_secs(up.model_wait_s),
        grace: Duration::from_secs(up.grace_s),
        threads: up.threads.map(usize::from),
    };
    let bar = Bar::new();
    let ready = AtomicBool::new(false);
    let serving = Box::pin(server::up(options, &bar, |serving| {
        ready.store(true, Ordering::Relaxed);
        announce(serving);
    }));
    tokio::select! {
        ended = serving => ended,
        // Fetching a model takes a while, and a server that serves ends by itself.
        () = stopped_before(&ready) => Err(Failure::interrupted()),
    }
}

/// Returns when a signal asks for an end and nothing is served yet.
async fn stopped_before(ready: &AtomicBool) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    if ready.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Whoever started this reads the first line; whoever reads the rest can copy it. A reader that has gone is no reason
/// to stop serving.
fn announce(ready: &Ready) {
    let said =
        report::data(&format!("ready {}\n", ready.url)).and_then(|()| report::data(&banner::render(ready)));
    if let Err(failure) = said {
        report::failure(&failure);
    }
}
