//! What may follow, by looking it up: a text that repeats itself goes on as it did before (Saxena, "Prompt Lookup
//! Decoding", 2023). A guess only decides which rows are computed ahead; every token is chosen by its true logits.

/// How far back the last tokens are looked for.
const LOOK_BACK_TOKENS_MAX: usize = 8192;
/// Longer matches are no better.
const SAME_TOKENS_MAX: usize = 6;
/// How much a sequence's guesses are trusted before any was made, and what disuse brings them back to.
const TRUST: f64 = 0.4;
/// How fast trust follows what happens.
const LEARNING: f64 = 0.1;
/// How fast trust comes back while nothing is guessed.
const RECOVERY: f64 = 0.01;

/// How likely a guessed token of a sequence is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust(f64);

/// The same by what guesses were found by, as one token that was there before says less than several do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trusts {
    by_one: Trust,
    by_several: Trust,
}

impl Trusts {
    /// That in guesses that so many tokens led to.
    pub(super) const fn of(&mut self, same: usize) -> &mut Trust {
        if same > 1 { &mut self.by_several } else { &mut self.by_one }
    }
}

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

    /// A passage was there, and nothing was guessed.
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

/// An earlier passage of a text that ends as the text does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// How many tokens are the same, as far as that is looked at.
    pub(super) same: usize,
    /// Where it ends: what followed it begins here.
    end: usize,
}

impl Passage {
    /// The longest, and of several the latest; none where the last token is a new one.
    pub(super) fn find(tokens: &[u32]) -> Option<Self> {
        let start = tokens.len().saturating_sub(LOOK_BACK_TOKENS_MAX);
        let (last, before) = tokens[start..].split_last()?;
        let mut best: Option<Self> = None;
        for (at, _) in before.iter().enumerate().rev().filter(|(_, token)| *token == last) {
            let earlier = before[..at].iter().rev().zip(before.iter().rev());
            let same = 1 + earlier.take(SAME_TOKENS_MAX - 1).take_while(|(a, b)| a == b).count();
            if best.is_none_or(|best| same > best.same) {
                best = Some(Self { same, end: start + at + 1 });
            }
            if same == SAME_TOKENS_MAX {
                break;
            }
        }
        best
    }

    /// What follows if the text, of which this is a passage, goes on as it did before, without an end.
    pub(super) fn follow(self, tokens: &[u32]) -> impl Iterator<Item = u32> {
        tokens[self.end..].iter().copied().cycle()
    }
}

#[cfg(test)]
mod tests;
