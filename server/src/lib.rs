//! Listener, routes, configuration and the composition root.

pub mod admin;
pub mod bench;
pub mod client;
mod directory;
mod edge;
pub mod estate;
mod failure;
mod health;
pub mod listen;
pub mod local;
pub mod models;
mod percent;
pub mod places;
mod ports;
mod route;
#[cfg(test)]
mod testing;
pub mod tls;
mod up;

pub use engine::KvType;
pub use failure::Failure;
pub use up::{AdapterOption, CALLS_MAX, Ready, UpOptions, up};
