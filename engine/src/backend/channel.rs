//! The way of an answer's events from the engine's thread to whoever reads them.
//!
//! The engine never waits for a slow reader: what is not read yet is joined, delta to delta, so that what waits is at
//! most one answer's text, whose length the request bounds.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use canon::{Event, Fault};
use futures_core::Stream;

/// Opens a channel for one answer.
pub(super) fn channel() -> (Sender, Receiver) {
    let shared = Arc::new(Shared { state: Mutex::default(), given_up: AtomicBool::new(false) });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared {
    state: Mutex<State>,
    given_up: AtomicBool,
}

#[derive(Default)]
struct State {
    events: VecDeque<Result<Event, Fault>>,
    reader: Option<Waker>,
    /// The last item has been sent.
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let reader = {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            change(&mut state);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The engine's end.
pub(super) struct Sender(Arc<Shared>);

impl Sender {
    /// Sends events, in their order. [`Event::Finish`] is the last.
    pub(super) fn send(&self, events: Vec<Event>) {
        if events.is_empty() || self.given_up() {
            return;
        }
        self.0.change(|state| {
            for event in events {
                state.ended |= matches!(event, Event::Finish(_));
                state.push(event);
            }
        });
    }

    /// Ends the answer with a fault.
    pub(super) fn fail(&self, fault: Fault) {
        self.0.change(|state| {
            state.events.push_back(Err(fault));
            state.ended = true;
        });
    }

    /// Whether nobody reads any more.
    pub(super) fn given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Relaxed)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.fail(Fault::internal("the engine let go of an answer before its end"));
    }
}

impl State {
    fn push(&mut self, event: Event) {
        let (waiting, more) = match (self.events.back_mut(), &event) {
            (Some(Ok(Event::Text { index: last, text: waiting })), Event::Text { index, text })
                if last == index =>
            {
                (waiting, text)
            }
            (
                Some(Ok(Event::ToolInput { index: last, fragment: waiting })),
                Event::ToolInput { index, fragment },
            ) if last == index => (waiting, fragment),
            _ => return self.events.push_back(Ok(event)),
        };
        waiting.push_str(more);
    }
}

/// The reader's end. Dropping it gives the answer up.
pub(super) struct Receiver(Arc<Shared>);

impl Stream for Receiver {
    type Item = Result<Event, Fault>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock();
        match state.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if state.ended => Poll::Ready(None),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.given_up.store(true, Ordering::Relaxed);
        self.0.lock().events.clear();
    }
}

#[cfg(test)]
mod tests;
