//! The client's direction: a request to a server of this format, and what it answers.

mod answer;
mod blocks;
mod encode;
mod stream;

pub use answer::decode_answer;
pub use encode::{MAX_TOKENS, encode};
pub use stream::Stream;

#[cfg(test)]
mod tests;
