//! Measures a model that runs: how fast prompts are read and answers written, alone and in a crowd, and how long callers
//! wait under a load; beside what the machine allows.
//!
//! Everything goes through the scheduler, as requests do. What is left out is what stands before it: templates,
//! tokenizers, grammars, the network.

mod demand;
mod energy;
mod play;
mod run;
#[cfg(test)]
mod tests;
pub mod traffic;

pub use crate::sampler::likeliest_token;
pub use demand::Demand;
pub use energy::Energy;
pub use play::{Seen, decode, play, prefill, sorted_quantile};
pub use run::{Load, Measured, Plan, Progress, Stage, run};
pub use traffic::Arrival;
