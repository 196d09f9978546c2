//! Where calls wait, and the thread that computes them in batches.
//!
//! A batch takes one text of each waiting call in turn until it is full, so that a call with one text does not wait for a
//! call with a thousand.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use canon::{Event, Fault, Finish, Kind, StopReason, Usage};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

use super::forward::{Model, Text};
use crate::kernels::Kernels;

/// Tokens that one batch may have, unless its only text has more.
const BATCH_TOKENS_MAX: usize = 1024;
/// Calls that may wait.
const CALLS_MAX: usize = 1024;
/// Tokens that may wait, in all calls together.
const TOKENS_MAX: usize = 4 << 20;

/// The vectors of a call as they are made. Dropping it gives the call up. It holds no more than the call's vectors, whose
/// number the call bounds.
pub(super) type Vectors = UnboundedReceiver<Result<Event, Fault>>;

/// Calls that wait, and the thread that computes them.
pub(super) struct Queue {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Call>,
    tokens: usize,
    over: bool,
}

/// A call of which some texts are still to be taken.
struct Call {
    texts: VecDeque<Vec<u32>>,
    next: u32,
    tokens: u64,
    normalise: bool,
    sender: Arc<UnboundedSender<Result<Event, Fault>>>,
}

/// A text that was taken.
struct Taken {
    tokens: Vec<u32>,
    normalise: bool,
    number: u32,
    /// The call's usage, where this is its last text.
    last: Option<Usage>,
    sender: Arc<UnboundedSender<Result<Event, Fault>>>,
}

impl Queue {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(super) fn start(model: Model, kernels: Kernels) -> Result<Self, Fault> {
        let shared = Arc::new(Shared::default());
        let worker = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("encoder".into());
        let thread = builder.spawn(move || worker.work(model, kernels)).map_err(Fault::internal)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Puts a call of at least one text in line.
    ///
    /// # Errors
    /// [`Kind::Overloaded`] where too many wait.
    pub(super) fn submit(&self, texts: Vec<Vec<u32>>, normalise: bool) -> Result<Vectors, Fault> {
        let tokens = texts.iter().map(Vec::len).sum::<usize>();
        let (sender, vectors) = unbounded();
        let mut waiting = self.shared.lock();
        if waiting.over {
            return Err(Fault::internal("the thread that computes embeddings is gone"));
        }
        if waiting.calls.len() >= CALLS_MAX || waiting.tokens + tokens > TOKENS_MAX {
            let message = "Too many texts are waiting for this model. Retry with exponential backoff.";
            let detail = format!("{} calls and {} tokens wait", waiting.calls.len(), waiting.tokens);
            return Err(Fault::new(Kind::Overloaded, message).with_detail(detail));
        }
        waiting.tokens += tokens;
        let sender = Arc::new(sender);
        waiting.calls.push_back(Call {
            texts: texts.into(),
            next: 0,
            tokens: tokens as u64,
            normalise,
            sender,
        });
        drop(waiting);
        self.shared.changed.notify_one();
        Ok(vectors)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that holds the lock can leave the state half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut model: Model, mut kernels: Kernels) {
        let _over = Over(self);
        while let Some(batch) = self.next() {
            let texts: Vec<Text<'_>> = batch.iter().map(Taken::text).collect();
            let vectors = model.encode(&mut kernels, &texts);
            for (taken, numbers) in batch.into_iter().zip(vectors) {
                taken.send(numbers);
            }
        }
    }

    /// The next batch, or nothing when the queue ends.
    fn next(&self) -> Option<Vec<Taken>> {
        let mut waiting = self.lock();
        loop {
            if waiting.over {
                return None;
            }
            let batch = waiting.take();
            if !batch.is_empty() {
                return Some(batch);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread ends, also by a panic: whoever waits is told, because their senders go, and nobody else may come.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.over = true;
        for call in waiting.calls.drain(..) {
            drop(
                call.sender.unbounded_send(Err(Fault::internal("the thread that computes embeddings ended"))),
            );
        }
    }
}

impl Waiting {
    /// One text of each call in turn, until a batch is full.
    fn take(&mut self) -> Vec<Taken> {
        let (mut batch, mut rows) = (Vec::new(), 0);
        while let Some(mut call) = self.calls.pop_front() {
            if call.sender.is_closed() {
                self.tokens -= call.texts.iter().map(Vec::len).sum::<usize>();
                continue;
            }
            let fits = |text: &Vec<u32>| batch.is_empty() || rows + text.len() <= BATCH_TOKENS_MAX;
            if !call.texts.front().is_some_and(fits) {
                self.calls.push_front(call);
                break;
            }
            let Some(tokens) = call.texts.pop_front() else { break };
            rows += tokens.len();
            self.tokens -= tokens.len();
            let last = call.texts.is_empty().then_some(Usage::plain(call.tokens, 0));
            let (number, sender) = (call.next, Arc::clone(&call.sender));
            batch.push(Taken { tokens, normalise: call.normalise, number, last, sender });
            if last.is_none() {
                call.next += 1;
                self.calls.push_back(call);
            }
        }
        batch
    }
}

impl Taken {
    fn text(&self) -> Text<'_> {
        Text { tokens: &self.tokens, normalise: self.normalise }
    }

    /// Whoever asked may be gone; then nobody misses it.
    fn send(self, numbers: Vec<f32>) {
        if numbers.iter().any(|number| !number.is_finite()) {
            let fault = Fault::internal("a vector holds infinities or no numbers");
            drop(self.sender.unbounded_send(Err(fault)));
            return;
        }
        drop(self.sender.unbounded_send(Ok(Event::Vector { index: self.number, numbers })));
        if let Some(usage) = self.last {
            let finish = Event::Finish(Finish::new(StopReason::EndTurn, usage));
            drop(self.sender.unbounded_send(Ok(finish)));
        }
    }
}
