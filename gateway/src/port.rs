use std::sync::Arc;

use access::Keyring;
use canon::{BoxFuture, Fault};

use crate::catalog::Catalog;
use crate::{IntentRecord, Receipt};

/// Where intents and receipts become durable.
///
/// Both methods enqueue when called, in call order, and the future only waits: one that is dropped does not take its
/// record with it. That is what lets a guard settle from `drop`.
pub trait Journal: Send + Sync + 'static {
    /// Records that a call was admitted. When the future is ready the record survives a crash.
    fn open(&self, intent: IntentRecord) -> BoxFuture<'static, Result<(), Fault>>;

    /// Records how a call ended; exactly once for each intent. When the future is ready the record survives a crash.
    fn settle(&self, receipt: Receipt) -> BoxFuture<'static, Result<(), Fault>>;
}

/// Who may call and what can be called, as of now.
pub trait Directory: Send + Sync + 'static {
    /// The current snapshot. It never changes; a later call may yield another.
    fn current(&self) -> Arc<Snapshot>;
}

/// One consistent view of keys and models. Swapped whole.
#[derive(Default)]
pub struct Snapshot {
    /// Who may call.
    pub keys: Arc<Keyring>,
    /// What can be called.
    pub catalog: Arc<Catalog>,
}

/// The time of day.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// Randomness.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with what nobody can predict.
    fn fill(&self, bytes: &mut [u8]);
}
