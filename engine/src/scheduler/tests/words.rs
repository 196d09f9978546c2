//! Sequences that choose as answers do, and an engine that is driven step by step.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use canon::{Fault, Kind, Sampling};

use super::super::engine::Engine;
use super::super::queue::Queue;
use super::super::{Next, Options, Sequence, Supply, Terms};
use crate::gguf::{Gguf, TensorType};
use crate::kernels::{Isa, Kernels, KvType};
use crate::kv::Kv;
use crate::model::Model;
use crate::sample_model::{VOCABULARY, tiny};
use crate::sampler::Sampler;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ask {
    pub(super) prompt: Vec<u32>,
    pub(super) tokens_max: usize,
    /// `None` takes the likeliest always.
    pub(super) seed: Option<u64>,
}

/// What is seen of a sequence from outside.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) tokens: Vec<u32>,
    pub(super) supply: Option<Supply>,
    pub(super) failed: Option<Kind>,
    pub(super) dropped: bool,
}

#[derive(Clone, Default)]
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    given_up: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn see<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap())
    }

    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> usize {
        self.see(|seen| seen.tokens.len())
    }
}

struct Words {
    ask: Ask,
    terms: Terms,
    sampler: Sampler,
    watch: Watch,
}

impl Sequence for Words {
    fn prompt(&self) -> &[u32] {
        &self.ask.prompt
    }

    fn tokens_max(&self) -> usize {
        self.ask.tokens_max
    }

    fn terms(&self) -> Terms {
        self.terms.clone()
    }

    fn cancelled(&self) -> bool {
        self.watch.given_up.load(Ordering::Relaxed)
    }

    fn prepared(&mut self, supply: Supply) {
        self.watch.see(|seen| assert_eq!(seen.supply.replace(supply), None));
    }

    fn next(&mut self, logits: &mut [f32]) -> Next {
        let token = self.sampler.choose(logits).unwrap();
        self.watch.see(|seen| {
            assert!(seen.supply.is_some() && !seen.dropped);
            seen.tokens.push(token);
        });
        Next::Token(token)
    }

    fn fail(&mut self, fault: Fault) {
        self.watch.see(|seen| seen.failed = Some(fault.kind().clone()));
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        self.watch.see(|seen| seen.dropped = true);
    }
}

impl Ask {
    pub(super) fn sequence(&self, terms: Terms) -> (Box<dyn Sequence>, Watch) {
        let temperature = Some(if self.seed.is_some() { 0.8 } else { 0.0 });
        let sampling = Sampling { temperature, seed: self.seed, ..Sampling::default() };
        let watch = Watch::default();
        let (ask, sampler) = (self.clone(), Sampler::new(&sampling, 0));
        (Box::new(Words { ask, terms, sampler, watch: watch.clone() }), watch)
    }
}

/// A text of one of a few families, which repeats itself.
pub(super) fn text(family: u32, len: usize) -> Vec<u32> {
    (0..len as u32).map(|at| (at % 23 * (family + 3) + at / 60 * 5 + family) % VOCABULARY as u32).collect()
}

/// An engine that computes a step when it is told to.
pub(super) struct Driven {
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    pub(super) now: Instant,
}

impl Driven {
    pub(super) fn new(options: &Options) -> Self {
        let gguf = Gguf::from_bytes(tiny(&[TensorType::Q4_1, TensorType::Q8_0]).bytes()).unwrap();
        let mut kernels = Kernels::new(options.threads, Isa::best()).unwrap();
        let model = Model::load(&gguf, &mut kernels).unwrap();
        let kv =
            Kv::new(model.config.geometry(options.kv), options.kv_bytes_max).sharing(options.prefix_cache);
        let engine = Engine::new(model, kernels, kv, options);
        Self { engine, queue: Queue::new(options.queue_max), now: Instant::now() }
    }

    pub(super) fn push(&self, ask: &Ask, terms: Terms) -> Watch {
        let (sequence, watch) = ask.sequence(terms);
        drop(self.queue.push(sequence));
        watch
    }

    /// One step; false where nothing runs. Everything that the pages promise is checked.
    pub(super) fn turn(&mut self) -> bool {
        self.now += Duration::from_millis(10);
        let runs = self.engine.turn(&self.queue, self.now);
        self.engine.kv.check(self.engine.running.iter().map(|running| &running.held));
        runs
    }

    /// Steps until nothing runs.
    pub(super) fn finish(&mut self) {
        let turns = (0..100_000).take_while(|_| self.turn()).count();
        assert!(turns < 100_000, "something never ends");
        assert_eq!(self.queue.waiting(), 0);
    }
}

/// What each ask is answered by an engine that computes it alone, all at once, without any art.
#[derive(Default)]
pub(super) struct Alone {
    kv: KvType,
    driven: Option<Driven>,
    known: HashMap<Ask, Vec<u32>>,
}

impl Alone {
    pub(super) fn keeping(kv: KvType) -> Self {
        Self { kv, ..Self::default() }
    }

    pub(super) fn answer(&mut self, ask: &Ask) -> Vec<u32> {
        let driven = self.driven.get_or_insert_with(|| {
            Driven::new(&Options {
                threads: 1,
                step_tokens_max: 512,
                prefix_cache: false,
                speculate_tokens_max: 0,
                kv: self.kv,
                ..Options::default()
            })
        });
        let answer = self.known.entry(ask.clone()).or_insert_with(|| {
            let watch = driven.push(ask, Terms::default());
            driven.finish();
            watch.see(|seen| seen.tokens.clone())
        });
        answer.clone()
    }
}
