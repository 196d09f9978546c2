//! Listener, routes, configuration and the composition root.

pub mod client;
mod failure;
pub mod models;
pub mod places;

pub use failure::Failure;
