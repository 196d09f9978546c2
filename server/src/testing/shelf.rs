//! Models of this process for tests: they take a moment to load, and a test says how that goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use canon::{Backend, Capabilities, Fault, Modality, ModelId};

use super::{PROMPT_TOKENS, Scripted};
use crate::local::{Count, Kinds, Opened, Outlined, Spec, Tell, Tunes};

const MB: u64 = 1 << 20;

/// Models whose paths are their sizes in megabytes.
#[derive(Default)]
pub(crate) struct Sizes {
    /// How many loads there were.
    pub(crate) loads: AtomicUsize,
    /// Loads fail.
    pub(crate) broken: AtomicBool,
    /// Adapters cannot be put over anything.
    pub(crate) unfit: Arc<AtomicBool>,
    playing: Arc<Scripted>,
}

/// A base of [`Sizes`].
struct Base {
    unfit: Arc<AtomicBool>,
    playing: Arc<Scripted>,
}

impl Tunes for Base {
    fn tune(&self, _: &Path) -> Result<Arc<dyn Backend>, Fault> {
        if self.unfit.load(Ordering::SeqCst) {
            return Err(Fault::malformed("matrix", "it does not fit"));
        }
        Ok(Arc::clone(&self.playing) as _)
    }
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
        let (unfit, playing) = (Arc::clone(&self.unfit), Arc::clone(&self.playing));
        let tunes: Arc<dyn Tunes> = Arc::new(Base { unfit, playing });
        Ok(Opened { backend: Arc::clone(&self.playing) as _, context_tokens: 64, tunes: Some(tunes) })
    }

    fn adapter_bytes(&self, tuned: &Spec, _: &Spec) -> Result<u64, Fault> {
        self.outline(tuned).map(|outlined| outlined.bytes)
    }

    fn count(&self, _: &Spec) -> Result<Option<Count>, Fault> {
        Ok(Some(Box::new(|_| Ok(PROMPT_TOKENS))))
    }

    /// Other tests run beside this one.
    fn held_bytes(&self) -> Option<u64> {
        None
    }
}

/// A model of [`Sizes`].
pub(crate) fn sized(name: &str, mb: u64) -> Spec {
    Spec::new(ModelId::new(name), (name, "Local"), PathBuf::from(mb.to_string()))
}
