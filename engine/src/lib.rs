//! The embedded inference backend: reads a GGUF file and answers in canon's events.

pub mod gguf;
mod quant;
mod sampler;
pub mod scheduler;
pub mod tokenizer;

#[cfg(test)]
mod fixture;
