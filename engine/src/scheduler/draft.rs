//! What may follow, by looking it up: a text that repeats itself goes on as it did before (Saxena, "Prompt Lookup
//! Decoding", 2023). A guess only decides which rows are computed ahead; every token is chosen by its true logits.

/// How far back the last tokens are looked for.
const LOOK_BACK_TOKENS_MAX: usize = 8192;
/// The least that must be the same for a guess.
const SAME_TOKENS_MIN: usize = 2;
/// Longer matches are no better.
const SAME_TOKENS_MAX: usize = 6;
/// How much a sequence's guesses are trusted before any was made, and what disuse brings them back to.
const TRUST: f64 = 0.5;
/// How fast trust follows what happens.
const LEARNING: f64 = 0.15;
/// How fast trust comes back while nothing is guessed.
const RECOVERY: f64 = 0.005;

/// How likely a guessed token of a sequence is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust(f64);

impl Default for Trust {
    fn default() -> Self {
        Self(TRUST)
    }
}

impl Trust {
    /// Of `guessed` tokens, so many, from the first, were right.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        for _ in 0..right {
            self.0 += LEARNING * (1.0 - self.0);
        }
        if right < guessed {
            self.0 -= LEARNING * self.0;
        }
    }

    /// A match was there, and nothing was guessed.
    pub(super) const fn recover(&mut self) {
        if self.0 < TRUST {
            self.0 += RECOVERY;
        }
    }

    /// How many tokens are worth guessing, each of which must be as likely as `worth` to be reached and right.
    pub(super) fn guesses(self, worth: f64, max: usize) -> usize {
        let mut likely = self.0;
        (0..max)
            .take_while(|_| {
                let pays = likely > worth;
                likely *= self.0;
                pays
            })
            .count()
    }
}

/// What followed the longest earlier passage that ends like `tokens`, the latest of several; at most `max` tokens.
pub(super) fn look_up(tokens: &[u32], max: usize) -> &[u32] {
    let tokens = &tokens[tokens.len().saturating_sub(LOOK_BACK_TOKENS_MAX)..];
    let Some((last, before)) = tokens.split_last() else { return &[] };
    let mut best = (SAME_TOKENS_MIN - 1, 0);
    for (at, _) in before.iter().enumerate().rev().filter(|(_, token)| *token == last) {
        let earlier = before[..at].iter().rev().zip(before.iter().rev());
        let same = 1 + earlier.take(SAME_TOKENS_MAX - 1).take_while(|(a, b)| a == b).count();
        if same > best.0 {
            best = (same, at + 1);
        }
        if same == SAME_TOKENS_MAX {
            break;
        }
    }
    match best {
        (_, 0) => &[],
        (_, start) => &tokens[start..tokens.len().min(start + max)],
    }
}

#[cfg(test)]
mod tests;
