//! What a model file is, and what runs it. A new kind of model is known here and nowhere else in this room.

use std::path::Path;
use std::sync::Arc;

use canon::{Backend, Capabilities, Fault, Modality, Request};
use engine::{AdapterOutline, Encoder, EncoderOptions, EncoderOutline, Engine, Options, Outline, Words};

use super::{Spec, memory};

/// What is known of a model before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outlined {
    pub(crate) capabilities: Capabilities,
    pub(crate) input: Vec<Modality>,
    pub(crate) output: Vec<Modality>,
    /// Prompt and answer together, in tokens.
    pub(crate) context_tokens: usize,
    /// What it takes without keys and values: an estimate.
    pub(crate) bytes: u64,
    /// What the keys and values of a token take; 0 for a model that keeps none.
    pub(crate) kv_token_bytes: u64,
}

/// A model in memory.
pub(crate) struct Opened {
    pub(crate) backend: Arc<dyn Backend>,
    /// Prompt and answer together, in tokens, with the memory that it was given.
    pub(crate) context_tokens: usize,
    /// What puts adapters over it, if it takes any.
    pub(crate) tunes: Option<Arc<dyn Tunes>>,
}

/// A model in memory that adapters can be put over.
pub(crate) trait Tunes: Send + Sync {
    /// The tuned model that the adapter at this path makes of it. Takes a moment, and is no work for an executor.
    ///
    /// # Errors
    /// The adapter cannot be read, or is for another model.
    fn tune(&self, adapter: &Path) -> Result<Arc<dyn Backend>, Fault>;
}

/// The base is an engine, whose weights and threads its tuned models share.
struct Base(Arc<Engine>);

impl Tunes for Base {
    fn tune(&self, adapter: &Path) -> Result<Arc<dyn Backend>, Fault> {
        Ok(Arc::new(self.0.tune(adapter)?))
    }
}

/// Counts the tokens of a request's prompt.
pub(crate) type Count = Box<dyn Fn(&Request) -> Result<u64, Fault> + Send + Sync>;

/// Hears how far a load is: bytes of tensors that are in place, and all of them.
pub(crate) type Tell = Box<dyn Fn(u64, u64) + Send + Sync>;

/// What can outline and open a model: the kinds below, and what tests put in their place.
pub(crate) trait Kinds: Send + Sync + 'static {
    /// What the model at the path of `spec` is. Reads no weights.
    ///
    /// # Errors
    /// It is no model that can be run here.
    fn outline(&self, spec: &Spec) -> Result<Outlined, Fault>;

    /// The memory that the adapter of `tuned` takes over the model of `base`. Reads no weights.
    ///
    /// # Errors
    /// It is no adapter for this model.
    fn adapter_bytes(&self, tuned: &Spec, base: &Spec) -> Result<u64, Fault>;

    /// What counts the tokens of prompts for it without loading it; `None` where only the loaded model can. Takes a
    /// moment, and is no work for an executor.
    ///
    /// # Errors
    /// The model says nothing about words that is known here.
    fn count(&self, spec: &Spec) -> Result<Option<Count>, Fault>;

    /// Loads it, with so much memory for keys and values. Takes seconds, and is no work for an executor.
    ///
    /// # Errors
    /// It cannot be loaded.
    fn open(&self, spec: &Spec, kv_bytes_max: u64, tell: Tell) -> Result<Opened, Fault>;

    /// What this process holds now, by which a load is measured; `None` where that cannot be said.
    fn held_bytes(&self) -> Option<u64>;
}

/// The kinds of models that the engine runs.
pub(crate) struct Files {
    /// The engine's threads; `None` takes one a core.
    pub(crate) threads: Option<usize>,
}

impl Files {
    fn options(&self, spec: &Spec) -> Options {
        let usual = Options::default();
        Options {
            threads: self.threads.unwrap_or(usual.threads),
            context_tokens_max: spec.context_tokens_max.unwrap_or(usual.context_tokens_max),
            kv: spec.kv,
            ..usual
        }
    }
}

impl Kinds for Files {
    fn outline(&self, spec: &Spec) -> Result<Outlined, Fault> {
        readable(&spec.path)?;
        if EncoderOutline::is_at(&spec.path) {
            let EncoderOutline { capabilities, facts, bytes } = EncoderOutline::read(&spec.path)?;
            let (input, output) = (vec![Modality::Text], vec![Modality::Embedding]);
            let context_tokens = facts.text_tokens_max;
            return Ok(Outlined { capabilities, input, output, context_tokens, bytes, kv_token_bytes: 0 });
        }
        let Outline { capabilities, context_tokens, bytes, kv_token_bytes } =
            Outline::read(&spec.path, &self.options(spec))?;
        Ok(Outlined {
            capabilities,
            input: vec![Modality::Text],
            output: vec![Modality::Text],
            context_tokens,
            bytes,
            kv_token_bytes,
        })
    }

    fn adapter_bytes(&self, tuned: &Spec, base: &Spec) -> Result<u64, Fault> {
        readable(&tuned.path)?;
        if EncoderOutline::is_at(&base.path) {
            let remedy = "a model that makes embeddings takes no adapters; name one that writes text";
            return Err(Fault::unsupported("base", remedy));
        }
        Ok(AdapterOutline::read(&tuned.path, &base.path)?.bytes)
    }

    fn count(&self, spec: &Spec) -> Result<Option<Count>, Fault> {
        if EncoderOutline::is_at(&spec.path) {
            return Ok(None);
        }
        let words = Words::read(&spec.path)?;
        Ok(Some(Box::new(move |request| words.count(request))))
    }

    fn open(&self, spec: &Spec, kv_bytes_max: u64, tell: Tell) -> Result<Opened, Fault> {
        if EncoderOutline::is_at(&spec.path) {
            // Half of the threads: text is usually written at the same time.
            let usual = EncoderOptions::default();
            let threads = self.threads.map_or(usual.threads, |threads| threads.div_ceil(2));
            let encoder = Encoder::load(&spec.path, &EncoderOptions { threads })?;
            return Ok(Opened {
                context_tokens: encoder.facts().text_tokens_max,
                backend: Arc::new(encoder),
                tunes: None,
            });
        }
        let kv_bytes_max = usize::try_from(kv_bytes_max).unwrap_or(usize::MAX);
        let options = Options { kv_bytes_max, ..self.options(spec) };
        let engine = Arc::new(Engine::load_watched(&spec.path, &options, tell)?);
        let tunes: Arc<dyn Tunes> = Arc::new(Base(Arc::clone(&engine)));
        Ok(Opened { context_tokens: engine.facts().context_tokens, backend: engine, tunes: Some(tunes) })
    }

    fn held_bytes(&self) -> Option<u64> {
        memory::held_bytes()
    }
}

/// The system's own words for what cannot be read.
fn readable(path: &Path) -> Result<(), Fault> {
    let found = std::fs::metadata(path);
    found.map(drop).map_err(|error| Fault::malformed(path.display().to_string(), error))
}
