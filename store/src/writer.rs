//! The thread that writes: it takes everything that waits, commits it in one transaction, and then says so.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use canon::Fault;
use futures_channel::oneshot;
use gateway::{IntentRecord, Receipt, RequestId};
use rusqlite::{Connection, TransactionBehavior};

use crate::chain::{Lines, Note, Tip};
use crate::problem;
use crate::row::{Intent, Opening, Settled, Settling, stored};
use crate::seal::Sealer;
use crate::witness::Witness;

/// Records in one transaction. More wait for the next.
const BATCH_RECORDS_MAX: usize = 4096;
/// How often receipts that could not be written are tried again.
const RETRY_MS: u64 = 250;

/// How the one who waits is told.
pub(crate) type Reply = oneshot::Sender<Result<(), Fault>>;

/// What the writer is asked to do.
pub(crate) enum Order {
    Open(IntentRecord, Reply),
    Settle(Receipt, Reply),
    /// Write what there is, and end. With a time, the end is noted in the audit trail.
    Close(Option<u64>),
}

/// A call that was opened and not yet settled.
struct OpenCall {
    call: i64,
    intent: IntentRecord,
}

/// A receipt that must be written, now or later.
struct Due {
    receipt: Receipt,
    reply: Option<Reply>,
    until: Instant,
}

pub(crate) struct Writer {
    pub(crate) books: Books,
    pub(crate) queue: Receiver<Order>,
    pub(crate) healthy: Arc<AtomicBool>,
    pub(crate) waiting: Waiting,
}

/// What the writer writes to.
pub(crate) struct Books {
    pub(crate) connection: Connection,
    pub(crate) sealer: Sealer,
    pub(crate) witness: Witness,
}

/// What the writer holds in memory. All of it is bounded by the calls that the gateway lets in at once.
pub(crate) struct Waiting {
    /// How long a receipt's future waits before it says that its record is not durable yet.
    patience: Duration,
    open: HashMap<RequestId, OpenCall>,
    intents: Vec<(IntentRecord, Reply)>,
    receipts: VecDeque<Due>,
    closing: Option<Option<u64>>,
}

/// What a transaction did.
struct Written {
    /// The number of the first new call.
    first_call: i64,
    /// For each receipt, whether there was an open call for it.
    receipts: Vec<bool>,
}

impl Writer {
    pub(crate) fn run(mut self) {
        while self.waiting.closing.is_none() {
            if self.healthy.load(Ordering::Acquire) {
                self.gather();
            } else {
                self.wait();
            }
            self.commit();
        }
        if let Some(Some(at_ms)) = self.waiting.closing
            && let Err(error) = self.books.note(Note::Stopped("in good order"), at_ms)
        {
            tracing::error!(%error, "the end could not be noted in the audit trail");
        }
        let lost = self.waiting.receipts.len();
        if lost > 0 {
            tracing::error!(
                lost,
                "receipts could not be written; the next start settles their calls as interrupted"
            );
        }
    }

    /// Waits for one order and takes all that stand behind it.
    fn gather(&mut self) {
        let Ok(first) = self.queue.recv() else {
            self.waiting.closing = Some(None);
            return;
        };
        self.waiting.take(first, true);
        while self.waiting.len() < BATCH_RECORDS_MAX && self.waiting.closing.is_none() {
            let Ok(next) = self.queue.try_recv() else { break };
            self.waiting.take(next, true);
        }
    }

    /// Lets time pass before another attempt. Meanwhile nothing is admitted, and receipts line up.
    fn wait(&mut self) {
        let again = Instant::now() + Duration::from_millis(RETRY_MS);
        while self.waiting.closing.is_none() {
            self.waiting.lose_patience();
            match self.queue.recv_timeout(again.saturating_duration_since(Instant::now())) {
                Ok(order) => self.waiting.take(order, false),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => self.waiting.closing = Some(None),
            }
        }
    }

    fn commit(&mut self) {
        match self.books.write(&self.waiting) {
            Ok(written) => {
                if !self.healthy.swap(true, Ordering::AcqRel) {
                    tracing::info!(receipts = written.receipts.len(), "the journal records again");
                }
                self.waiting.keep(written);
            }
            Err(error) => {
                if self.healthy.swap(false, Ordering::AcqRel) {
                    tracing::error!(%error, "the journal cannot record; no call is admitted until it can");
                }
                self.waiting.refuse(&error);
            }
        }
    }
}

impl Books {
    /// All or nothing.
    fn write(&mut self, waiting: &Waiting) -> rusqlite::Result<Written> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tip = Tip::read(&transaction)?;
        let first_call = tip.calls + 1;
        {
            let mut opening = Opening::prepare(&transaction)?;
            for (intent, _) in &waiting.intents {
                tip.calls += 1;
                opening.insert(&Intent::of(tip.calls, intent), &self.sealer)?;
            }
        }
        let mut receipts = Vec::with_capacity(waiting.receipts.len());
        {
            let mut settling = Settling::prepare(&transaction)?;
            let mut lines = Lines::prepare(&transaction)?;
            for due in &waiting.receipts {
                let Some((call, intent)) = waiting.find(&due.receipt.id, first_call) else {
                    receipts.push(false);
                    continue;
                };
                let settled = Settled::of(&due.receipt);
                let next = tip.with_receipt(&self.sealer, &Intent::of(call, intent), &settled);
                let was_open = settling.update(call, &settled, next.line)?;
                if was_open {
                    lines.insert(&next, call)?;
                    tip = next;
                }
                receipts.push(was_open);
            }
        }
        tip.write(&transaction, &self.sealer)?;
        transaction.commit()?;
        self.witness.follow(&tip);
        Ok(Written { first_call, receipts })
    }

    fn note(&mut self, note: Note<'_>, at_ms: u64) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tip = Tip::read(&transaction)?;
        tip.note(&transaction, &self.sealer, note, stored(at_ms))?;
        tip.write(&transaction, &self.sealer)?;
        transaction.commit()?;
        self.witness.follow(&tip);
        Ok(())
    }
}

impl Waiting {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, open: HashMap::new(), intents: Vec::new(), receipts: VecDeque::new(), closing: None }
    }

    fn len(&self) -> usize {
        self.intents.len() + self.receipts.len()
    }

    fn take(&mut self, order: Order, admit: bool) {
        match order {
            Order::Open(intent, reply) if admit => self.intents.push((intent, reply)),
            Order::Open(_, reply) => {
                tell(reply, Err(problem::unrecorded("earlier receipts cannot be written yet")));
            }
            Order::Settle(receipt, reply) => {
                let until = Instant::now() + self.patience;
                self.receipts.push_back(Due { receipt, reply: Some(reply), until });
            }
            Order::Close(at_ms) => self.closing = Some(at_ms),
        }
    }

    /// The call that a receipt is for. It may have been opened in the same batch.
    fn find(&self, id: &RequestId, first_call: i64) -> Option<(i64, &IntentRecord)> {
        if let Some(open) = self.open.get(id) {
            return Some((open.call, &open.intent));
        }
        let numbered = (first_call..).zip(&self.intents);
        numbered.map(|(call, (intent, _))| (call, intent)).find(|(_, intent)| intent.id == *id)
    }

    /// Everything that waited is durable.
    fn keep(&mut self, written: Written) {
        for (call, (intent, reply)) in (written.first_call..).zip(self.intents.drain(..)) {
            self.open.insert(intent.id, OpenCall { call, intent });
            tell(reply, Ok(()));
        }
        for (due, was_open) in self.receipts.drain(..).zip(written.receipts) {
            self.open.remove(&due.receipt.id);
            let result = if was_open { Ok(()) } else { Err(unopened(&due.receipt)) };
            due.reply.into_iter().for_each(|reply| tell(reply, result.clone()));
        }
    }

    /// Nothing is durable: intents are refused, and receipts stay, in order. A receipt whose intent is refused now, its
    /// caller having left meanwhile, has nothing to settle.
    fn refuse(&mut self, error: &rusqlite::Error) {
        for (_, reply) in self.intents.drain(..) {
            tell(reply, Err(problem::unrecorded(error)));
        }
        let open = &self.open;
        self.receipts.retain(|due| open.contains_key(&due.receipt.id));
        self.lose_patience();
    }

    /// Tells those who have waited long enough. Their records stay.
    fn lose_patience(&mut self) {
        let now = Instant::now();
        for due in self.receipts.iter_mut().filter(|due| due.until <= now) {
            due.reply.take().into_iter().for_each(|reply| {
                tell(
                    reply,
                    Err(problem::unrecorded("the receipt is kept in memory and will be written later")),
                );
            });
        }
    }
}

/// Whoever asked may have gone; the record does not depend on it.
fn tell(reply: Reply, result: Result<(), Fault>) {
    drop(reply.send(result));
}

fn unopened(receipt: &Receipt) -> Fault {
    Fault::internal(format!("call {} has no open intent", receipt.id))
}

#[cfg(test)]
mod tests;
