//! The embedded inference backend: reads a GGUF file and answers in canon's events.

pub mod gguf;
mod quant;
pub mod scheduler;
pub mod tokenizer;

#[cfg(test)]
mod fixture;
