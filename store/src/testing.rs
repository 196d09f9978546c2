//! What the tests of this crate share: a folder that goes away, time that stands still, and calls.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use access::KeyId;
use canon::{ModelId, Usage};
use gateway::{Entropy, IntentRecord, Outcome, Receipt, RequestId};

use crate::{DataDir, Opened, Options, Records, Store};

/// A Friday.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// A folder of its own for each test, removed afterwards.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("outcrop-store-{}-{name}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> Store {
        self.store_with(&Options::default()).0
    }

    pub(crate) fn store_with(&self, options: &Options) -> (Store, Opened) {
        let dir = DataDir::open(&self.0).unwrap();
        Store::open(&dir, options, &Counter::default(), NOW_MS).unwrap()
    }

    pub(crate) fn records(&self) -> Records {
        Records::open(&self.0).unwrap()
    }

    /// The database, as somebody sees it who goes past this crate.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.0.join("outcrop.db")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Bytes that never repeat within a test.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0];
        }
    }
}

/// The call of this number.
pub(crate) fn id(number: u64) -> RequestId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RequestId::from_bytes(bytes)
}

pub(crate) fn intent(number: u64) -> IntentRecord {
    IntentRecord {
        id: id(number),
        arrived_ms: NOW_MS,
        key: KeyId::new("AKIAABCDEFGHIJKLMNOP"),
        model: ModelId::new("huggingfacetb.smollm2-135m-instruct-v1:0"),
        format: "converse",
        reserved_tokens: 600,
    }
}

pub(crate) fn receipt(number: u64) -> Receipt {
    Receipt {
        id: id(number),
        settled_ms: NOW_MS + 20,
        deployment: Some(Arc::from("embedded")),
        outcome: Outcome::Completed,
        usage: Usage::plain(100, number),
    }
}

/// Waits for `future` on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
