//! Every public format, in both directions, without I/O: bytes in, canon out, and back.
//!
//! A format is a folder of `request`, `response`, `stream` and `tests`; its serde structs are private to it. Formats
//! know canon and never one another, so that a new one is one more folder and not one more column of a matrix.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod anthropic;
pub mod converse;
pub mod count;
mod exchange;
pub mod fault;
mod frame;
#[cfg(test)]
mod golden;
pub mod invoke;
mod json;
mod media;
pub mod models;
mod native;
mod object;
pub mod openai;
mod sse;
mod time;
mod vectors;

pub use exchange::{AnswerHead, Encoder, Exchange, Reply, ReplyHead};
pub use sse::{Frame, Frames, Overlong};
