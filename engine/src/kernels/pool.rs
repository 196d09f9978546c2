//! Threads that share the work of a step.
//!
//! Whoever calls [`Pool::run`] works too, and never waits for a thread that has not begun: on a busy machine the
//! caller does all of it. Idle threads spin for a bounded while, because the next part of a step follows within
//! microseconds, and then park.

#![expect(unsafe_code, reason = "threads that outlive a call borrow what the call borrows")]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use canon::Fault;

use super::ahead::{Ahead, Next};

/// How often an idle thread looks for work before it parks: some tens of microseconds.
const SPINS_MAX: u32 = 3_000;
/// How often the caller looks whether the last task is done before it yields the CPU at each look.
const YIELD_AFTER_SPINS: u32 = 1_000;
/// Tasks made for each thread, so that a slow thread delays the others by little.
pub(super) const TASKS_PER_THREAD: usize = 4;

/// The job's number is above these bits, so that a thread can tell a new job from the one it has done.
const NUMBER_SHIFT: u32 = 33;
/// Threads may still enter the job.
const OPEN: u64 = 1 << 32;
/// How many threads are in the job.
const INSIDE: u64 = OPEN - 1;

/// A number of threads, the caller's included.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    jobs: u64,
    /// What the caller reads next.
    ahead: Ahead,
    /// How long it has waited for threads that were held up.
    held: Duration,
}

struct Shared {
    /// The job's number, whether it is open, and how many threads are inside.
    state: AtomicU64,
    /// How many threads take part, the caller's included.
    limit: AtomicUsize,
    /// Of each thread, how many tasks of its run have been taken.
    taken: Vec<Taken>,
    job: UnsafeCell<Option<Job>>,
    parked: Vec<AtomicBool>,
    panicked: AtomicBool,
    quit: AtomicBool,
}

#[derive(Clone, Copy)]
struct Job {
    work: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    /// What each thread reads after it, where that is known.
    next: *const [Next],
}

/// On a line of the cache of its own, since each thread writes mostly its own.
#[derive(Default)]
#[repr(align(64))]
struct Taken(AtomicUsize);

/// The tasks that a thread takes first, one after the other: neighbours, so that what one leaves in the thread's cache serves
/// the next. Only when its run is over it takes from those of others.
pub(super) const fn run_of(thread: usize, threads: usize, tasks: usize) -> Range<usize> {
    tasks * thread / threads..tasks * (thread + 1) / threads
}

// SAFETY: `job` is written only by the pool's owner while no thread is inside a job (`INSIDE` is zero and `OPEN` unset),
// and read only by threads inside one; entering is an acquire of the release that opened it. The work itself is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: As above; the pointer in `job` is only followed inside a job, while its referent is borrowed by `run`.
unsafe impl Send for Shared {}

impl Pool {
    /// A pool of `threads` in all, at least one.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn new(threads: usize) -> Result<Self, Fault> {
        let others = threads.saturating_sub(1);
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            limit: AtomicUsize::new(others + 1),
            taken: (0..=others).map(|_| Taken::default()).collect(),
            job: UnsafeCell::new(None),
            parked: (0..others).map(|_| AtomicBool::new(false)).collect(),
            panicked: AtomicBool::new(false),
            quit: AtomicBool::new(false),
        });
        let mut pool =
            Self { shared, threads: Vec::new(), jobs: 0, ahead: Ahead::default(), held: Duration::ZERO };
        for number in 0..others {
            let shared = Arc::clone(&pool.shared);
            let builder = thread::Builder::new().name(format!("engine-{}", number + 1));
            let thread = builder.spawn(move || shared.serve(number)).map_err(Fault::internal)?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// How many threads take part, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// Has so many threads take part from now on, of those that there are, the caller's in any case.
    pub(crate) fn limit(&mut self, threads: usize) {
        // A thread sees it before it sees the next job.
        self.shared.limit.store(threads.clamp(1, self.threads.len() + 1), Ordering::Relaxed);
    }

    /// How long the caller has waited for threads that were held up, since this was asked last.
    pub(crate) const fn take_held(&mut self) -> Duration {
        std::mem::replace(&mut self.held, Duration::ZERO)
    }

    /// How many tasks work is best split into.
    pub(crate) fn tasks(&self) -> usize {
        if self.threads() == 1 { 1 } else { self.threads() * TASKS_PER_THREAD }
    }

    /// How many of `items` to give to one task.
    pub(crate) fn share(&self, items: usize) -> usize {
        items.div_ceil(self.tasks()).max(1)
    }

    /// Calls `work` once with every number below `tasks`, on all threads, and returns when all calls have returned.
    ///
    /// # Panics
    /// A call panicked.
    pub(crate) fn run(&mut self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        self.run_before(&[], tasks, work);
    }

    /// The same, where it is known what each thread reads afterwards: while it waits, it has that brought to its cache.
    pub(super) fn run_before(&mut self, next: &[Next], tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        let threads = self.threads();
        if tasks <= 1 || threads == 1 {
            (0..tasks).for_each(work);
            return;
        }
        // SAFETY: Only the lifetime changes. `Closing` returns, also by unwinding, only after every thread has left the
        // job, so nobody follows the pointers after `work` and `next` end.
        let work: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(work) };
        let job = Job { work, tasks, next };
        // SAFETY: The last job was closed and left, hence no thread reads it now.
        unsafe { *self.shared.job.get() = Some(job) };
        self.shared.taken.iter().for_each(|taken| taken.0.store(0, Ordering::Relaxed));
        self.jobs += 1;
        self.shared.state.store(self.jobs << NUMBER_SHIFT | OPEN, Ordering::SeqCst);
        let Self { shared, ahead, held, .. } = self;
        let closing = Closing { shared, ahead, held };
        for (parked, thread) in shared.parked.iter().zip(&self.threads).take(threads - 1) {
            if parked.swap(false, Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
        shared.work(job, 0, closing.ahead);
        drop(closing);
        assert!(!self.shared.panicked.swap(false, Ordering::Relaxed), "a thread of the engine panicked");
    }

    /// Splits `items` into pieces of `len` and calls `work` with each and the number of its first item.
    pub(crate) fn split<T: Send>(
        &mut self,
        items: &mut [T],
        len: usize,
        work: &(dyn Fn(usize, &mut [T]) + Sync),
    ) {
        let (all, base) = (items.len(), Pointer(items.as_mut_ptr()));
        self.run(all.div_ceil(len), &|task| {
            let start = task * len;
            // SAFETY: `start` is within `items`, which are borrowed until `run` returns, and each task has a piece of
            // its own.
            let piece = unsafe { std::slice::from_raw_parts_mut(base.at(start), len.min(all - start)) };
            work(start, piece);
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

/// Closes the job and waits until every thread has left it.
struct Closing<'a> {
    shared: &'a Shared,
    ahead: &'a mut Ahead,
    held: &'a mut Duration,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        let is_left = || self.shared.state.load(Ordering::Acquire) & INSIDE == 0;
        for _ in 0..YIELD_AFTER_SPINS {
            if is_left() {
                return;
            }
            self.ahead.fetch();
        }
        let start = Instant::now();
        while !is_left() {
            thread::yield_now();
        }
        *self.held += start.elapsed();
    }
}

impl Shared {
    fn work(&self, job: Job, number: usize, ahead: &mut Ahead) {
        // SAFETY: The caller is inside the job, so `run` has not returned and what it was given is still borrowed, here
        // and below.
        if let Some(next) = unsafe { (&*job.next).get(number) } {
            ahead.set(next);
        }
        // It stays what it is while a job is open.
        let threads = self.limit.load(Ordering::Relaxed);
        for thread in (number..threads).chain(0..number) {
            let run = run_of(thread, threads, job.tasks);
            loop {
                let task = run.start + self.taken[thread].0.fetch_add(1, Ordering::Relaxed);
                if task >= run.end {
                    break;
                }
                // SAFETY: As above.
                unsafe { (*job.work)(task) };
            }
        }
    }

    fn serve(&self, number: usize) {
        let (mut done, mut ahead) = (0, Ahead::default());
        while let Some(state) = self.wait(done, number, &mut ahead) {
            // Entering fails where the job was closed, or another thread entered, since `state` was read.
            if self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                continue;
            }
            done = state >> NUMBER_SHIFT;
            // SAFETY: This thread is inside the job: the owner writes it only after `INSIDE` has come back to zero.
            let job = unsafe { *self.job.get() };
            if let Some(job) = job
                && catch_unwind(AssertUnwindSafe(|| self.work(job, number + 1, &mut ahead))).is_err()
            {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// The state once a job is open that is not `done`, or nothing when the pool ends.
    fn wait(&self, done: u64, number: usize, ahead: &mut Ahead) -> Option<u64> {
        let is_for_this = |state: u64| {
            let is_new = state & OPEN != 0 && state >> NUMBER_SHIFT != done;
            is_new && number + 1 < self.limit.load(Ordering::Relaxed)
        };
        let mut spins = 0;
        loop {
            if self.quit.load(Ordering::Relaxed) {
                return None;
            }
            let state = self.state.load(Ordering::SeqCst);
            if is_for_this(state) {
                return Some(state);
            }
            if spins < SPINS_MAX {
                spins += 1;
                ahead.fetch();
                continue;
            }
            spins = 0;
            self.parked[number].store(true, Ordering::SeqCst);
            let state = self.state.load(Ordering::SeqCst);
            if !is_for_this(state) && !self.quit.load(Ordering::SeqCst) {
                thread::park();
            }
            self.parked[number].store(false, Ordering::SeqCst);
        }
    }
}

/// A pointer that tasks may share: each goes to a place of its own.
pub(super) struct Pointer<T>(pub(super) *mut T);

impl<T> Pointer<T> {
    /// # Safety
    /// `offset` is within the allocation.
    pub(super) unsafe fn at(&self, offset: usize) -> *mut T {
        // SAFETY: The caller's promise.
        unsafe { self.0.add(offset) }
    }
}

// SAFETY: It is only a place; whoever writes there says why it is theirs.
unsafe impl<T: Send> Sync for Pointer<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Send for Pointer<T> {}
