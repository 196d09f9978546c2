//! The directory in force: who may call and what can be called, swapped whole.

use std::sync::Arc;

use access::Keyring;
use arc_swap::ArcSwap;
use gateway::catalog::Catalog;
use gateway::{Directory, Snapshot};

/// The snapshot in force.
#[derive(Default)]
pub(crate) struct Current(ArcSwap<Snapshot>);

impl Current {
    /// Puts other keys in force and keeps the models.
    pub(crate) fn set_keys(&self, keys: Keyring) {
        let keys = Arc::new(keys);
        self.0.rcu(|now| Snapshot { keys: Arc::clone(&keys), catalog: Arc::clone(&now.catalog) });
    }

    /// Puts other models in force and keeps the keys.
    pub(crate) fn set_catalog(&self, catalog: Catalog) {
        let catalog = Arc::new(catalog);
        self.0.rcu(|now| Snapshot { keys: Arc::clone(&now.keys), catalog: Arc::clone(&catalog) });
    }
}

impl Directory for Current {
    fn current(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}
