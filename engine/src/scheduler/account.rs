//! What each caller has been served, so that all get the same: the caller with the least comes first. This is the
//! "virtual token counter" of Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024), counted in rows that
//! were computed, so that what the cache supplies costs nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// A caller who has something waiting or running.
#[derive(Debug, Default)]
pub(super) struct Account {
    rows: AtomicU64,
}

impl Account {
    /// How many rows were computed for the caller.
    pub(super) fn served(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(super) fn charge(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// The accounts of all who have something waiting or running. An account ends with the last of its sequences.
#[derive(Default)]
pub(super) struct Accounts {
    open: HashMap<Option<Arc<str>>, Weak<Account>>,
}

impl Accounts {
    /// The caller's account. A caller who was away begins where the least served of the others stands, so that nobody
    /// saves up.
    pub(super) fn open(&mut self, caller: &Option<Arc<str>>) -> Arc<Account> {
        if let Some(account) = self.open.get(caller).and_then(Weak::upgrade) {
            return account;
        }
        self.open.retain(|_, account| account.strong_count() > 0);
        let least = self.open.values().filter_map(Weak::upgrade).map(|account| account.served()).min();
        let account = Arc::new(Account { rows: AtomicU64::new(least.unwrap_or(0)) });
        self.open.insert(caller.clone(), Arc::downgrade(&account));
        account
    }
}
