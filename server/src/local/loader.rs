//! Carries out what the shelf decides, and lets calls wait for it.

mod words;
mod work;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use canon::{Backend, Fault, Kind, ModelId};
use tokio::sync::Notify;

use super::kind::{Kinds, Outlined, Tunes};
use super::shelf::{Key, Place, Refusal, Shelf, Wants};
use super::{Spec, show_size};

/// Memory for keys and values of a model that says nothing about it, at most.
const KV_BYTES_MAX: u64 = 1 << 30;
/// It gets this part of the memory for models, if that is less.
const KV_SHARE: u64 = 8;
/// A model is of no use with room for fewer tokens than this, unless its context is shorter.
const CONTEXT_TOKENS_MIN: usize = 2048;

/// The limits that models share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The memory of all models in it together: weights, keys and values, and what they need besides.
    pub(crate) bytes_max: u64,
    /// How long a call waits for its model.
    pub(crate) wait: Duration,
}

/// The models of this process.
pub(crate) struct Loader {
    models: Mutex<Models>,
    /// Something changed that the work may depend on.
    work: Notify,
    kinds: Arc<dyn Kinds>,
    limits: Limits,
    began: Instant,
}

pub(super) struct Models {
    pub(super) shelf: Shelf,
    pub(super) all: BTreeMap<Key, Model>,
    keys: Key,
}

pub(super) struct Model {
    pub(super) spec: Arc<Spec>,
    pub(super) outlined: Arc<Outlined>,
    pub(super) backend: Option<Arc<dyn Backend>>,
    /// What puts adapters over it, while it is in memory.
    tunes: Option<Arc<dyn Tunes>>,
    /// What counts for it while it is out.
    counter: words::Counter,
    /// Those that wait for it look again.
    changed: Arc<Notify>,
    pub(super) progress: Arc<Progress>,
    /// What its last load or attempt ended in, if it did not end well.
    pub(super) trouble: Option<Fault>,
    /// How many attempts ended so.
    troubles: u64,
    /// It is no longer declared.
    retired: bool,
    /// Prompt and answer together, in tokens, as it was loaded.
    pub(super) context_tokens: usize,
}

/// How far a load is, in bytes of tensors.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: AtomicU64,
    all: AtomicU64,
}

impl Progress {
    pub(super) fn tell(&self, done: u64, all: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }

    /// In percent, once it is known.
    pub(super) fn percent(&self) -> Option<u8> {
        let (done, all) = (self.done.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed));
        u8::try_from(done.saturating_mul(100).checked_div(all)?.min(100)).ok()
    }
}

/// A model that may be used. While there is one, the model stays.
pub(crate) struct Lease {
    loader: Arc<Loader>,
    key: Key,
    backend: Option<Arc<dyn Backend>>,
}

impl Lease {
    pub(super) fn backend(&self) -> Result<&dyn Backend, Fault> {
        self.backend.as_deref().ok_or_else(|| Fault::internal("a lease of a model that is not there"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First of all, so that whoever unloads the model lets go of the last handle on it.
        self.backend = None;
        let now_ms = self.loader.now_ms();
        self.loader.lock().shelf.leave(self.key, now_ms);
        self.loader.work.notify_one();
    }
}

/// A call that waits. Dropped, it waits no longer.
struct Waiting<'a> {
    loader: &'a Loader,
    key: Key,
    /// It entered, and no longer counts as waiting.
    entered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.entered {
            self.loader.lock().shelf.give_up(self.key);
            self.loader.work.notify_one();
        }
    }
}

/// Why there is no lease.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The model cannot be loaded; the fault is the operator's to read.
    Broken(Fault),
    /// It could be, but not now.
    NotNow(Fault),
}

impl Loader {
    pub(crate) fn new(kinds: Arc<dyn Kinds>, limits: Limits) -> Self {
        let shelf = Shelf::new(limits.bytes_max);
        let models = Mutex::new(Models { shelf, all: BTreeMap::new(), keys: 0 });
        Self { models, work: Notify::new(), kinds, limits, began: Instant::now() }
    }

    /// What can be declared: reads each model's outline, and no weights.
    ///
    /// # Errors
    /// The model is none that can be run here.
    pub(crate) fn outline(&self, spec: &Spec) -> Result<Outlined, Fault> {
        self.kinds.outline(spec)
    }

    /// What can be declared of a model that is tuned of `base`: reads the shapes of its adapter, and no weights.
    ///
    /// # Errors
    /// The adapter is none that can be put over this model.
    pub(crate) fn outline_tuned(&self, spec: &Spec, base: &(Spec, Outlined)) -> Result<Outlined, Fault> {
        let bytes = self.kinds.adapter_bytes(spec, &base.0)?;
        Ok(Outlined { bytes, kv_token_bytes: 0, ..base.1.clone() })
    }

    /// These are the models from now on, tuned ones after their bases. Those that were there before stay in memory if
    /// nothing about them has changed that a load depends on; others go when their calls have ended.
    pub(crate) fn declare(&self, specs: Vec<(Spec, Outlined)>) -> Vec<Key> {
        let mut models = self.lock();
        let mut keys = Vec::with_capacity(specs.len());
        let mut by_id = BTreeMap::new();
        for (spec, outlined) in specs {
            let base = spec.base.as_ref().and_then(|base| by_id.get(base)).copied();
            let id = spec.id.clone();
            let key = models.declare(spec, outlined, base, self.limits.bytes_max);
            by_id.insert(id, key);
            keys.push(key);
        }
        let gone: Vec<Key> = models.all.keys().copied().filter(|key| !keys.contains(key)).collect();
        for key in gone {
            models.shelf.dismiss(key);
            if let Some(model) = models.all.get_mut(&key) {
                model.retired = true;
                model.changed.notify_waiters();
            }
        }
        drop(models);
        self.work.notify_one();
        keys
    }

    /// The model, once it is in memory.
    ///
    /// # Errors
    /// [`Kind::NoCapacity`] where it cannot be loaded, or there is no memory for it; [`Kind::Overloaded`] where it did
    /// not come in within the time that calls wait.
    pub(super) async fn lease(self: &Arc<Self>, key: Key) -> Result<Lease, Fault> {
        let late = tokio::time::timeout(self.limits.wait, self.wait_for(key)).await;
        match late {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(Trouble::NotNow(fault))) => Err(fault),
            Ok(Err(Trouble::Broken(fault))) => {
                let detail = format!("{fault} {}", fault.detail().unwrap_or_default());
                let message = "This model cannot be loaded; the server's log says why. Retry later.";
                Err(Fault::new(Kind::NoCapacity, message).with_detail(detail.trim()))
            }
            Err(_) => {
                let message = format!(
                    "The memory for models is in use, and this one did not get any within {} s. Retry with backoff.",
                    self.limits.wait.as_secs()
                );
                Err(Fault::new(Kind::Overloaded, message))
            }
        }
    }

    /// Loads the model if it is not loaded, however long that takes.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub(crate) async fn bring(self: &Arc<Self>, key: Key) -> Result<(), Fault> {
        match self.wait_for(key).await {
            Ok(_) => Ok(()),
            Err(Trouble::Broken(fault) | Trouble::NotNow(fault)) => Err(fault),
        }
    }

    async fn wait_for(self: &Arc<Self>, key: Key) -> Result<Lease, Trouble> {
        let mut waiting = None;
        let mut troubles = None;
        loop {
            let changed = {
                let mut models = self.lock();
                let models = &mut *models;
                let Some(model) = models.all.get(&key).filter(|model| !model.retired) else {
                    return Err(Trouble::NotNow(gone()));
                };
                let (changed, backend) = (Arc::clone(&model.changed), model.backend.clone());
                let now_ms = self.now_ms();
                let failed =
                    troubles.is_some_and(|seen| model.troubles > seen) || models.shelf.rests(key, now_ms);
                if let (true, Some(fault)) = (failed, &model.trouble) {
                    return Err(told(fault));
                }
                let base = models.shelf.place(key).and_then(|place| place.base);
                if let Some(base) = base.filter(|base| models.shelf.rests(*base, now_ms))
                    && let Some(fault) = models.all.get(&base).and_then(|base| base.trouble.as_ref())
                {
                    return Err(told(fault));
                }
                troubles.get_or_insert(model.troubles);
                let entered = match &mut waiting {
                    None => {
                        let enters = models.shelf.arrive(key);
                        waiting = Some(Waiting { loader: self, key, entered: enters });
                        enters
                    }
                    Some(waiting) => {
                        waiting.entered = models.shelf.enter(key);
                        waiting.entered
                    }
                };
                if entered {
                    return Ok(Lease { loader: Arc::clone(self), key, backend });
                }
                changed.notified_owned()
            };
            self.work.notify_one();
            changed.await;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Models> {
        // Nothing that holds the lock can leave the models half changed.
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what the work depends on.
    pub(super) fn change(&self, change: impl FnOnce(&mut Models)) {
        change(&mut self.lock());
        self.work.notify_one();
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Models {
    fn declare(&mut self, spec: Spec, outlined: Outlined, base: Option<Key>, bytes_max: u64) -> Key {
        let shelf = &self.shelf;
        let same = self.all.iter_mut().find(|(key, model)| {
            let alike = loads_alike(&model.spec, &spec) && *model.outlined == outlined;
            !model.retired && alike && shelf.place(**key).is_some_and(|place| place.base == base)
        });
        if let Some((key, model)) = same {
            let key = *key;
            if model.spec.pinned != spec.pinned {
                self.shelf.pin(key, spec.pinned);
                if spec.pinned {
                    self.shelf.ask(key);
                }
            }
            self.shelf.keep_idle(key, idle_ms(&spec));
            model.spec = Arc::new(spec);
            return key;
        }
        self.keys += 1;
        let place = Place::new(wants(&spec, &outlined, bytes_max), spec.pinned, idle_ms(&spec));
        self.shelf.add(self.keys, base.map_or(place.clone(), |base| place.over(base)));
        if spec.pinned {
            self.shelf.ask(self.keys);
        }
        let model = Model {
            spec: Arc::new(spec),
            context_tokens: outlined.context_tokens,
            outlined: Arc::new(outlined),
            backend: None,
            tunes: None,
            counter: words::Counter::default(),
            changed: Arc::default(),
            progress: Arc::default(),
            trouble: None,
            troubles: 0,
            retired: false,
        };
        self.all.insert(self.keys, model);
        self.keys
    }

    /// The models that are declared now.
    pub(super) fn declared(&self) -> impl Iterator<Item = (Key, &Model)> {
        self.all.iter().filter(|(_, model)| !model.retired).map(|(key, model)| (*key, model))
    }

    /// The model, or one that is tuned of it, that is pinned.
    pub(super) fn pinned(&self, key: Key) -> Option<ModelId> {
        let is_pinned = |key: &Key| self.shelf.place(*key).is_some_and(|place| place.pinned);
        let pinned = self.shelf.family(key).into_iter().find(is_pinned)?;
        self.all.get(&pinned).map(|model| model.spec.id.clone())
    }

    /// The model of this id that is declared now.
    pub(super) fn find(&self, id: &ModelId) -> Option<Key> {
        self.declared().find(|(_, model)| model.spec.id == *id).map(|(key, _)| key)
    }
}

/// Whether what one was loaded by serves the other as well.
fn loads_alike(one: &Spec, other: &Spec) -> bool {
    let what = |spec: &Spec| {
        (spec.id.clone(), spec.path.clone(), spec.context_tokens_max, spec.kv_bytes_max, spec.kv)
    };
    what(one) == what(other)
}

fn idle_ms(spec: &Spec) -> Option<u64> {
    spec.idle.map(|idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX))
}

/// The memory that a model wants: its weights, and keys and values of one short context at least.
fn wants(spec: &Spec, outlined: &Outlined, bytes_max: u64) -> Wants {
    let Outlined { bytes, kv_token_bytes, context_tokens, .. } = *outlined;
    let kv = |tokens: usize| (tokens as u64).saturating_mul(kv_token_bytes);
    let least = kv(context_tokens.min(CONTEXT_TOKENS_MIN));
    match spec.kv_bytes_max {
        Some(declared) => Wants { least: bytes + declared, most: bytes + declared },
        None => {
            let usual = (bytes_max / KV_SHARE).max(kv(context_tokens)).min(KV_BYTES_MAX).max(least);
            let most = if kv_token_bytes == 0 { 0 } else { usual };
            Wants { least: bytes + least, most: bytes + most }
        }
    }
}

fn gone() -> Fault {
    Fault::new(Kind::NoCapacity, "This model is no longer served. Retry, or list the models that are.")
}

fn told(fault: &Fault) -> Trouble {
    match fault.kind() {
        Kind::NoCapacity => Trouble::NotNow(fault.clone()),
        _ => Trouble::Broken(fault.clone()),
    }
}

/// Why the shelf refuses a model.
fn refusal(why: Refusal, spec: &Spec, least: u64, bytes_max: u64) -> Fault {
    let (least, most) = (show_size(least), show_size(bytes_max));
    let message = match (why, &spec.base) {
        (Refusal::TooLarge, Some(base)) => format!(
            "{} needs {least} of memory beside {base}, and all models together may take {most}. Unload {base}, which then \
             leaves room for what is tuned of it, or raise --model-memory-max.",
            spec.id
        ),
        (Refusal::TooLarge, None) => format!(
            "{} needs {least} of memory, and all models together may take {most}. Raise --model-memory-max, or serve a smaller file.",
            spec.id
        ),
        (Refusal::Pinned, _) => format!(
            "{} needs {least} of memory, which pinned models leave no room for in {most}. Unpin one, or raise --model-memory-max.",
            spec.id
        ),
    };
    Fault::new(Kind::NoCapacity, message)
}

#[cfg(test)]
mod tests;
