//! How many threads compute a step: all of them, unless other programs take their CPUs.
//!
//! Threads wait for each other some hundred times a step, and so for one whose CPU computes something else: beside a busy
//! program, two threads on two CPUs are slower than one that has a CPU to itself. How many are best depends on what the system
//! does with them, so it is tried: where threads are held up, one less computes some steps, and later one more.

use std::time::Duration;

/// What part of their time steps wait at least for threads that are held up, where fewer are tried. On a quiet machine it
/// is some hundredths.
const HELD_MIN: f64 = 0.1;
/// How many steps a trial takes.
const TRIAL_STEPS: usize = 8;
/// After how many steps fewer threads are tried, at first. Each trial in vain doubles it.
const PATIENCE_MIN: usize = 32;
/// How far it is doubled.
const PATIENCE_MAX: usize = 1024;
/// After how many steps of fewer threads one more is tried.
const STAY_STEPS: usize = 64;
/// How much faster fewer threads must be.
const GAIN_MIN: f64 = 1.03;
/// How much of what was seen each further step leaves.
const MEMORY: f64 = 0.97;

/// How many threads compute, and how they do.
#[derive(Debug)]
pub(super) struct Parallelism {
    /// How many there are.
    all: usize,
    threads: usize,
    /// How many steps they have computed.
    steps: usize,
    seen: Seen,
    /// Where this is a trial: how many threads it was before, and how they did.
    before: Option<(usize, Seen)>,
    /// After how many steps fewer are tried.
    patience: usize,
}

/// What steps took of late, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    took: f64,
    /// What they were expected to take, by what was learned of all steps.
    expected: f64,
    /// How long they waited for threads that were held up.
    held: f64,
}

impl Seen {
    /// How many times as long as expected steps took.
    fn slowness(&self) -> f64 {
        self.took / self.expected
    }

    fn is_held(&self) -> bool {
        self.held > HELD_MIN * self.took
    }
}

impl Parallelism {
    /// With all of so many threads, at first.
    pub(super) fn new(threads: usize) -> Self {
        let seen = Seen::default();
        Self { all: threads, threads, steps: 0, seen, before: None, patience: PATIENCE_MIN }
    }

    /// How many threads the next step is for.
    pub(super) const fn threads(&self) -> usize {
        self.threads
    }

    /// A step took so long, where so many seconds were expected; so much of it, threads that were held up were waited for.
    pub(super) fn note(&mut self, expected: f64, took: Duration, held: Duration) {
        for (sum, seconds) in [
            (&mut self.seen.took, took.as_secs_f64()),
            (&mut self.seen.expected, expected),
            (&mut self.seen.held, held.as_secs_f64()),
        ] {
            *sum = *sum * MEMORY + seconds;
        }
        self.steps += 1;
        match self.before {
            Some((threads, seen)) if self.steps == TRIAL_STEPS => self.judge(threads, seen),
            Some(_) => {}
            None if self.threads < self.all && self.steps >= STAY_STEPS => self.try_with(self.threads + 1),
            None if self.threads > 1 && self.steps >= self.patience && self.seen.is_held() => {
                self.try_with(self.threads - 1);
            }
            None => {}
        }
    }

    fn try_with(&mut self, threads: usize) {
        self.before = Some((self.threads, self.seen));
        self.go_on_with(threads);
    }

    /// Ends a trial, which was made by so many threads that did so.
    fn judge(&mut self, threads: usize, seen: Seen) {
        self.before = None;
        let was_for_fewer = self.threads < threads;
        let gain_min = if was_for_fewer { GAIN_MIN } else { 1.0 };
        if self.seen.slowness() * gain_min <= seen.slowness() {
            tracing::debug!(threads = self.threads, "the number of threads that compute has changed");
            self.patience = PATIENCE_MIN;
            self.steps = 0;
            return;
        }
        if was_for_fewer {
            self.patience = (2 * self.patience).min(PATIENCE_MAX);
        }
        self.go_on_with(threads);
    }

    fn go_on_with(&mut self, threads: usize) {
        (self.threads, self.steps, self.seen) = (threads, 0, Seen::default());
    }
}

#[cfg(test)]
mod tests;
