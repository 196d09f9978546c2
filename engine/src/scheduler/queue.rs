use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use canon::{Fault, Kind};

use super::Sequence;

/// Sequences on their way to the engine.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    waiting_max: usize,
    running: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Box<dyn Sequence>>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), waiting_max, running: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can leave the queue half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, sequence: Box<dyn Sequence>) -> Result<(), Fault> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(draining());
        }
        if inner.waiting.len() >= self.waiting_max {
            // What was given up need not keep a living caller out.
            inner.waiting.retain(|sequence| !sequence.cancelled());
        }
        if inner.waiting.len() >= self.waiting_max {
            let message = "Too many requests are waiting for this model. Please wait and try again.";
            return Err(
                Fault::new(Kind::Overloaded, message).with_detail(format!("{} wait", self.waiting_max))
            );
        }
        inner.waiting.push_back(sequence);
        self.changed.notify_one();
        Ok(())
    }

    /// The first that waits and was not given up.
    pub(super) fn take(&self) -> Option<Box<dyn Sequence>> {
        let mut inner = self.lock();
        while let Some(first) = inner.waiting.pop_front() {
            if !first.cancelled() {
                return Some(first);
            }
        }
        None
    }

    pub(super) fn closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until something waits or the queue is closed.
    pub(super) fn wait(&self) {
        let mut inner = self.lock();
        while inner.waiting.is_empty() && !inner.closed {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Takes nothing more, and gives what still waits.
    pub(super) fn drain(&self) -> Vec<Box<dyn Sequence>> {
        self.close();
        self.lock().waiting.drain(..).collect()
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn set_running(&self, count: usize) {
        self.running.store(count, Ordering::Relaxed);
    }
}

pub(super) fn draining() -> Fault {
    Fault::new(Kind::Draining, "This server is shutting down. Please try again.")
}
