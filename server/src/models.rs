//! Known models: where their files come from, and the folder in which they are kept.
//!
//! A file is fetched from the first of its sources that has it, verified by its SHA-256 and only then moved to its
//! place, so that whatever lies there is whole. The folder is shared by all data folders of the machine; processes
//! that pull the same model at once wait for one another.

mod cache;
mod https;
mod known;
mod progress;
mod pull;
mod trouble;
mod verify;
mod wheel;

pub use cache::Cache;
pub use known::{DEFAULT, KNOWN, KnownFile, KnownModel, MINILM, Source, find};
pub use progress::{Progress, Step};

#[cfg(test)]
mod tests;
