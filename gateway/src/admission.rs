//! Admit and reserve: from here on a call ends in exactly one receipt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use canon::{BoxFuture, Call, Fault, Kind, Tally, Usage};

use crate::catalog::Target;
use crate::{Arrival, Clock, IntentRecord, Journal, Outcome, Receipt, RequestId};

/// Bytes of a request for each token of its prompt, when nothing has counted it yet. English text has about four.
const BYTES_PER_TOKEN: u64 = 4;
/// The answer that is set aside for a call that does not say how long its answer may be.
const ANSWER_TOKENS_DEFAULT: u64 = 512;

/// The door: lets in no more calls than may be under way at once.
pub struct Gate {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    inside: Arc<AtomicUsize>,
    calls_max: usize,
}

impl Gate {
    /// A door for `calls_max` calls at once.
    pub fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, calls_max: usize) -> Self {
        Self { journal, clock, inside: Arc::default(), calls_max }
    }

    /// How many calls are under way.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }

    /// Admits `target`. When this is ready the journal holds the intent.
    ///
    /// # Errors
    /// [`Kind::Overloaded`] when as many calls as allowed are under way; [`Kind::Storage`] when the intent cannot be
    /// recorded.
    pub async fn admit(&self, arrival: Arrival, target: Target) -> Result<Intent, Fault> {
        let place = self.enter()?;
        let reserved_tokens = estimate(&target.call);
        let record = IntentRecord {
            id: arrival.id,
            arrived_ms: arrival.at_ms,
            key: target.permit.caller().key.clone(),
            model: target.entry.card.id.clone(),
            format: target.call.verbatim().map_or("canon", |verbatim| verbatim.format.name()),
            reserved_tokens,
        };
        // The guard stands before the record is durable: a caller that goes away meanwhile is settled all the same.
        let opened = self.journal.open(record);
        let settlement = Settlement {
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&self.clock),
            id: arrival.id,
            open: true,
            running: None,
            _place: place,
        };
        match opened.await {
            Ok(()) => Ok(Intent { target, reserved_tokens, settlement }),
            Err(fault) => {
                settlement.forget();
                Err(fault)
            }
        }
    }

    fn enter(&self) -> Result<Place, Fault> {
        let place = Place(Arc::clone(&self.inside));
        if self.inside.fetch_add(1, Ordering::AcqRel) < self.calls_max {
            return Ok(place);
        }
        drop(place);
        Err(Fault::new(Kind::Overloaded, "Too many calls are under way. Retry with exponential backoff."))
    }
}

/// One of the places behind the door; given back on drop.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn estimate(call: &Call) -> u64 {
    let bytes = call.verbatim().map_or(0, |verbatim| verbatim.body.len() as u64);
    bytes / BYTES_PER_TOKEN + call.answer_tokens_max().unwrap_or(ANSWER_TOKENS_DEFAULT)
}

/// A call that was admitted: the journal knows of it, and it will be settled whatever happens.
pub struct Intent {
    /// What was admitted.
    pub target: Target,
    /// The tokens set aside for it.
    pub reserved_tokens: u64,
    /// What settles it.
    pub settlement: Settlement,
}

/// Settles a call exactly once: with what the meter says, or, when it is dropped before that, as cancelled.
pub struct Settlement {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    id: RequestId,
    open: bool,
    running: Option<Attempt>,
    _place: Place,
}

/// A deployment at work on a call, and what it has used so far.
struct Attempt {
    deployment: Arc<str>,
    tally: Arc<Tally>,
}

impl Settlement {
    /// From now on `deployment` works on the call: an end that nobody announces is settled with what it tallied.
    pub(crate) fn runs_on(&mut self, deployment: &Arc<str>, tally: Arc<Tally>) {
        self.running = Some(Attempt { deployment: Arc::clone(deployment), tally });
    }

    /// The deployment that works on the call.
    pub(crate) fn deployment(&self) -> Option<&Arc<str>> {
        self.running.as_ref().map(|attempt| &attempt.deployment)
    }

    /// What has been used so far.
    pub(crate) fn used(&self) -> Usage {
        self.running.as_ref().map(|attempt| attempt.tally.usage()).unwrap_or_default()
    }

    /// What the prompt came to, where the backend has said it by now.
    pub(crate) fn prompt(&self) -> Option<Usage> {
        self.running.as_ref()?.tally.prompt()
    }

    /// Hands the receipt to the journal and waits until it is durable. It is handed over even if the future is
    /// dropped. Without a `usage` that the backend has said, what it tallied counts.
    pub(crate) fn settle(
        &mut self,
        outcome: Outcome,
        usage: Option<Usage>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        if !std::mem::replace(&mut self.open, false) {
            return Box::pin(std::future::ready(Err(Fault::internal("a call was settled twice"))));
        }
        self.journal.settle(Receipt {
            id: self.id,
            settled_ms: self.clock.now_ms(),
            deployment: self.deployment().cloned(),
            outcome,
            usage: usage.unwrap_or_else(|| self.used()),
        })
    }

    /// Settles a call that failed before it had an answer.
    pub(crate) fn failed(self, fault: Fault) -> Failed {
        Failed { settlement: self, fault: Box::new(fault) }
    }

    /// There is nothing to settle: the intent was never recorded.
    fn forget(mut self) {
        self.open = false;
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if self.open {
            drop(self.settle(Outcome::Cancelled, None));
        }
    }
}

/// A call that was admitted and could not be answered.
pub struct Failed {
    settlement: Settlement,
    // Boxed, so that the results it travels in stay small.
    fault: Box<Fault>,
}

impl Failed {
    /// Why it failed; ready when that is on record.
    pub(crate) async fn settled(mut self) -> Fault {
        match self.settlement.settle(Outcome::Failed(self.fault.kind().code()), None).await {
            Ok(()) => *self.fault,
            Err(storage) => storage,
        }
    }
}

#[cfg(test)]
mod tests;
