use std::sync::atomic::{AtomicU64, Ordering};

/// What an engine has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows of prompts that were computed, again or for the first time.
    pub prompt_rows: u64,
    /// Tokens that did not have to be computed because the cache had their keys and values.
    pub cached_tokens: u64,
    /// Steps.
    pub steps: u64,
    /// Tokens that were guessed ahead.
    pub guessed_tokens: u64,
    /// Those of them that were right.
    pub right_tokens: u64,
    /// How often a sequence was put off to be computed again.
    pub put_off: u64,
}

/// [`Work`] as it is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) prompt_rows: Counter,
    pub(super) cached_tokens: Counter,
    pub(super) steps: Counter,
    pub(super) guessed_tokens: Counter,
    pub(super) right_tokens: Counter,
    pub(super) put_off: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn read(&self) -> Work {
        Work {
            prompt_rows: self.prompt_rows.get(),
            cached_tokens: self.cached_tokens.get(),
            steps: self.steps.get(),
            guessed_tokens: self.guessed_tokens.get(),
            right_tokens: self.right_tokens.get(),
            put_off: self.put_off.get(),
        }
    }
}
