use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use canon::{Fault, Kind};

use super::Sequence;
use super::account::{Account, Accounts};
use super::running::{Running, TIERS, place};

/// How long a sequence waits at most. Clients have given up long before; what they did not say is said here.
const WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// Sequences on their way to the engine: a line for each caller in each tier.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    waiting_max: usize,
    running: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    lines: [Vec<Line>; TIERS],
    accounts: Accounts,
    waiting: usize,
    numbers: u64,
    closed: bool,
}

/// What waits of one caller; never empty between two calls.
struct Line {
    account: Arc<Account>,
    waiting: VecDeque<Running>,
}

impl Queue {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), waiting_max, running: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can leave the queue half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// [`Kind::Overloaded`] where the queue is full and nobody has a longer line; [`Kind::Draining`] at the end.
    pub(super) fn push(&self, sequence: Box<dyn Sequence>) -> Result<(), Fault> {
        let terms = sequence.terms();
        let mut turned_away = None;
        {
            let mut inner = self.lock();
            if inner.closed {
                return Err(draining());
            }
            if inner.waiting >= self.waiting_max {
                // What was given up need not keep a living caller out.
                inner.retain(|running| !running.sequence.cancelled());
            }
            let account = inner.accounts.open(&terms.caller);
            if inner.waiting >= self.waiting_max {
                turned_away = inner.give_way(&account, place(terms.tier));
                if turned_away.is_none() {
                    return Err(overloaded().with_detail(format!("{} wait", self.waiting_max)));
                }
            }
            inner.numbers += 1;
            let number = inner.numbers;
            inner.line(&account, place(terms.tier)).push_back(Running::new(sequence, terms, account, number));
            inner.waiting += 1;
        }
        self.changed.notify_one();
        if let Some(mut running) = turned_away {
            running.sequence.fail(overloaded().with_detail("its caller had the longest line".to_owned()));
        }
        Ok(())
    }

    /// The next: of the most urgent tier, of the caller who was served least, the one that came first.
    pub(super) fn take(&self) -> Option<Running> {
        let mut inner = self.lock();
        loop {
            let running = inner.take()?;
            if !running.sequence.cancelled() {
                return Some(running);
            }
        }
    }

    /// Takes one back that was taken: it is the next of its line.
    pub(super) fn put_back(&self, running: Running) {
        let mut inner = self.lock();
        let account = Arc::clone(&running.account);
        let line = inner.line(&account, running.rank.tier);
        // What is put off at the same time comes back in the order in which it came first.
        let at = line.partition_point(|other| other.rank < running.rank);
        line.insert(at, running);
        inner.waiting += 1;
    }

    /// Lets go of what was given up, and of what has waited too long and not begun to answer.
    pub(super) fn sweep(&self, now: Instant) {
        let mut late = Vec::new();
        {
            let mut inner = self.lock();
            inner.retain(|running| !running.sequence.cancelled());
            let is_late = |running: &Running| {
                running.is_new() && now.saturating_duration_since(running.since) > WAIT_MAX
            };
            while let Some(running) = inner.take_first(is_late) {
                late.push(running);
            }
        }
        for mut running in late {
            running.sequence.fail(overloaded().with_detail(format!("it waited for {WAIT_MAX:?}")));
        }
    }

    pub(super) fn closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until something waits or the queue is closed, or until then.
    pub(super) fn wait(&self, until: Option<Instant>) {
        let mut inner = self.lock();
        while inner.waiting == 0 && !inner.closed {
            let Some(until) = until else {
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Takes nothing more, and gives what still waits.
    pub(super) fn drain(&self) -> Vec<Running> {
        self.close();
        let mut inner = self.lock();
        std::iter::from_fn(|| inner.take()).collect()
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn set_running(&self, count: usize) {
        self.running.store(count, Ordering::Relaxed);
    }
}

impl Inner {
    fn line(&mut self, account: &Arc<Account>, tier: usize) -> &mut VecDeque<Running> {
        let lines = &mut self.lines[tier];
        let at = lines.iter().position(|line| Arc::ptr_eq(&line.account, account));
        let at = at.unwrap_or_else(|| {
            lines.push(Line { account: Arc::clone(account), waiting: VecDeque::new() });
            lines.len() - 1
        });
        &mut lines[at].waiting
    }

    fn take(&mut self) -> Option<Running> {
        let lines = self.lines.iter_mut().find(|lines| !lines.is_empty())?;
        let order = |line: &Line| (line.account.served(), line.waiting.front().map(|first| first.rank));
        let (at, _) = lines.iter().enumerate().min_by_key(|(_, line)| order(line))?;
        let running = lines[at].waiting.pop_front();
        lines.retain(|line| !line.waiting.is_empty());
        self.waiting -= usize::from(running.is_some());
        running
    }

    /// Takes the first that is so.
    fn take_first(&mut self, is_so: impl Fn(&Running) -> bool) -> Option<Running> {
        for lines in &mut self.lines {
            for line in lines.iter_mut() {
                if let Some(at) = line.waiting.iter().position(&is_so) {
                    let running = line.waiting.remove(at);
                    lines.retain(|line| !line.waiting.is_empty());
                    self.waiting -= 1;
                    return running;
                }
            }
        }
        None
    }

    fn retain(&mut self, is_so: impl Fn(&Running) -> bool) {
        self.lines.iter_mut().flatten().for_each(|line| line.waiting.retain(&is_so));
        self.lines.iter_mut().for_each(|lines| lines.retain(|line| !line.waiting.is_empty()));
        self.waiting = self.lines.iter().flatten().map(|line| line.waiting.len()).sum();
    }

    /// Makes room for one of `account` in a full queue: the last of the longest line of the least urgent tier gives way,
    /// where that tier is less urgent, or as urgent and the line longer. What has begun to answer does not.
    fn give_way(&mut self, account: &Arc<Account>, tier: usize) -> Option<Running> {
        let own = self.line(account, tier).len();
        self.lines[tier].retain(|line| !line.waiting.is_empty());
        for other in (tier..TIERS).rev() {
            let lines = &mut self.lines[other];
            let longest = lines.iter_mut().max_by_key(|line| line.waiting.len());
            let gives = |line: &Line| other > tier || line.waiting.len() > own + 1;
            let Some(line) = longest.filter(|line| gives(line)) else { continue };
            if line.waiting.back().is_some_and(Running::is_new) {
                let last = line.waiting.pop_back();
                lines.retain(|line| !line.waiting.is_empty());
                self.waiting -= 1;
                return last;
            }
        }
        None
    }
}

pub(super) fn draining() -> Fault {
    Fault::new(Kind::Draining, "This server is shutting down. Please try again.")
}

fn overloaded() -> Fault {
    Fault::new(Kind::Overloaded, "Too many requests are waiting for this model. Please wait and try again.")
}
