use std::sync::Arc;

use canon::{Fault, Tier};

use crate::adapter::Adapter;

/// What the scheduler runs: a prompt, and what to do with the logits that follow it.
///
/// Every method is called by the engine while other sequences wait, so none of them blocks.
pub trait Sequence: Send {
    /// The prompt; at least one token, and each below the vocabulary's size.
    fn prompt(&self) -> &[u32];

    /// At most so many tokens are generated. Prompt and these together fit in the context.
    fn tokens_max(&self) -> usize;

    /// Whose it is and how it is to be treated; asked once.
    fn terms(&self) -> Terms {
        Terms::default()
    }

    /// What changes the model for it; asked once.
    fn adapter(&self) -> Option<Arc<Adapter>> {
        None
    }

    /// The caller went away; asked before every step.
    fn cancelled(&self) -> bool;

    /// The prompt has been computed; told once, before the first [`Self::next`].
    fn prepared(&mut self, _supply: Supply) {}

    /// Itself, if it always takes the likeliest token: then the engine may leave the logits unwritten. The answer is always the
    /// same.
    fn as_greedy(&mut self) -> Option<&mut dyn Greedy> {
        None
    }

    /// Chooses the token that follows, from one logit for each token of the vocabulary, which it may change.
    /// This or [`Greedy::follow`] is called once for each generated position, at most [`Self::tokens_max`] times, after which
    /// the sequence is dropped; dropped too after [`Next::End`] and when cancelled.
    fn next(&mut self, logits: &mut [f32]) -> Next;

    /// The engine cannot go on with it; the sequence is dropped next.
    fn fail(&mut self, fault: Fault);
}

/// A sequence that always takes the likeliest token.
pub trait Greedy {
    /// As [`Sequence::next`], of the likeliest token: of equals, the lowest; none where no logit is a number above minus
    /// infinity.
    fn follow(&mut self, likeliest: Option<u32>) -> Next;
}

/// What follows a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This token; the sequence goes on.
    Token(u32),
    /// Nothing; the sequence is complete.
    End,
}

/// Whose a sequence is, and how it is to be treated. None of it changes a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How urgent it is.
    pub tier: Tier,
    /// Whose it is: callers have equal shares, and share no cached prefix with one another. `None` is one caller, too.
    pub caller: Option<Arc<str>>,
    /// The adapter that it is computed with; 0 is the base model. What is cached is cached for one adapter.
    pub adapter: u32,
    /// What is to be kept of its prompt.
    pub keep: Keep,
}

impl Default for Terms {
    fn default() -> Self {
        Self { tier: Tier::Default, caller: None, adapter: 0, keep: Keep::default() }
    }
}

/// Prefixes of a prompt that are to be kept for a time, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many tokens, from the first, for five minutes after their last use.
    pub five_minutes: usize,
    /// So many tokens, from the first, for an hour after their last use.
    pub hour: usize,
}

impl Keep {
    /// So many tokens for some time.
    #[must_use]
    pub fn tokens(self) -> usize {
        self.five_minutes.max(self.hour)
    }
}

/// Where the keys and values of a prompt came from, in tokens. What is in none of the counters was computed, and is not
/// kept for a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// Taken from the cache, whether or not [`Keep`] covers it.
    pub cached: usize,
    /// Those of them that [`Keep`] covers.
    pub read: usize,
    /// Computed, and kept for five minutes.
    pub written_5m: usize,
    /// Computed, and kept for an hour.
    pub written_1h: usize,
}
