use std::sync::atomic::{AtomicU64, Ordering};

/// Hears how many bytes of tensors are in place, and how many there are.
pub type Watcher = Box<dyn Fn(u64, u64) + Send + Sync>;

/// Who watches a load, if anybody does.
#[derive(Default)]
pub(super) struct Watch {
    watcher: Option<Watcher>,
    all: u64,
    done: AtomicU64,
}

impl Watch {
    pub(super) fn new(watcher: Watcher, all: u64) -> Self {
        watcher(0, all);
        Self { watcher: Some(watcher), all, done: AtomicU64::new(0) }
    }

    pub(super) fn note(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(watcher) = &self.watcher {
            watcher(done.min(self.all), self.all);
        }
    }
}
