//! The client's direction: a request to a server of this format, and what it answers.

mod answer;
mod dialect;
mod encode;
mod stream;
mod turns;

pub use answer::{Answered, decode_answer};
pub use dialect::{Dialect, LengthName};
pub use encode::encode;
pub use stream::Stream;

#[cfg(test)]
mod tests;
