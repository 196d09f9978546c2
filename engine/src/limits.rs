//! The machine's limits, measured: what the best kernel could reach here, and no kernel goes beyond.
//!
//! A step of many rows is bound by products of small integers, one of a single row by the memory that the weights are read
//! from. Each limit is the best of several short runs: whatever else the machine does only makes a run slower.

use std::time::Instant;

use canon::Fault;

use crate::kernels::Ceilings;

/// Runs of each kind, of which the best counts.
const RUNS: usize = 12;

/// What this machine can do on so many threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The threads that it was measured on.
    pub threads: usize,
    /// The instructions that multiplied.
    pub instructions: &'static str,
    /// Products of 8-bit integers, each added to a 32-bit sum, in a second; operands in the cache next to the core.
    pub int8_macs_per_s: f64,
    /// Bytes read from memory in order, in a second.
    pub stream_bytes_per_s: f64,
    /// The memory that was read over and over.
    pub stream_bytes: usize,
}

/// Measures limits, some runs at a time, so that they can be taken between others' turns.
pub struct Gauge {
    ceilings: Ceilings,
    /// What no measurement has said yet.
    nothing: Limits,
}

impl Gauge {
    /// Starts `threads`, and takes `stream_bytes` of memory: as much as the model's weights, since a smaller piece may stay
    /// in a cache.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn new(threads: usize, stream_bytes: usize) -> Result<Self, Fault> {
        let threads = threads.max(1);
        let ceilings = Ceilings::new(threads, stream_bytes)?;
        let nothing = Limits {
            threads,
            instructions: ceilings.instructions(),
            int8_macs_per_s: 0.0,
            stream_bytes_per_s: 0.0,
            stream_bytes,
        };
        Ok(Self { ceilings, nothing })
    }

    /// Measures, for some tens of milliseconds.
    pub fn measure(&mut self) -> Limits {
        let mut limits = self.nothing;
        for _ in 0..RUNS {
            limits.int8_macs_per_s = limits.int8_macs_per_s.max(per_second(|| self.ceilings.multiply()));
        }
        for _ in 0..RUNS {
            limits.stream_bytes_per_s = limits.stream_bytes_per_s.max(per_second(|| self.ceilings.read()));
        }
        limits
    }
}

impl Limits {
    /// The better of two measurements of the same machine.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            int8_macs_per_s: self.int8_macs_per_s.max(other.int8_macs_per_s),
            stream_bytes_per_s: self.stream_bytes_per_s.max(other.stream_bytes_per_s),
            ..self
        }
    }
}

/// Measures once, and lets go of threads and memory.
///
/// # Errors
/// As for [`Gauge::new`].
pub fn measure(threads: usize, stream_bytes: usize) -> Result<Limits, Fault> {
    Ok(Gauge::new(threads, stream_bytes)?.measure())
}

fn per_second(mut work: impl FnMut() -> u64) -> f64 {
    let start = Instant::now();
    let done = work();
    done as f64 / start.elapsed().as_secs_f64()
}
