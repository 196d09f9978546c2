//! Remote backends, one module a vendor.
//!
//! An adapter encodes, sends, classifies failures through one table, and decodes. It cannot retry, bill or authorise:
//! it does not see `gateway`. A vendor that speaks another's format is a dialect of that one, not a module.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod openai;
mod transport;

pub use transport::Deadlines;
