//! Continuous batching: one engine thread that carries prompts and answers of many sequences in each step.
//!
//! Sequences wait in a bounded queue, and are admitted by tier; among callers, the one who was served least comes first.
//! A step takes one row for each sequence that is answering, fills up with pieces of prompts, as many as let answers go
//! on at an even pace, and guesses ahead where a row more pays. Keys and values are held page by page. A full page is
//! shared by all sequences of a caller that begin with the same tokens, and stays when they are gone. Where pages run
//! out, the sequence that came last in the least urgent tier gives its own back, and is computed again later.
//!
//! None of this changes a token, because a row's logits do not depend on what it is computed with.

mod account;
mod admission;
mod draft;
mod engine;
mod options;
mod pace;
mod parallelism;
mod plan;
mod queue;
mod running;
mod sequence;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use canon::{Fault, Kind};

use crate::gguf::Gguf;
use crate::kernels::{Isa, Kernels};
use crate::kv::Kv;
use crate::model::{Config, Model};
use engine::Engine;
use queue::Queue;

pub use options::Options;
pub use sequence::{Greedy, Keep, Next, Sequence, Supply, Terms};
use work::Counters;
pub use work::Work;

/// A model that runs. Dropping it ends what runs, with [`Kind::Draining`].
pub struct Scheduler {
    queue: Arc<Queue>,
    facts: Facts,
    work: Arc<Counters>,
    config: Config,
    thread: Option<JoinHandle<()>>,
}

/// What a scheduler can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The longest that prompt and answer may be together, in tokens.
    pub context_tokens: usize,
    /// How many tokens there are: the length of a row of logits.
    pub vocabulary: usize,
    /// How many tokens of all sequences have room at the same time.
    pub kv_tokens: usize,
    /// The instructions that the kernels use.
    pub instructions: &'static str,
}

impl Scheduler {
    /// Loads the model and starts its threads. The file is not needed afterwards.
    ///
    /// # Errors
    /// The model is not one that this engine computes, the file lies, or memory for one sequence is not allowed.
    pub fn start(gguf: &Gguf, options: &Options) -> Result<Self, Fault> {
        let isa = Isa::best();
        let mut kernels = Kernels::new(options.threads.max(1), isa)?;
        let model = Model::load(gguf, &mut kernels)?;
        let kv =
            Kv::new(model.config.geometry(options.kv), options.kv_bytes_max).sharing(options.prefix_cache);
        let facts = Facts {
            context_tokens: model.config.context_tokens.min(options.context_tokens_max).min(kv.tokens_max()),
            vocabulary: model.config.vocabulary,
            kv_tokens: kv.tokens_max(),
            instructions: isa.name(),
        };
        if facts.context_tokens == 0 {
            let remedy = "leaves no room for a single token; allow the engine more memory";
            return Err(Fault::unsupported("kv_bytes_max", remedy));
        }
        let model = model.within(facts.context_tokens);
        let queue = Arc::new(Queue::new(options.queue_max));
        let config = model.config.clone();
        let engine = Engine::new(model, kernels, kv, options);
        let work = engine.counters();
        let thread = thread::Builder::new().name("engine-0".to_owned());
        let taken = Arc::clone(&queue);
        let thread = thread.spawn(move || engine.run(&taken)).map_err(Fault::internal)?;
        tracing::info!(?facts, threads = options.threads, "the model is loaded");
        Ok(Self { queue, facts, config, work, thread: Some(thread) })
    }

    /// What it can take.
    #[must_use]
    pub const fn facts(&self) -> Facts {
        self.facts
    }

    /// The model's sizes, which adapters are held against.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Takes a sequence into the queue.
    ///
    /// # Errors
    /// [`Kind::Overloaded`] where the queue is full; [`Kind::ContextExceeded`] where prompt and answer are too long;
    /// [`Kind::Draining`] at the end. The sequence is dropped.
    pub fn submit(&self, sequence: Box<dyn Sequence>) -> Result<(), Fault> {
        let Facts { context_tokens, vocabulary, .. } = self.facts;
        let prompt = sequence.prompt();
        if prompt.is_empty() || prompt.iter().any(|token| *token as usize >= vocabulary) {
            return Err(Fault::internal("a prompt without tokens, or with tokens beyond the vocabulary"));
        }
        let tokens = prompt.len().saturating_add(sequence.tokens_max());
        if tokens > context_tokens {
            let kind = Kind::ContextExceeded { tokens: tokens as u64, tokens_max: context_tokens as u64 };
            return Err(Fault::new(kind, "Input is too long for requested model"));
        }
        if sequence.tokens_max() == 0 {
            return Err(Fault::malformed("", "At least one token must be asked for."));
        }
        self.queue.push(sequence)
    }

    /// What it has done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work.read()
    }

    /// How many sequences wait to be admitted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// How many sequences are being computed.
    #[must_use]
    pub fn running(&self) -> usize {
        self.queue.running()
    }

    /// Ends it: nothing more is taken, and what waits or runs fails with [`Kind::Draining`]. Returns once the engine
    /// has stopped, at the latest after the step that it is in.
    pub fn close(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the engine's thread panicked");
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.close();
    }
}
