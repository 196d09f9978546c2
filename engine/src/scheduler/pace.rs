//! How long a step takes, learned from steps: so much for any, and so much for each row. What is decided by it changes
//! when a token comes, and never which.

use std::time::Duration;

/// How many times as long as without prompts a step may take while answers are under way. The time between two tokens of
/// an answer then stays below three times its median, with some room for what the model of the time does not see.
const STRETCH: f64 = 2.5;
/// So many rows of prompts are computed in any case: with fewer, the weights are read for next to nothing.
const PROMPT_ROWS_MIN: usize = 8;
/// How much of what was learned each further step leaves.
const MEMORY: f64 = 0.98;
/// What a step costs beside its rows, in rows, until steps have said it.
const BASE_ROWS: f64 = 8.0;

/// Time by rows: a line through the latest steps.
#[derive(Debug)]
pub(super) struct Pace {
    weight: f64,
    rows: f64,
    time: f64,
    rows_rows: f64,
    rows_time: f64,
    /// Seconds of any step.
    base: f64,
    /// Seconds of each row.
    row: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { weight: 0.0, rows: 0.0, time: 0.0, rows_rows: 0.0, rows_time: 0.0, base: BASE_ROWS, row: 1.0 }
    }
}

impl Pace {
    /// A step of so many rows took so long.
    pub(super) fn note(&mut self, rows: usize, time: Duration) {
        let (rows, time) = (rows as f64, time.as_secs_f64());
        let known = self.weight > 10.0;
        // Where the process slept, nothing is learned.
        if rows == 0.0 || time <= 0.0 || (known && time > 20.0 * self.predict(rows)) {
            return;
        }
        self.weight = self.weight * MEMORY + 1.0;
        self.rows = self.rows * MEMORY + rows;
        self.time = self.time * MEMORY + time;
        self.rows_rows = self.rows_rows * MEMORY + rows * rows;
        self.rows_time = self.rows_time * MEMORY + rows * time;
        let (mean, mean_time) = (self.rows / self.weight, self.time / self.weight);
        let spread = self.rows_rows / self.weight - mean * mean;
        if spread > 1.0 {
            let slope = (self.rows_time / self.weight - mean * mean_time) / spread;
            // A line that passes below the origin, or falls, says that the steps differ in more than their rows.
            self.row = slope.clamp(0.1 * mean_time / mean, mean_time / mean);
        } else {
            // Steps alike say nothing of the slope; what is known of it is kept to scale.
            self.row = mean_time * self.row / (self.base + self.row * mean);
        }
        self.base = (mean_time - self.row * mean).max(0.0);
    }

    fn predict(&self, rows: f64) -> f64 {
        self.base + self.row * rows
    }

    /// How many rows of prompts a step takes beside so many answers.
    pub(super) fn prompt_rows(&self, answers: usize) -> usize {
        let spare = (STRETCH - 1.0) * self.predict(answers as f64) / self.row;
        (spare as usize).max(PROMPT_ROWS_MIN)
    }

    /// How likely a guessed token must be for its row to pay in a step of so many rows. A row more makes the step longer
    /// by `row`; it pays where the step's tokens grow by a larger part than its time does.
    pub(super) fn worth(&self, rows: usize) -> f64 {
        let rows = rows as f64;
        self.row * rows / self.predict(rows)
    }
}

#[cfg(test)]
mod tests;
