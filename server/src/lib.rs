//! Listener, routes, configuration and the composition root.

pub mod client;
pub mod estate;
mod failure;
pub mod listen;
pub mod models;
pub mod places;
pub mod tls;

pub use failure::Failure;
