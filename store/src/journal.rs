use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use canon::{BoxFuture, Fault};
use futures_channel::oneshot;
use gateway::{IntentRecord, Journal, Receipt};

use crate::writer::{Order, Reply};
use crate::{DataDir, Records, problem};

/// The running server's journal, and the records beside it.
///
/// Dropping it writes what is queued; [`Store::close`] also notes the end in the audit trail.
pub struct Store {
    pub(crate) orders: Sender<Order>,
    pub(crate) healthy: Arc<AtomicBool>,
    pub(crate) records: Arc<Records>,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// Holds the lock for as long as there is someone who writes.
    pub(crate) _dir: DataDir,
}

impl Store {
    /// Keys, usage and the audit trail.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Whether the last attempt to write succeeded. While it is false, no call is admitted.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Writes what is queued, notes the end, and returns when it is done. It blocks. Later records are refused.
    pub fn close(&self, now_ms: u64) {
        self.end(Some(now_ms));
    }

    fn end(&self, at_ms: Option<u64>) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // The writer may have died; then there is nothing to wait for.
        drop(self.orders.send(Order::Close(at_ms)));
        if thread.join().is_err() {
            tracing::error!("the journal's thread had panicked");
        }
        self.healthy.store(false, Ordering::Release);
    }

    fn submit(&self, order: impl FnOnce(Reply) -> Order) -> BoxFuture<'static, Result<(), Fault>> {
        let (reply, wait) = oneshot::channel();
        if self.orders.send(order(reply)).is_err() {
            self.healthy.store(false, Ordering::Release);
            return Box::pin(std::future::ready(Err(problem::stopped())));
        }
        Box::pin(async move { wait.await.unwrap_or_else(|_| Err(problem::stopped())) })
    }
}

impl Journal for Store {
    fn open(&self, intent: IntentRecord) -> BoxFuture<'static, Result<(), Fault>> {
        self.submit(|reply| Order::Open(intent, reply))
    }

    fn settle(&self, receipt: Receipt) -> BoxFuture<'static, Result<(), Fault>> {
        self.submit(|reply| Order::Settle(receipt, reply))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end(None);
    }
}
