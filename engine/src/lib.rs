//! The embedded inference backend: reads a GGUF file and answers in canon's events.

pub mod gguf;
pub mod scheduler;
