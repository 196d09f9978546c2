use std::iter::Sum;
use std::ops::Add;

/// What a call used, in tokens. The counters are disjoint: no token is counted in two of them, so their sum is the
/// call's total. Each adapter normalises its vendor's convention to this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Usage {
    /// Prompt tokens that were computed afresh.
    pub input: u64,
    /// Prompt tokens that a cache supplied.
    pub cache_read: u64,
    /// Prompt tokens that were computed and kept in a cache for five minutes.
    pub cache_write_5m: u64,
    /// Prompt tokens that were computed and kept in a cache for an hour.
    pub cache_write_1h: u64,
    /// Tokens of the visible answer, tool calls included.
    pub output: u64,
    /// Tokens of reasoning, which most vendors bill as output.
    pub reasoning: u64,
}

impl Usage {
    /// Usage of a call that touched no cache and did not reason.
    #[must_use]
    pub const fn plain(input: u64, output: u64) -> Self {
        Self { input, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output, reasoning: 0 }
    }

    /// The whole prompt: fresh, read from a cache and written to one.
    #[must_use]
    pub const fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write())
    }

    /// Prompt tokens written to a cache, whatever their time to live.
    #[must_use]
    pub const fn cache_write(&self) -> u64 {
        self.cache_write_5m.saturating_add(self.cache_write_1h)
    }

    /// Everything generated: the visible answer and the reasoning.
    #[must_use]
    pub const fn generated(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// Every token of the call.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.prompt().saturating_add(self.generated())
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}
