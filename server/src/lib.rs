//! Listener, routes, configuration and the composition root.

mod failure;

pub use failure::Failure;
