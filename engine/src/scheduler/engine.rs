use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use canon::Fault;

use super::Options;
use super::pace::Pace;
use super::parallelism::Parallelism;
use super::queue::{Queue, draining};
use super::running::{Found, Running, State};
use super::work::Counters;
use crate::kernels::Kernels;
use crate::kv::Kv;
use crate::model::{Batch, Model, Row, Scratch};

/// How often the queue is looked through for what was given up or has waited too long.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The model, and the sequences that it computes.
pub(super) struct Engine {
    model: Model,
    kernels: Kernels,
    pub(super) kv: Kv,
    scratch: Scratch,
    pub(super) running: Vec<Running>,
    pub(super) pace: Pace,
    parallelism: Parallelism,
    pub(super) work: Arc<Counters>,
    pub(super) step_tokens_max: usize,
    pub(super) sequences_max: usize,
    pub(super) speculate_tokens_max: usize,
    swept: Instant,
}

impl Engine {
    pub(super) fn new(model: Model, mut kernels: Kernels, kv: Kv, options: &Options) -> Self {
        let scratch = Scratch::new(&model.config);
        let parallelism = Parallelism::new(kernels.threads());
        // What was waited for while the model was loaded says nothing of steps.
        kernels.pool().take_held();
        let sequences_max = options.sequences_max.max(1);
        Self {
            model,
            kernels,
            kv,
            scratch,
            running: Vec::new(),
            pace: Pace::default(),
            parallelism,
            work: Arc::default(),
            // Every sequence that answers has its row in every step.
            step_tokens_max: options.step_tokens_max.max(sequences_max),
            sequences_max,
            speculate_tokens_max: options.speculate_tokens_max,
            swept: Instant::now(),
        }
    }

    /// What it counts.
    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.work)
    }

    /// Computes until the queue is closed.
    pub(super) fn run(mut self, queue: &Queue) {
        let end = catch_unwind(AssertUnwindSafe(|| {
            while !queue.closed() {
                if !self.turn(queue, Instant::now()) {
                    queue.wait(self.kv.rest());
                }
            }
        }));
        let fault = if end.is_ok() { draining() } else { Fault::internal("the engine panicked") };
        let admitted = std::mem::take(&mut self.running).into_iter();
        admitted.chain(queue.drain()).for_each(|mut running| running.sequence.fail(fault.clone()));
        queue.set_running(0);
    }

    /// Lets in what has come, and computes a step; false where nothing runs.
    pub(super) fn turn(&mut self, queue: &Queue, now: Instant) -> bool {
        self.kv.tick(now);
        if now.saturating_duration_since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            queue.sweep(now);
        }
        self.drop_finished();
        self.admit(queue);
        queue.set_running(self.running.len());
        if self.running.is_empty() {
            return false;
        }
        let start = Instant::now();
        self.plan(queue);
        let load = self.load();
        self.kernels.pool().limit(self.parallelism.threads());
        self.step();
        let took = start.elapsed();
        self.pace.note(load, took);
        self.parallelism.note(self.pace.predict(load), took, self.kernels.pool().take_held());
        true
    }

    /// Lets go of what is complete, broken or given up.
    fn drop_finished(&mut self) {
        for running in &mut self.running {
            if running.state == State::Broken {
                running.sequence.fail(Fault::internal("a token could not be chosen"));
            }
            if running.state != State::Active || running.sequence.cancelled() {
                running.state = State::Done;
                self.kv.give_back(&mut running.held);
            }
        }
        self.running.retain(|running| running.state == State::Active);
    }

    /// Computes the rows that were planned, and chooses by what they come to.
    fn step(&mut self) {
        let mut rows = Vec::new();
        for (number, running) in self.running.iter().enumerate() {
            let positions = running.computed..running.computed + running.rows;
            let first_choice = positions.end - running.choices();
            rows.extend(positions.map(|position| Row {
                sequence: number,
                position,
                token: running.token(position),
                logits: position >= first_choice,
            }));
        }
        debug_assert!(!rows.is_empty(), "what comes first always goes on");
        let mut choosing = self.running.iter_mut().filter(|running| running.choices() > 0);
        let batch = Batch {
            rows,
            wants_likeliest: choosing.all(|running| running.sequence.as_greedy().is_some()),
            pages: self.running.iter().map(|running| running.held.pages()).collect(),
            adapters: self.running.iter().map(|running| running.adapter.as_deref()).collect(),
        };
        self.model.step(&mut self.kernels, &mut self.kv.cache, &batch, &mut self.scratch);
        self.work.steps.add(1);
        self.choose();
    }

    /// Every sequence whose prompt is complete chooses what it says next.
    fn choose(&mut self) {
        let Scratch { logits, likeliest, .. } = &mut self.scratch;
        let vocabulary = logits.len;
        let mut found: Box<dyn Iterator<Item = Found<'_>>> = match likeliest {
            Some(tokens) => Box::new(tokens.iter().map(|token| Found::Likeliest(*token))),
            None => Box::new(logits.data.chunks_exact_mut(vocabulary).map(Found::Logits)),
        };
        let mut choices = Vec::new();
        for running in &mut self.running {
            let (chosen, rows) = (running.choices(), running.rows);
            running.account.charge(rows);
            if running.is_new() || !running.is_answering() {
                self.work.prompt_rows.add(rows);
            }
            running.advance(&mut self.kv);
            if chosen > 0 {
                if running.is_new() {
                    running.prepared(&mut self.kv);
                }
                choices.push((running, found.by_ref().take(chosen).collect::<Vec<_>>()));
            }
        }
        let work = &*self.work;
        // Masks of grammars take long, so each sequence chooses on whatever thread is free.
        self.kernels.pool().split(&mut choices, 1, &|_, choices| {
            for (running, found) in choices {
                let guessed = running.draft.len();
                let right = running.choose(found.drain(..), vocabulary);
                running.trusts.of(running.found_by).learn(guessed, right);
                work.guessed_tokens.add(guessed);
                work.right_tokens.add(right);
            }
        });
    }
}
