//! The estate file: what compute there is besides this process, and what it serves.
//!
//! It is read in two phases. [`raw`] takes the text apart into tables whose members have the right kinds and no strangers
//! among them; [`resolve`] follows references, fetches secrets and fills in defaults. What comes out needs nothing more:
//! nobody downstream merges options. Whatever is wrong is an [`EstateFault`] that names the place and the remedy.
//!
//! `docs/reference/estate.md` is its reference.

mod fault;
mod raw;
mod resolve;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use canon::{Capabilities, ModelId, Secret};
use engine::KvType;
use providers::Deadlines;
use providers::openai::{self, Counter, Dialect};
use sha2::{Digest as _, Sha256};

pub use fault::EstateFault;
use fault::Sheet;

/// The file's size.
pub const ESTATE_BYTES_MAX: u64 = 1 << 20;
/// `[[provider]]` tables.
pub const PROVIDERS_MAX: usize = 256;
/// `[[deployment]]` tables.
pub const DEPLOYMENTS_MAX: usize = 4096;
/// `[[model]]` tables.
pub const MODELS_MAX: usize = 256;

/// What an estate file declares, resolved.
#[derive(Clone, Debug)]
pub struct Estate {
    /// The file.
    pub file: PathBuf,
    /// The SHA-256 of its text, in hexadecimal. Secrets lie elsewhere and are no part of it.
    pub sha256: String,
    /// Who runs compute, in the file's order.
    pub providers: Vec<Arc<Provider>>,
    /// What they serve, in the file's order.
    pub deployments: Vec<Deployment>,
    /// What this process serves itself, in the file's order.
    pub models: Vec<Model>,
}

/// A server that speaks OpenAI's Chat Completions.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name, unique.
    pub name: String,
    /// Where its API begins, without a slash at the end.
    pub base_url: String,
    /// Its key, if it wants one.
    pub api_key: Option<Secret>,
    /// What it takes.
    pub dialect: Dialect,
    /// How it counts tokens.
    pub counter: Counter,
    /// How long to wait for it.
    pub deadlines: Deadlines,
}

/// A model that this process serves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its id, unique.
    pub id: ModelId,
    /// Its file or folder, or a tuned model's adapter; `None` for a known model, which lies in the cache.
    pub path: Option<PathBuf>,
    /// The model that its adapter changes, if it is a tuned one.
    pub base: Option<ModelId>,
    /// The name that people use.
    pub name: Option<String>,
    /// It is loaded at the start, and stays.
    pub pinned: bool,
    /// Prompt and answer together, in tokens, where the model allows more.
    pub context_tokens_max: Option<usize>,
    /// Memory for its keys and values.
    pub kv_bytes_max: Option<u64>,
    /// How they are kept, where it differs from other models.
    pub kv: Option<KvType>,
    /// It is unloaded when nobody has called it for so long.
    pub idle: Option<Duration>,
}

/// One model served by one provider.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its name, unique.
    pub name: String,
    /// The model, as callers name it.
    pub model: ModelId,
    /// Who serves it.
    pub provider: Arc<Provider>,
    /// What the provider calls the model.
    pub upstream_model: String,
    /// What the model can do there.
    pub capabilities: Capabilities,
    /// Prompt and answer together, in tokens.
    pub context_tokens_max: Option<u64>,
    /// Calls that may run at once.
    pub calls_max: usize,
}

impl Estate {
    /// Reads the file at `path`. `env` looks up a variable of the environment.
    ///
    /// # Errors
    /// The first thing in it that cannot be used.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, EstateFault> {
        let text = fault::read(path, ESTATE_BYTES_MAX)?;
        let sheet = Sheet::new(path, &text);
        let raw = raw::read(&sheet)?;
        let (providers, deployments, models) = resolve::resolve(&sheet, raw, env)?;
        let sha256 = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file: path.to_owned(), sha256, providers, deployments, models })
    }
}

impl Deployment {
    /// What a backend for it is made from.
    #[must_use]
    pub fn config(&self) -> openai::Config {
        openai::Config {
            name: self.provider.name.clone(),
            base_url: self.provider.base_url.clone(),
            api_key: self.provider.api_key.clone(),
            upstream_model: self.upstream_model.clone(),
            dialect: self.provider.dialect,
            counter: self.provider.counter,
            capabilities: self.capabilities.clone(),
            deadlines: self.provider.deadlines,
            calls_max: self.calls_max,
        }
    }
}

#[cfg(test)]
mod tests;
