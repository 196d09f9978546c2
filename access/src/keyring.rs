use crate::key::{Key, KeyId};
use crate::pattern::Pattern;
use std::collections::HashMap;
use std::sync::Arc;

/// Every key that there is, found by id. Immutable: when a key is made or revoked, the whole ring is replaced.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: HashMap<KeyId, Held>,
}

/// A key, and its patterns in the form in which callers share them.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) models: Arc<[Pattern]>,
}

impl Keyring {
    /// Holds `keys`. Of two with one id the later counts.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        let hold = |key: Key| (key.id.clone(), Held { models: key.models.clone().into(), key });
        Self { keys: keys.into_iter().map(hold).collect() }
    }

    /// The key of this id, live or not.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Key> {
        self.held(id).map(|held| &held.key)
    }

    /// Every key, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.values().map(|held| &held.key)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none, so that nobody can get in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A key as callers are made from it, if it works at `now_ms`.
    pub(crate) fn live(&self, id: &str, now_ms: u64) -> Option<&Held> {
        self.held(id).filter(|held| held.key.is_live(now_ms))
    }

    fn held(&self, id: &str) -> Option<&Held> {
        self.keys.get(id)
    }
}

impl FromIterator<Key> for Keyring {
    fn from_iter<T: IntoIterator<Item = Key>>(keys: T) -> Self {
        Self::new(keys)
    }
}
