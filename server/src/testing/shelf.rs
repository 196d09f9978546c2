//! Models of this process for tests: they take a moment to load, and a test says how that goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use canon::{Capabilities, Fault, Modality, ModelId};

use super::Scripted;
use crate::local::{Kinds, Opened, Outlined, Spec, Tell};

const MB: u64 = 1 << 20;

/// Models whose paths are their sizes in megabytes.
#[derive(Default)]
pub(crate) struct Sizes {
    /// How many loads there were.
    pub(crate) loads: AtomicUsize,
    /// Loads fail.
    pub(crate) broken: AtomicBool,
    playing: Arc<Scripted>,
}

impl Kinds for Sizes {
    fn outline(&self, spec: &Spec) -> Result<Outlined, Fault> {
        Ok(Outlined {
            capabilities: Capabilities::default(),
            input: vec![Modality::Text],
            output: vec![Modality::Text],
            context_tokens: 64,
            bytes: spec.path.to_str().unwrap().parse::<u64>().unwrap() * MB,
            kv_token_bytes: 0,
        })
    }

    fn open(&self, _: &Spec, _: u64, tell: Tell) -> Result<Opened, Fault> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        tell(1, 2);
        std::thread::sleep(Duration::from_millis(20));
        if self.broken.load(Ordering::SeqCst) {
            return Err(Fault::malformed("header", "it is broken"));
        }
        Ok(Opened { backend: Arc::clone(&self.playing) as _, context_tokens: 64 })
    }

    /// Other tests run beside this one.
    fn held_bytes(&self) -> Option<u64> {
        None
    }
}

/// A model of [`Sizes`].
pub(crate) fn sized(name: &str, mb: u64) -> Spec {
    Spec {
        id: ModelId::new(name),
        name: name.to_owned(),
        provider: "Local".to_owned(),
        path: PathBuf::from(mb.to_string()),
        pinned: false,
        context_tokens_max: None,
        kv_bytes_max: None,
        idle: None,
    }
}
