use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use canon::Fault;

use super::Arrival;
use crate::sampler::{Random, likeliest_token};
use crate::scheduler::{Greedy, Next, Scheduler, Sequence};

/// Set in a seed, so that a prompt that is timed begins as none of those whose answers are.
const ALONE: u64 = 1 << 40;
/// Tokens of the prompts of answers that are timed.
const SHORT_PROMPT_TOKENS: usize = 16;

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which one it was.
    pub number: usize,
    /// When it was due.
    pub due: Instant,
    /// When each token of its answer was chosen.
    pub tokens: Vec<Instant>,
    /// Why it was not answered.
    pub fault: Option<Fault>,
}

impl Seen {
    /// How long its caller waited for the first token.
    #[must_use]
    pub fn first(&self) -> Option<Duration> {
        self.tokens.first().map(|first| first.saturating_duration_since(self.due))
    }

    /// How long its caller waited for each of the others.
    pub fn gaps(&self) -> impl Iterator<Item = Duration> {
        self.tokens.windows(2).filter_map(|pair| match pair {
            [one, next] => Some(next.saturating_duration_since(*one)),
            _ => None,
        })
    }
}

/// Takes the likeliest token, notes when, and tells what it saw when it is dropped.
struct Timed {
    prompt: Vec<u32>,
    answer: usize,
    seen: Option<Seen>,
    to: Sender<Seen>,
}

impl Sequence for Timed {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn tokens_max(&self) -> usize {
        self.answer
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn as_greedy(&mut self) -> Option<&mut dyn Greedy> {
        Some(self)
    }

    fn next(&mut self, logits: &mut [f32]) -> Next {
        self.follow(likeliest_token(logits))
    }

    fn fail(&mut self, fault: Fault) {
        if let Some(seen) = &mut self.seen {
            seen.fault = Some(fault);
        }
    }
}

impl Greedy for Timed {
    fn follow(&mut self, likeliest: Option<u32>) -> Next {
        if let Some(seen) = &mut self.seen {
            seen.tokens.push(Instant::now());
        }
        Next::Token(likeliest.unwrap_or(0))
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(seen) = self.seen.take() {
            // Nobody waits for it where a measurement was given up.
            drop(self.to.send(seen));
        }
    }
}

/// Sends each request when it is due and waits for all; `done` hears how many have ended. What was refused comes back with
/// its fault.
///
/// # Errors
/// The engine ended before all requests did.
pub fn play(
    scheduler: &Scheduler,
    arrivals: &[Arrival],
    seed: u64,
    done: &dyn Fn(usize),
) -> Result<Vec<Seen>, Fault> {
    let (to, ended) = channel();
    let start = Instant::now();
    let mut all = Vec::with_capacity(arrivals.len());
    let take = |all: &mut Vec<Seen>, seen: Seen| {
        all.push(seen);
        done(all.len());
    };
    for (number, arrival) in arrivals.iter().enumerate() {
        let due = start + arrival.at;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            match ended.recv_timeout(left) {
                Ok(seen) => take(&mut all, seen),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Err(Fault::internal("nobody answers")),
            }
        }
        let seen = Seen { number, due, tokens: Vec::with_capacity(arrival.answer), fault: None };
        let prompt = prompt(arrival.prompt, scheduler.facts().vocabulary, seed.wrapping_add(number as u64));
        let timed = Timed { prompt, answer: arrival.answer, seen: Some(seen.clone()), to: to.clone() };
        if let Err(fault) = scheduler.submit(Box::new(timed)) {
            // The sequence that was refused has told of itself, without the reason, and others may have come before.
            let mut refused = ended.recv().map_err(Fault::internal)?;
            while refused.number != number {
                take(&mut all, refused);
                refused = ended.recv().map_err(Fault::internal)?;
            }
            take(&mut all, Seen { fault: Some(fault), ..refused });
        }
    }
    drop(to);
    for seen in ended {
        take(&mut all, seen);
    }
    all.sort_by_key(|seen| seen.number);
    Ok(all)
}

/// Tokens by chance, so that no prompt begins as another does and none is found in a cache.
fn prompt(len: usize, vocabulary: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed);
    (0..len).map(|_| (random.unit() * vocabulary as f64) as u32).collect()
}

/// Prompt tokens read in a second, of one prompt of `tokens`.
///
/// # Errors
/// The prompt was refused, or the engine ended.
pub fn prefill(scheduler: &Scheduler, tokens: usize, seed: u64) -> Result<f64, Fault> {
    let arrival = Arrival { at: Duration::ZERO, prompt: tokens, answer: 1 };
    let seen = answered(play(scheduler, &[arrival], seed | ALONE, &|_| {})?)?;
    let first = seen.iter().filter_map(Seen::first).max().unwrap_or_default();
    Ok(tokens as f64 / first.as_secs_f64())
}

/// Answer tokens written in a second while `streams` answers are written at once, from the moment at which all of them
/// have begun; each has `tokens`.
///
/// # Errors
/// A request was refused, or the engine ended.
pub fn decode(scheduler: &Scheduler, streams: usize, tokens: usize, seed: u64) -> Result<f64, Fault> {
    let arrival = Arrival { at: Duration::ZERO, prompt: SHORT_PROMPT_TOKENS, answer: tokens };
    let seen = answered(play(scheduler, &vec![arrival; streams], seed, &|_| {})?)?;
    let begun = seen.iter().filter_map(|seen| seen.tokens.first()).max();
    let ended = seen.iter().filter_map(|seen| seen.tokens.last()).max();
    let (Some(begun), Some(ended)) = (begun, ended) else { return Ok(0.0) };
    let written = seen.iter().flat_map(|seen| &seen.tokens).filter(|at| *at > begun).count();
    Ok(written as f64 / ended.saturating_duration_since(*begun).as_secs_f64())
}

/// Fails with the first fault of a request.
fn answered(seen: Vec<Seen>) -> Result<Vec<Seen>, Fault> {
    match seen.iter().find_map(|seen| seen.fault.clone()) {
        Some(fault) => Err(fault),
        None => Ok(seen),
    }
}

/// The value below which `share` of the figures lie, which are sorted first; zero where there are none.
pub fn sorted_quantile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = (figures.len() as f64 * share) as usize;
    figures.get(at.min(figures.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
