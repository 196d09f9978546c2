//! Tuned models: an engine's model with an adapter.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon::{Backend, BoxFuture, Capabilities, Fault, Generation, Request};

use super::Engine;
use crate::adapter::Adapter;
use crate::gguf::Gguf;
use crate::model::Config;

/// More adapters than anyone keeps at hand; each takes some megabytes.
const ADAPTERS_MAX: usize = 4096;

/// The adapters of an engine, by their names.
#[derive(Default)]
pub(super) struct Adapters(Mutex<Loaded>);

#[derive(Default)]
struct Loaded {
    by_name: BTreeMap<String, Arc<Adapter>>,
    /// How many were ever loaded, which numbers them.
    count: u32,
}

/// What an adapter will take, before it is loaded: see [`Engine::tune`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterOutline {
    /// The memory that it will take, in bytes.
    pub bytes: u64,
}

impl AdapterOutline {
    /// Holds the adapter at `path` (a PEFT folder or a GGUF file) against the model at `base`, by names and shapes. Reads
    /// no weights of either.
    ///
    /// # Errors
    /// As for [`Engine::load_adapter`], as far as names and shapes tell; what is wrong with the base.
    pub fn read(path: &Path, base: &Path) -> Result<Self, Fault> {
        let config = Config::read(&Gguf::open(base)?)?;
        Ok(Self { bytes: Adapter::outline(path, &config)? as u64 })
    }
}

/// What is known of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterFacts {
    /// The name that it was loaded under.
    pub name: String,
    /// The memory that it takes.
    pub bytes: usize,
}

impl Adapters {
    fn lock(&self) -> MutexGuard<'_, Loaded> {
        // Nothing that holds the lock can leave the table half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other adapter has had. Zero is the model's own.
    fn number(&self) -> Result<u32, Fault> {
        let mut loaded = self.lock();
        loaded.count = loaded
            .count
            .checked_add(1)
            .ok_or_else(|| Fault::unsupported("adapter", "no more can be loaded; restart the engine"))?;
        Ok(loaded.count)
    }
}

impl Engine {
    /// Loads an adapter (a PEFT folder or a GGUF file) under a name, while requests run. One that had the name goes, but
    /// stays in memory for the requests that it has begun. Takes a moment, and is no work for an executor.
    ///
    /// # Errors
    /// The adapter cannot be read, is of a kind that is not computed here, or is for another model; the fault names the
    /// member or the tensor. Nothing has changed then.
    pub fn load_adapter(&self, name: &str, path: &Path) -> Result<(), Fault> {
        let adapter = Adapter::open(path, self.scheduler.config(), self.adapters.number()?)?;
        let mut loaded = self.adapters.lock();
        if loaded.by_name.len() >= ADAPTERS_MAX && !loaded.by_name.contains_key(name) {
            let remedy = format!("{ADAPTERS_MAX} are loaded, the most that can be; unload one");
            return Err(Fault::unsupported("adapter", remedy));
        }
        tracing::info!(name, bytes = adapter.bytes(), "an adapter is loaded");
        loaded.by_name.insert(name.to_owned(), Arc::new(adapter));
        Ok(())
    }

    /// The tuned model that an adapter (a PEFT folder or a GGUF file) makes of this one, without a name: the adapter goes
    /// with the last handle on it. Takes a moment, and is no work for an executor.
    ///
    /// # Errors
    /// As for [`Self::load_adapter`].
    pub fn tune(self: &Arc<Self>, path: &Path) -> Result<Tuned, Fault> {
        let adapter = Adapter::open(path, self.scheduler.config(), self.adapters.number()?)?;
        Ok(Tuned { engine: Arc::clone(self), adapter: Arc::new(adapter) })
    }

    /// Lets go of an adapter, and says whether there was one of this name. Requests that it has begun keep it to their
    /// end.
    pub fn unload_adapter(&self, name: &str) -> bool {
        self.adapters.lock().by_name.remove(name).is_some()
    }

    /// The adapters that are loaded, by name.
    #[must_use]
    pub fn adapters(&self) -> Vec<AdapterFacts> {
        let loaded = self.adapters.lock();
        let facts = |(name, adapter): (&String, &Arc<Adapter>)| AdapterFacts {
            name: name.clone(),
            bytes: adapter.bytes(),
        };
        loaded.by_name.iter().map(facts).collect()
    }

    /// The tuned model that an adapter makes of this one: a backend over the same weights and threads. It is the adapter
    /// that has the name now; it lives as long as this does.
    ///
    /// # Errors
    /// [`canon::Kind::UnknownModel`] where no adapter has the name.
    pub fn tuned(self: &Arc<Self>, name: &str) -> Result<Tuned, Fault> {
        let adapter = self.adapters.lock().by_name.get(name).cloned().ok_or_else(Fault::unknown_model)?;
        Ok(Tuned { engine: Arc::clone(self), adapter })
    }
}

/// A model of this process with an adapter.
pub struct Tuned {
    engine: Arc<Engine>,
    adapter: Arc<Adapter>,
}

impl Backend for Tuned {
    fn capabilities(&self) -> &Capabilities {
        self.engine.capabilities()
    }

    fn count<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        self.engine.count(request)
    }

    fn generate(&self, request: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(self.engine.start(request, Some(Arc::clone(&self.adapter))))
    }
}

#[cfg(test)]
mod tests;
