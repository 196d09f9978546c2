//! Durable adapters for the ports: SQLite in the data folder.
//!
//! A [`DataDir`] is a folder and the lock on it. A [`Store`] is the running server's side: it implements
//! [`gateway::Journal`], and there is one at most on a folder, because it takes the lock to make one. [`Records`] is what
//! any process may do beside it: keys, usage, and the audit trail.
//!
//! # What is promised
//!
//! When a future of the journal is ready, its record is on the disk. Every admitted call has one row, which holds its
//! intent and then its receipt; calls that were open when a process died are settled as interrupted by the next start.
//! Every receipt, and everything that an operator does, is a line of a hash chain under a key that lies in the folder, so
//! that [`Records::verify`] finds what was changed, removed, added or cut off by someone who had the database and not the
//! key.
//!
//! What is absent: a runtime. One thread writes; futures only wait for it.

mod chain;
mod data_dir;
mod file;
mod journal;
mod keys;
mod open;
mod problem;
mod records;
mod recovery;
mod row;
mod schema;
mod seal;
mod usage;
mod verify;
mod witness;
mod writer;

#[cfg(test)]
mod testing;

pub use chain::{Head, Note};
pub use data_dir::{Credentials, DataDir};
pub use journal::Store;
pub use keys::{KEY_NAME_CHARS_MAX, KEYS_MAX};
pub use open::{Durability, Opened, Options};
pub use records::Records;
pub use usage::{Period, UsageRow};
pub use verify::{DAMAGE_MAX, Damage, Verdict};
