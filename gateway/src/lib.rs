//! The straight line from a request to its receipt.
//!
//! [`Gateway::serve`] is the life of a call on one page. Every stage takes the previous stage's value, so none can be
//! skipped: there is no running without a [`Placement`](placement::Placement), no placement without an
//! [`Intent`](admission::Intent) that the journal holds, no intent without a permit, no permit without a caller.
//!
//! What is absent: any vendor's shape (`wire` is not among the dependencies), any I/O, any clock or spawned task of its
//! own. The simulator runs this same code over simulated ports.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod admission;
pub mod catalog;
mod meter;
mod needs;
pub mod placement;
mod port;
mod record;
mod run;
mod serve;

#[cfg(test)]
mod testing;

pub use meter::Metered;
pub use port::{Clock, Directory, Entropy, Journal, Snapshot};
pub use record::{IntentRecord, Outcome, Receipt, RequestId};
pub use serve::{Arrival, Gateway, Served};
