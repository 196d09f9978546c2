//! The models of this process: which there are, and which of them are in memory.
//!
//! A model is loaded when the first call for it comes, and stays. Where the memory that models may take does not suffice
//! for the next one, those that were used longest ago make way for it; never one that is pinned, nor one with a call under
//! way. [`shelf`] decides that, and knows neither files nor threads; [`Loader`] carries it out; [`OnDemand`] is what the
//! gateway sees: a backend like any other, with more latency now and then.
//!
//! `docs/reference/models.md` says what an operator needs to know of it.

mod kind;
mod loader;
mod memory;
mod on_demand;
mod record;
mod shelf;
mod size;
mod spec;
mod status;

#[cfg(test)]
pub(crate) use kind::{Count, Kinds, Opened, Tell, Tunes};
pub(crate) use kind::{Files, Outlined};
use loader::Lease;
pub(crate) use loader::{Limits, Loader};
pub use memory::models_bytes_max;
pub(crate) use on_demand::OnDemand;
pub use size::{parse as parse_size, show as show_size};
pub(crate) use spec::Spec;
pub use status::{ModelState, ModelStatus, Shelved};
