//! Whether this process can serve.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process can serve.
pub(crate) struct Health {
    draining: AtomicBool,
    recording: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Health {
    /// Healthy as long as `recording` says that receipts can be recorded.
    pub(crate) fn new(recording: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { draining: AtomicBool::new(false), recording: Box::new(recording) }
    }

    /// From now on nothing new is taken.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Why nothing new should be sent here; `None` when all is well.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        if self.draining() {
            Some("draining\n")
        } else if !(self.recording)() {
            Some("the journal cannot be written; see the log\n")
        } else {
            None
        }
    }
}
