//! Requests as they come: when, and how long their prompts and answers are.
//!
//! The lengths are those of the Azure LLM inference traces of 2023 (Microsoft Azure, Azure Public Dataset, CC-BY-4.0; Patel
//! et al., *Splitwise: Efficient Generative LLM Inference Using Phase Splitting*, ISCA 2024), by their quantiles. Between
//! two quantiles lengths are equally likely. Prompt and answer are drawn apart from one another. Requests come as a
//! Poisson process.

use std::time::Duration;

use crate::sampler::Random;

/// Shares of the requests that the lengths of a [`Shape`] belong to.
const SHARES: [f64; 11] = [0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];

/// How long prompts and answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The trace's name.
    pub name: &'static str,
    /// Tokens of prompts: the least, the quantiles 5, 10, 25, 50, 75, 90, 95, 99 and 99.9 in a hundred, and the most.
    pub prompt: [u32; SHARES.len()],
    /// Tokens of answers, the same.
    pub answer: [u32; SHARES.len()],
}

/// `azure_llm_2023_conv`: 19,366 requests of people who talk.
pub const CONVERSATION: Shape = Shape {
    name: "Azure 2023 conversation",
    prompt: [2, 181, 207, 396, 1020, 1189, 2735, 4083, 4142, 6212, 14_050],
    answer: [7, 41, 54, 85, 129, 395, 424, 451, 601, 954, 1000],
};

/// `azure_llm_2023_code`: 8,819 requests of editors that complete code.
pub const CODE: Shape = Shape {
    name: "Azure 2023 code",
    prompt: [3, 75, 147, 578, 1469, 2745, 5194, 7315, 7436, 7437, 7437],
    answer: [6, 6, 7, 9, 13, 24, 55, 90, 252, 831, 1899],
};

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it comes, after the start.
    pub at: Duration,
    /// Tokens of its prompt.
    pub prompt: usize,
    /// Tokens of its answer.
    pub answer: usize,
}

/// So many requests of this shape; the same for the same seed. Those that do not fit in `context` tokens are cut: the
/// prompt to half of it at least, then the answer.
#[must_use]
pub fn requests(shape: &Shape, count: usize, context: usize, seed: u64) -> Vec<Arrival> {
    let mut random = Random::seeded(seed);
    let one = |_| {
        let prompt = length(&shape.prompt, random.unit());
        let answer = length(&shape.answer, random.unit());
        let prompt = prompt.min(context.saturating_sub(answer).max(context / 2));
        Arrival { at: Duration::ZERO, prompt, answer: answer.min(context - prompt) }
    };
    (0..count).map(one).collect()
}

/// Lets requests come at random moments, so many a second in the mean.
pub fn spread(requests: &mut [Arrival], per_second: f64, seed: u64) {
    let mut random = Random::seeded(seed);
    let mut at = 0.0;
    for request in requests {
        // Of a number between 0 and 1, the logarithm is the time to the next event of a Poisson process.
        at -= (1.0 - random.unit()).ln() / per_second;
        request.at = Duration::from_secs_f64(at);
    }
}

fn length(quantiles: &[u32; SHARES.len()], share: f64) -> usize {
    let above = SHARES.iter().position(|it| *it > share).unwrap_or(SHARES.len() - 1);
    let [low, high] = [above - 1, above].map(|at| (SHARES[at], f64::from(quantiles[at])));
    let part = (share - low.0) / (high.0 - low.0);
    ((high.1 - low.1).mul_add(part, low.1).round() as usize).max(1)
}
