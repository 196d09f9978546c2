//! Listener, routes, configuration and the composition root.

mod client;
mod failure;
pub mod models;

pub use failure::Failure;
