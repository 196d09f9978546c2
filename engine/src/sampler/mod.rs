//! From logits to a token.

mod random;
mod stop;

use std::collections::HashMap;

use canon::Sampling;

pub(crate) use self::random::{Random, entropy};
pub(crate) use self::stop::StopScanner;

/// Where the caller chooses neither temperature nor top-p: what Llama 3's own `generation_config.json` says. A caller
/// who chooses one of the two gets the other at 1, which leaves the distribution as it is.
const TEMPERATURE: f32 = 0.6;
const TOP_P: f32 = 0.9;
/// A token is never sampled that is less than e^−20 times as likely as the likeliest (about two in a billion). Few
/// tokens pass, so that most steps look at hundreds of tokens instead of the whole vocabulary.
const LOG_ODDS_MIN: f32 = -20.0;
/// So many tokens are sorted as they are.
const SORTED_TOKENS_MAX: usize = 64;

/// Chooses tokens as a caller asked for them.
///
/// In this order: penalties for tokens of the answer so far, temperature, top-k, top-p.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// `None` takes the likeliest token always.
    temperature: Option<f32>,
    top_k: usize,
    top_p: f32,
    presence: f32,
    frequency: f32,
    counts: HashMap<u32, u16>,
    random: Random,
    candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    token: u32,
    logit: f32,
    /// How likely it is, the likeliest being 1.
    weight: f32,
}

impl Candidate {
    /// Likelier first; of equals, the lower token.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        other.logit.total_cmp(&self.logit).then(self.token.cmp(&other.token))
    }
}

impl Sampler {
    /// `entropy` is the seed where the caller gives none.
    pub(crate) fn new(sampling: &Sampling, entropy: u64) -> Self {
        let (temperature, top_p) = match (sampling.temperature, sampling.top_p) {
            (None, None) => (TEMPERATURE, TOP_P),
            (temperature, top_p) => (temperature.unwrap_or(1.0), top_p.unwrap_or(1.0)),
        };
        Self {
            temperature: Some(temperature).filter(|&temperature| temperature > 0.0),
            top_k: sampling.top_k.map_or(0, |k| usize::try_from(k).unwrap_or(usize::MAX)),
            top_p,
            presence: sampling.presence_penalty.unwrap_or(0.0),
            frequency: sampling.frequency_penalty.unwrap_or(0.0),
            counts: HashMap::new(),
            random: Random::seeded(sampling.seed.unwrap_or(entropy)),
            candidates: Vec::new(),
        }
    }

    /// Whether it always takes the likeliest token, whatever the others' logits are.
    pub(crate) const fn is_greedy(&self) -> bool {
        self.temperature.is_none() && self.presence == 0.0 && self.frequency == 0.0
    }

    /// Lowers the logits of tokens that the answer already holds. Once for each position.
    pub(crate) fn penalise(&self, logits: &mut [f32]) {
        for (&token, &count) in &self.counts {
            if let Some(logit) = logits.get_mut(crate::tokenizer::index(token)) {
                *logit -= self.presence + self.frequency * f32::from(count);
            }
        }
    }

    /// A token; `None` where none is possible, all logits being −∞ or not numbers.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        let best = likeliest(logits)?;
        let Some(temperature) = self.temperature.filter(|_| best.logit < f32::INFINITY) else {
            return Some(best.token);
        };
        let floor = best.logit + LOG_ODDS_MIN * temperature;
        self.candidates.clear();
        let all = (0_u32..).zip(logits).filter(|&(_, &logit)| logit >= floor && logit > f32::NEG_INFINITY);
        self.candidates.extend(all.map(|(token, &logit)| {
            let weight = ((logit - best.logit) / temperature).exp();
            Candidate { token, logit, weight }
        }));
        if self.top_k > 0 && self.top_k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(self.top_k - 1, Candidate::order);
            self.candidates.truncate(self.top_k);
        }
        let mut total: f64 = self.candidates.iter().map(|c| f64::from(c.weight)).sum();
        if self.top_p < 1.0 {
            total = self.nucleus(total * f64::from(self.top_p.max(0.0)));
        }
        let mut left = self.random.unit() * total;
        let chosen = self.candidates.iter().find(|c| {
            left -= f64::from(c.weight);
            left < 0.0
        });
        // Rounding may leave a crumb after the last.
        chosen.or(self.candidates.last()).map(|c| c.token)
    }

    /// Keeps the fewest candidates whose weights reach `goal`, likeliest first, and gives their weight. Halves the
    /// stretch in which the last of them lies until it is short enough to sort, so that nothing else is sorted.
    fn nucleus(&mut self, goal: f64) -> f64 {
        let sum = |some: &[Candidate]| some.iter().map(|c| f64::from(c.weight)).sum::<f64>();
        let (mut start, mut total) = (0, 0.0);
        let mut open = &mut *self.candidates;
        while open.len() > SORTED_TOKENS_MAX {
            let middle = open.len() / 2;
            open.select_nth_unstable_by(middle, Candidate::order);
            let (likelier, others) = open.split_at_mut(middle);
            let half = sum(likelier);
            if total + half >= goal {
                open = likelier;
            } else {
                total += half;
                start += middle;
                open = others;
            }
        }
        open.sort_unstable_by(Candidate::order);
        let last = open.iter().position(|c| {
            total += f64::from(c.weight);
            total >= goal
        });
        if let Some(last) = last {
            self.candidates.truncate(start + last + 1);
        }
        total
    }

    /// Notes a token of the answer.
    pub(crate) fn accept(&mut self, token: u32) {
        if self.presence != 0.0 || self.frequency != 0.0 {
            let count = self.counts.entry(token).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// The likeliest token; of equals, the lowest. Nothing where no logit is a number.
#[must_use]
pub fn likeliest_token(logits: &[f32]) -> Option<u32> {
    likeliest(logits).map(|best| best.token)
}

/// As [`likeliest_token`].
fn likeliest(logits: &[f32]) -> Option<Candidate> {
    // Comparing with a number that is not one is false, so such logits are passed over. In lanes, so that the
    // comparisons do not wait for one another.
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in logits.chunks(lanes.len()) {
        for (top, &logit) in lanes.iter_mut().zip(chunk) {
            *top = if logit > *top { logit } else { *top };
        }
    }
    let top = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
    if top == f32::NEG_INFINITY {
        return None;
    }
    let (token, &logit) = (0_u32..).zip(logits).find(|&(_, &logit)| logit == top)?;
    Some(Candidate { token, logit, weight: 1.0 })
}

#[cfg(test)]
mod tests;
