//! Meter: passes events on, and settles the call when they end, however they end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use canon::{BoxFuture, Event, Events, Fault, Kind, Usage};
use futures_core::Stream;

use crate::Outcome;
use crate::admission::Settlement;
use crate::catalog::Held;
use crate::run::Running;

/// The events of an answer, metered. Its last item is held back until the receipt is durable; dropping it before
/// that settles what was produced.
pub struct Metered {
    state: State,
    settlement: Settlement,
    _held: Held,
}

enum State {
    First(Event, Events),
    Rest(Events),
    Settling(BoxFuture<'static, Result<(), Fault>>, Option<Result<Event, Fault>>),
    Done,
}

impl Metered {
    pub(crate) fn new(running: Running) -> Self {
        let Running { first, rest, held, settlement } = running;
        Self { state: State::First(first, rest.events), settlement, _held: held }
    }

    /// The deployment that answers.
    #[must_use]
    pub fn deployment(&self) -> &str {
        self.settlement.deployment().map_or("", Arc::as_ref)
    }

    /// What the prompt came to, where the backend has said it by now.
    #[must_use]
    pub fn prompt(&self) -> Option<Usage> {
        self.settlement.prompt()
    }

    /// Passes an item on, unless it is the last: then the call is settled first.
    fn pass(&mut self, item: Result<Event, Fault>, events: Events) -> Option<Result<Event, Fault>> {
        let settled = match &item {
            Ok(Event::Finish(finish)) => self.settlement.settle(Outcome::Completed, Some(finish.usage)),
            Ok(_) => {
                self.state = State::Rest(events);
                return Some(item);
            }
            Err(fault) => self.settlement.settle(Outcome::Failed(fault.kind().code()), None),
        };
        self.state = State::Settling(settled, Some(item));
        None
    }
}

impl Stream for Metered {
    type Item = Result<Event, Fault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::First(event, events) => {
                    if let Some(item) = this.pass(Ok(event), events) {
                        return Poll::Ready(Some(item));
                    }
                }
                State::Rest(mut events) => {
                    let Poll::Ready(next) = events.as_mut().poll_next(cx) else {
                        this.state = State::Rest(events);
                        return Poll::Pending;
                    };
                    if let Some(item) = this.pass(next.unwrap_or_else(|| Err(cut_short())), events) {
                        return Poll::Ready(Some(item));
                    }
                }
                State::Settling(mut settled, mut last) => {
                    let Poll::Ready(durable) = settled.as_mut().poll(cx) else {
                        this.state = State::Settling(settled, last);
                        return Poll::Pending;
                    };
                    return Poll::Ready(match durable {
                        Ok(()) => last.take(),
                        Err(storage) => Some(Err(storage)),
                    });
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }
}

fn cut_short() -> Fault {
    Fault::new(Kind::UpstreamStream, "The model's provider ended its answer in the middle. Retry.")
}

#[cfg(test)]
mod tests;
