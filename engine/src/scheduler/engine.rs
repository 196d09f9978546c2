use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use canon::Fault;

use super::queue::{Queue, draining};
use super::{Next, Options, Sequence};
use crate::kernels::Kernels;
use crate::kv::{Held, Kv};
use crate::model::{Batch, Model, Row, Scratch};

/// The model, and the sequences that it computes.
pub(super) struct Engine {
    model: Model,
    kernels: Kernels,
    kv: Kv,
    scratch: Scratch,
    /// In the order in which they were admitted.
    running: Vec<Running>,
    /// Next to be admitted: what was put off for want of pages, or one that was taken from the queue.
    ready: VecDeque<Running>,
    step_tokens_max: usize,
    sequences_max: usize,
}

/// A sequence that was taken from the queue.
struct Running {
    sequence: Box<dyn Sequence>,
    /// The prompt, and what was generated.
    tokens: Vec<u32>,
    /// How many of them the pages hold keys and values of.
    computed: usize,
    /// How many tokens are generated at most.
    tokens_left: usize,
    held: Held,
    /// How many of its rows this step computes.
    rows: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    /// It wants nothing more.
    Done,
    /// Its choice of a token failed.
    Broken,
}

impl Running {
    fn new(sequence: Box<dyn Sequence>) -> Self {
        let (tokens, tokens_left) = (sequence.prompt().to_vec(), sequence.tokens_max());
        Self {
            sequence,
            tokens,
            computed: 0,
            tokens_left,
            held: Held::default(),
            rows: 0,
            state: State::Active,
        }
    }

    const fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Chooses the next token by the logits.
    fn choose(&mut self, logits: &mut [f32]) {
        let vocabulary = logits.len();
        let sequence = &mut self.sequence;
        // A fault in one sequence's sampling must not end the others.
        let next = catch_unwind(AssertUnwindSafe(|| sequence.next(logits)));
        self.state = match next {
            Ok(Next::Token(token)) if (token as usize) < vocabulary => {
                self.tokens.push(token);
                self.tokens_left -= 1;
                if self.tokens_left == 0 { State::Done } else { State::Active }
            }
            Ok(Next::End) => State::Done,
            Ok(Next::Token(_)) | Err(_) => State::Broken,
        };
    }
}

impl Engine {
    pub(super) fn new(model: Model, kernels: Kernels, kv: Kv, options: &Options) -> Self {
        let scratch = Scratch::new(&model.config);
        let sequences_max = options.sequences_max.max(1);
        // Every sequence that answers has its row in every step.
        let step_tokens_max = options.step_tokens_max.max(sequences_max);
        let (running, ready) = (Vec::new(), VecDeque::new());
        Self { model, kernels, kv, scratch, running, ready, step_tokens_max, sequences_max }
    }

    /// Computes until the queue is closed.
    pub(super) fn run(mut self, queue: &Queue) {
        let end = catch_unwind(AssertUnwindSafe(|| self.serve(queue)));
        let fault = if end.is_ok() { draining() } else { Fault::internal("the engine panicked") };
        let admitted = self.running.drain(..).chain(self.ready.drain(..)).map(|running| running.sequence);
        admitted.chain(queue.drain()).for_each(|mut sequence| sequence.fail(fault.clone()));
        queue.set_running(0);
    }

    fn serve(&mut self, queue: &Queue) {
        while !queue.closed() {
            self.drop_finished();
            self.admit(queue);
            queue.set_running(self.running.len());
            if self.running.is_empty() {
                self.kv.rest();
                queue.wait();
                continue;
            }
            self.plan();
            self.step();
        }
    }

    /// Lets go of what is complete, broken or given up.
    fn drop_finished(&mut self) {
        self.ready.retain(|running| !running.sequence.cancelled());
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

    /// Starts sequences in order, as long as there are pages for what they have yet to compute, and one more for each
    /// that is answering.
    fn admit(&mut self, queue: &Queue) {
        while self.running.len() < self.sequences_max {
            if self.ready.is_empty() {
                self.ready.extend(queue.take().map(Running::new));
            }
            let Some(first) = self.ready.front_mut() else { return };
            let spare = self.running.len();
            if !self.kv.hold(&mut first.held, first.tokens.len()) || self.kv.free_pages() < spare {
                self.kv.give_back(&mut first.held);
                return;
            }
            self.running.extend(self.ready.pop_front());
        }
    }

    /// Decides how many rows of each sequence the step computes: one of each that answers, then prompts in order.
    fn plan(&mut self) {
        let mut at = 0;
        while at < self.running.len() {
            let wanted = self.running[at].tokens.len();
            if self.kv.hold(&mut self.running[at].held, wanted) {
                at += 1;
            } else {
                self.put_off_last();
            }
        }
        let answering = self.running.iter().filter(|running| running.pending() == 1).count();
        let mut left = self.step_tokens_max - answering;
        for running in &mut self.running {
            running.rows = match running.pending() {
                1 => 1,
                pending => pending.min(left),
            };
            if running.pending() > 1 {
                left -= running.rows;
            }
        }
    }

    /// Takes the pages of the sequence that came last; it is computed again when there is room. The one that came first
    /// keeps its pages and fits by itself, so something always goes on.
    fn put_off_last(&mut self) {
        if let Some(mut last) = self.running.pop() {
            tracing::debug!(tokens = last.tokens.len(), "a sequence is put off for want of memory");
            self.kv.give_back(&mut last.held);
            last.computed = 0;
            self.ready.push_front(last);
        }
    }

    fn step(&mut self) {
        let mut rows = Vec::new();
        for (number, running) in self.running.iter().enumerate() {
            let positions = running.computed..running.computed + running.rows;
            let last = running.tokens.len() - 1;
            rows.extend(positions.map(|position| Row {
                sequence: number,
                position,
                token: running.tokens[position],
                logits: position == last,
            }));
        }
        let batch = Batch { rows, pages: self.running.iter().map(|running| running.held.pages()).collect() };
        self.model.step(&mut self.kernels, &mut self.kv.cache, &batch, &mut self.scratch);
        self.running.iter_mut().for_each(|running| running.computed += running.rows);
        let choosing = self.running.iter_mut().filter(|running| running.pending() == 0);
        let logits = &mut self.scratch.logits;
        let mut choices: Vec<_> = choosing.zip(logits.data.chunks_exact_mut(logits.len)).collect();
        // Masks of grammars take long, so each sequence chooses on whatever thread is free.
        self.kernels.pool().split(&mut choices, 1, &|_, choices| {
            choices.iter_mut().for_each(|(running, logits)| running.choose(logits));
        });
    }
}
