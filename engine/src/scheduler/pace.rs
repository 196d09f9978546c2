//! How long a step takes, learned from steps, and how much of prompts a step takes beside answers. What is decided by it
//! changes when a token comes, and never which.

use std::iter::Sum;
use std::time::Duration;

/// How many times as long as without prompts a step may take while answers are under way. The time between two tokens of
/// an answer then stays below three times its median, with some room for what the model of the time does not see.
const STRETCH: f64 = 2.5;
/// Prompts have this part of a step's time in any case, beside answers that by themselves take longer than they use to.
const PROMPTS_MIN: f64 = 1.0 / 3.0;
/// How much of what was learned each further step leaves.
const MEMORY: f64 = 0.99;
/// How much each further token of an answer leaves of what was learned of steps for answers alone.
const MEMORY_OF_ANSWERS: f64 = 0.9998;
/// What costs are believed to be until steps have said it, in rows: of any step, of a row, of a token read, of a token
/// shared.
const BELIEF: [f64; KINDS] = [8.0, 1.0, 5e-4, 5e-4];
/// How many steps this belief is worth: what steps no longer say of a cost leaves it as it was.
const BELIEF_STEPS: f64 = 0.1;
/// How many times each step mends the costs. They change little from step to step.
const SWEEPS: usize = 4;

/// How many kinds of costs a step has.
const KINDS: usize = 4;

/// What a step computes, as far as its time depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Tokens that go through the model.
    pub(super) rows: usize,
    /// Tokens that answers attend to: each of them reads keys and values for itself.
    pub(super) read: usize,
    /// Tokens that rows of prompts attend to, row by row: they share what is read.
    pub(super) shared: usize,
}

impl Load {
    /// An answer's next token and what is guessed of those that follow, `rows` in all, after so many.
    pub(super) const fn answer(computed: usize, rows: usize) -> Self {
        Self { rows, read: computed + rows, shared: 0 }
    }

    /// So many rows of a prompt, after so many.
    pub(super) const fn prompt(computed: usize, rows: usize) -> Self {
        Self { rows, read: 0, shared: rows * computed + rows * (rows + 1) / 2 }
    }

    /// Of each kind of cost, how often it is paid: once a step, and for each of these.
    fn times(&self) -> [f64; KINDS] {
        [1.0, self.rows as f64, self.read as f64, self.shared as f64]
    }
}

impl Sum for Load {
    fn sum<I: Iterator<Item = Self>>(loads: I) -> Self {
        loads.fold(Self::default(), |sum, it| Self {
            rows: sum.rows + it.rows,
            read: sum.read + it.read,
            shared: sum.shared + it.shared,
        })
    }
}

/// What steps cost: the least squares of what the latest steps took, with no cost below zero. Each step counts by how far
/// it is off in proportion, so that short steps say as much as long ones, and what held a step up says little.
#[derive(Debug)]
pub(super) struct Pace {
    /// In seconds: of any step, of each row, of each token read, of each token shared.
    costs: [f64; KINDS],
    /// The sums that least squares want, of steps of which each further one leaves [`MEMORY`]: how many there are, and over
    /// them what is paid how often for each second, each by each and each alone.
    steps: f64,
    products: [[f64; KINDS]; KINDS],
    totals: [f64; KINDS],
    /// Seconds that a step for answers alone takes of late, as their callers see it.
    usual: Option<f64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { costs: BELIEF, steps: 0.0, products: [[0.0; KINDS]; KINDS], totals: [0.0; KINDS], usual: None }
    }
}

impl Pace {
    /// A step took so long.
    pub(super) fn note(&mut self, load: Load, time: Duration) {
        let time = time.as_secs_f64();
        if time <= 0.0 {
            return;
        }
        let times = load.times().map(|times| times / time);
        for (kind, by) in times.iter().enumerate() {
            for (product, times) in self.products[kind].iter_mut().zip(&times) {
                *product = *product * MEMORY + by * times;
            }
            self.totals[kind] = self.totals[kind] * MEMORY + by;
        }
        self.steps = self.steps * MEMORY + 1.0;
        self.scale();
        let believed = BELIEF.iter().zip(&self.totals).map(|(cost, total)| cost * total).sum::<f64>();
        let row = self.steps / believed;
        for kind in (0..SWEEPS).flat_map(|_| 0..KINDS) {
            self.mend(kind, BELIEF_STEPS / (BELIEF[kind] * row).powi(2));
        }
    }

    /// Makes all costs so many times what they were: steps alike say this, and nothing of how the costs compare.
    fn scale(&mut self) {
        let expected: f64 = self.costs.iter().zip(&self.totals).map(|(cost, total)| cost * total).sum();
        let square: f64 = self.costs.iter().enumerate().map(|(kind, cost)| cost * self.fitted(kind)).sum();
        if square > 0.0 {
            self.costs.iter_mut().for_each(|cost| *cost *= expected / square);
        }
    }

    /// Finds a kind's cost by the others'; the less steps say of it, the more `inertia` keeps it as it was.
    fn mend(&mut self, kind: usize, inertia: f64) {
        let off = self.totals[kind] - self.fitted(kind);
        self.costs[kind] = (self.costs[kind] + off / (self.products[kind][kind] + inertia)).max(0.0);
    }

    fn fitted(&self, kind: usize) -> f64 {
        self.products[kind].iter().zip(&self.costs).map(|(product, cost)| product * cost).sum()
    }

    /// How many seconds a step is expected to take.
    pub(super) fn predict(&self, load: Load) -> f64 {
        load.times().iter().zip(&self.costs).map(|(times, cost)| times * cost).sum()
    }

    /// How many seconds a step may give to prompts beside answers. Where these are few, a step is as long as where there
    /// are many: what a caller sees is the time from one token to the next.
    pub(super) fn spare(&mut self, answers: Load) -> f64 {
        let own = self.predict(answers);
        let usual =
            self.usual.map_or(own, |usual| own + (usual - own) * MEMORY_OF_ANSWERS.powf(answers.rows as f64));
        self.usual = Some(usual);
        (STRETCH * usual - own).max(own * PROMPTS_MIN / (1.0 - PROMPTS_MIN))
    }

    /// How many seconds a load makes a step longer.
    pub(super) fn adds(&self, load: Load) -> f64 {
        self.predict(load) - self.costs[0]
    }

    /// How many rows of a prompt so many seconds suffice for, after so many rows.
    pub(super) fn rows_within(&self, seconds: f64, computed: usize) -> usize {
        let [_, row, _, shared] = self.costs;
        let row = row + shared * (computed as f64 + 0.5);
        // The root of `shared / 2 · rows² + row · rows = seconds`, in the form that a cost of zero leaves well defined.
        let root = shared.mul_add(2.0 * seconds, row * row).sqrt();
        (2.0 * seconds / (row + root)) as usize
    }

    /// How likely a guessed token must be for its row to pay in a step. A row more makes the step longer; it pays where
    /// the step's tokens grow by a larger part than its time does.
    pub(super) fn worth(&self, load: Load) -> f64 {
        let [_, row, ..] = self.costs;
        row * load.rows as f64 / self.predict(load)
    }
}

#[cfg(test)]
mod tests;
