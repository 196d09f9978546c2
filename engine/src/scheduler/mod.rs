//! Continuous batching: one engine thread that carries prompts and answers of many sequences in each step.

mod sequence;

pub use sequence::{Next, Sequence};
