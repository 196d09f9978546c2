//! What can change while a server runs: keys, which other processes make and revoke, and the estate.

use std::sync::Arc;
use std::time::Duration;

use gateway::{Clock as _, Directory as _};
use store::{Note, Records};

use super::deployments::Deployments;
use crate::directory::Current;
use crate::ports::WallClock;

/// How long a key that was made or revoked may take to count.
const KEYS_POLL: Duration = Duration::from_millis(250);

/// Follows the keys for ever.
pub(super) async fn keys(records: Arc<Records>, directory: Arc<Current>) {
    let mut seen = None;
    loop {
        match refresh(Arc::clone(&records), seen).await {
            Ok(Some((generation, keyring))) => {
                if seen.replace(generation).is_some() {
                    tracing::info!("keys changed");
                }
                directory.set_keys(keyring);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "keys cannot be read; the old ones stay in force"),
        }
        tokio::time::sleep(KEYS_POLL).await;
    }
}

async fn refresh(
    records: Arc<Records>,
    seen: Option<u64>,
) -> Result<Option<(u64, access::Keyring)>, canon::Fault> {
    let read = move || {
        let generation = records.generation()?;
        if Some(generation) == seen { Ok(None) } else { Ok(Some((generation, records.keyring()?))) }
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(canon::Fault::internal(error)))
}

/// What a reload of the estate needs.
pub(super) struct Reloads {
    pub(super) deployments: Deployments,
    pub(super) directory: Arc<Current>,
    pub(super) records: Arc<Records>,
}

impl Reloads {
    /// Reads the estate again. A fault in it is logged, and the old one keeps serving.
    pub(super) async fn reload(&mut self) {
        let old = self.directory.current();
        match self.deployments.reload(&old.catalog).await {
            Ok(catalog) => self.directory.set_catalog(catalog),
            Err(failure) => {
                let help = failure.help.unwrap_or_default();
                tracing::error!(error = %failure.message, help, "the estate was not reloaded; the old one stays");
                return;
            }
        }
        let Some(about) = self.deployments.describe() else {
            tracing::info!("models reloaded");
            return;
        };
        let records = Arc::clone(&self.records);
        let noted =
            tokio::task::spawn_blocking(move || records.note(Note::EstateLoaded(&about), WallClock.now_ms()));
        if let Ok(Err(error)) = noted.await {
            tracing::warn!(%error, "the reload is in force, but could not be noted in the audit trail");
        }
        tracing::info!("estate reloaded");
    }
}

#[cfg(test)]
mod tests;
