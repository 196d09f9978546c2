use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::watch::Reloads;
use crate::Failure;
use crate::health::Health;

/// The signals that a server obeys: SIGTERM and SIGINT end it, SIGHUP reloads the estate.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Begins to listen. Done first of all, so that no signal takes the process down half made.
pub(super) fn listen() -> Result<Signals, Failure> {
    let on =
        |kind| signal(kind).map_err(|error| Failure::internal(format!("cannot listen for signals: {error}")));
    Ok(Signals {
        terminate: on(SignalKind::terminate())?,
        interrupt: on(SignalKind::interrupt())?,
        hangup: on(SignalKind::hangup())?,
    })
}

impl Signals {
    /// Obeys until it was told to end; from then on new calls are refused, and the caller lets the running ones finish.
    pub(super) async fn obey(mut self, health: Arc<Health>, mut reloads: Reloads) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => reloads.reload().await,
            }
        }
        tracing::info!("stopping");
        health.drain();
    }
}
