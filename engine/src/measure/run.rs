use std::cell::RefCell;
use std::time::{Duration, Instant};

use canon::Fault;

use super::traffic::{self, Arrival, Shape};
use super::{Demand, Energy, Seen, decode, play, prefill, sorted_quantile};
use crate::limits::{Gauge, Limits};
use crate::scheduler::Scheduler;

/// Tokens of the prompt that is read alone.
const PROMPT_TOKENS: usize = 512;
/// Tokens of each answer that is timed.
const ANSWER_TOKENS: usize = 128;
/// How many answers are written at once.
const STREAMS: [usize; 4] = [1, 4, 16, 64];
/// The load, as a share of what the machine can do with the same requests at its busiest.
const LOAD_SHARE: f64 = 0.7;

/// What is measured, and how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How often prompts and answers are timed; medians count.
    pub rounds: usize,
    /// Requests of the load.
    pub requests: usize,
    /// How long they are.
    pub shape: Shape,
    /// The longest that prompt and answer are together, in tokens, where the model allows more.
    pub context_tokens_max: usize,
    /// Chooses prompts and moments.
    pub seed: u64,
}

impl Plan {
    /// Some minutes.
    pub const FULL: Self =
        Self { rounds: 5, requests: 200, shape: traffic::CONVERSATION, context_tokens_max: 4096, seed: 1 };
    /// Under a minute on two cores for a small model. Its 99th percentiles stand on few requests.
    pub const QUICK: Self = Self { rounds: 1, requests: 24, context_tokens_max: 1024, ..Self::FULL };
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What the machine can do.
    Limits,
    /// A prompt alone.
    Prefill,
    /// So many answers at once.
    Decode(usize),
    /// All requests at once: what the machine does at its busiest.
    Capacity,
    /// Requests as they come.
    Load,
}

/// Hears how far a measurement is.
pub trait Progress {
    /// Of this stage, so much of so much is done.
    fn at(&self, stage: Stage, done: usize, all: usize);
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What the machine can do.
    pub limits: Limits,
    /// What the model asks of it.
    pub demand: Demand,
    /// Prompt tokens a second, of one prompt alone.
    pub prefill_tokens_per_s: f64,
    /// For each number of answers at once, their tokens a second together.
    pub decode_tokens_per_s: Vec<(usize, f64)>,
    /// How it goes under a load.
    pub load: Load,
    /// Joules for each token of prompts and answers, where the machine says; of the processors, whatever else they did.
    pub joules_per_token: Option<f64>,
}

/// What callers see under a load of [`Plan::requests`] at a share of the capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The trace that the lengths are taken from.
    pub shape: &'static str,
    /// Prompt tokens a minute when all requests wait at once: the capacity for such requests.
    pub capacity_input_per_min: f64,
    /// Answer tokens a minute, at the same time.
    pub capacity_output_per_min: f64,
    /// Requests a second that came.
    pub requests_per_s: f64,
    /// Seconds to the first token: the median, and what 99 in 100 stay below.
    pub first_s: [f64; 2],
    /// Seconds from one token to the next, the same.
    pub gap_s: [f64; 2],
    /// Requests that were refused or failed.
    pub failed: usize,
}

impl Measured {
    /// The share of the products that the machine allows, while a prompt is read.
    #[must_use]
    pub fn prefill_share(&self) -> f64 {
        self.prefill_tokens_per_s * self.demand.layer_macs as f64 / self.limits.int8_macs_per_s
    }

    /// Of a line of [`Self::decode_tokens_per_s`], the shares of the products and of the memory's speed that it takes: each
    /// token has its products, and each step reads the weights once for all answers.
    #[must_use]
    pub fn decode_shares(&self, (streams, tokens_per_s): (usize, f64)) -> [f64; 2] {
        let macs = (self.demand.layer_macs + self.demand.output_macs) as f64;
        let bytes = self.demand.weight_bytes as f64 / streams as f64;
        [
            tokens_per_s * macs / self.limits.int8_macs_per_s,
            tokens_per_s * bytes / self.limits.stream_bytes_per_s,
        ]
    }
}

/// Measures everything, in order. Nothing else should run meanwhile.
///
/// # Errors
/// The model cannot take the requests, or the engine ended.
pub fn run(
    scheduler: &Scheduler,
    (demand, threads): (Demand, usize),
    plan: &Plan,
    progress: &dyn Progress,
) -> Result<Measured, Fault> {
    let limits = limits(threads, &demand, plan, progress)?;
    // A model for very short texts is measured with shorter ones.
    let half = scheduler.facts().context_tokens / 2;
    let (prompt, answer) = (PROMPT_TOKENS.min(half), ANSWER_TOKENS.min(half));
    // The first touch of everything is slower than all that follow.
    prefill(scheduler, prompt, plan.seed)?;
    let round = |round: usize| plan.seed.wrapping_add(round as u64 + 1);
    let prefill_tokens_per_s =
        median(plan.rounds, (Stage::Prefill, progress), |at| prefill(scheduler, prompt, round(at)))?;
    let mut decode_tokens_per_s = Vec::new();
    for streams in STREAMS {
        let stage = (Stage::Decode(streams), progress);
        let speed = median(plan.rounds, stage, |at| decode(scheduler, streams, answer, round(at)))?;
        decode_tokens_per_s.push((streams, speed));
    }
    let metered = Metered { progress, energy: RefCell::new(Energy::open()) };
    let (load, tokens) = load(scheduler, plan, &metered)?;
    let joules_per_token = metered.energy.into_inner().map(|mut it| it.joules() / tokens as f64);
    Ok(Measured { limits, demand, prefill_tokens_per_s, decode_tokens_per_s, load, joules_per_token })
}

/// Asks the counters each time that something is done, because they wrap.
struct Metered<'a> {
    progress: &'a dyn Progress,
    energy: RefCell<Option<Energy>>,
}

impl Progress for Metered<'_> {
    fn at(&self, stage: Stage, done: usize, all: usize) {
        self.energy.borrow_mut().as_mut().map(Energy::joules);
        self.progress.at(stage, done, all);
    }
}

fn limits(threads: usize, demand: &Demand, plan: &Plan, progress: &dyn Progress) -> Result<Limits, Fault> {
    let mut gauge = Gauge::new(threads, usize::try_from(demand.weight_bytes).unwrap_or(usize::MAX))?;
    let mut limits = gauge.measure();
    for round in 1..plan.rounds {
        progress.at(Stage::Limits, round, plan.rounds);
        limits = limits.or(gauge.measure());
    }
    Ok(limits)
}

fn median(
    rounds: usize,
    (stage, progress): (Stage, &dyn Progress),
    measure: impl Fn(usize) -> Result<f64, Fault>,
) -> Result<f64, Fault> {
    let mut figures = Vec::with_capacity(rounds);
    for round in 0..rounds {
        progress.at(stage, round, rounds);
        figures.push(measure(round)?);
    }
    Ok(sorted_quantile(&mut figures, 0.5))
}

/// Finds the capacity, then plays the same requests at a share of it. Gives the tokens of both, too.
fn load(scheduler: &Scheduler, plan: &Plan, progress: &dyn Progress) -> Result<(Load, u64), Fault> {
    let context = scheduler.facts().context_tokens.min(plan.context_tokens_max);
    let mut requests = traffic::requests(&plan.shape, plan.requests, context, plan.seed);
    let sum = |length: fn(&Arrival) -> usize| requests.iter().map(length).sum::<usize>() as f64;
    let (input, output) = (sum(|it| it.prompt), sum(|it| it.answer));
    let all = requests.len();
    let start = Instant::now();
    let [one, other] = [1 << 41, 1 << 42].map(|apart: u64| plan.seed | apart);
    let seen = play(scheduler, &requests, one, &|done| progress.at(Stage::Capacity, done, all))?;
    if let Some(fault) = seen.into_iter().find_map(|seen| seen.fault) {
        return Err(fault);
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let requests_per_s = LOAD_SHARE * all as f64 / (minutes * 60.0);
    traffic::spread(&mut requests, requests_per_s, plan.seed);
    let seen = play(scheduler, &requests, other, &|done| progress.at(Stage::Load, done, all))?;
    let load = Load {
        shape: plan.shape.name,
        capacity_input_per_min: input / minutes,
        capacity_output_per_min: output / minutes,
        requests_per_s,
        first_s: middle_and_tail(seen.iter().filter_map(Seen::first)),
        gap_s: middle_and_tail(seen.iter().flat_map(Seen::gaps)),
        failed: seen.iter().filter(|seen| seen.fault.is_some()).count(),
    };
    Ok((load, 2 * (input + output) as u64))
}

fn middle_and_tail(times: impl Iterator<Item = Duration>) -> [f64; 2] {
    let mut seconds: Vec<f64> = times.map(|time| time.as_secs_f64()).collect();
    [0.5, 0.99].map(|share| sorted_quantile(&mut seconds, share))
}
