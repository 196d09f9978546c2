//! Who is calling and what they may do.
//!
//! Two steps, each of which takes what the one before it made: [`authenticate()`] turns what was presented into a
//! [`Caller`], [`authorise`] turns a caller and what they ask for into a [`Permit`]. Neither a caller nor a permit can be
//! made in any other way, so that holding one is the proof.
//!
//! What is absent: I/O, a clock, randomness and an HTTP library. The time and the entropy are arguments, and a request is
//! the handful of slices in [`Presented`].
//!
//! # Which credential counts
//!
//! Exactly one is looked at, whatever else is there, and if it fails nothing else is tried:
//!
//! 1. `authorization`: `AWS4-HMAC-SHA256 …` is a signature, `Bearer …` is an API key; any other scheme is refused. So is
//!    a second `authorization` header.
//! 2. `x-api-key`: an API key, long-term or short-term.
//!
//! A signature in the query string (a presigned URL) is not a credential here.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod authenticate;
mod bearer;
mod caller;
mod key;
mod keyring;
mod pattern;
mod permit;
mod presented;
mod refuse;
mod sigv4;
#[cfg(test)]
mod vectors;

pub use authenticate::{AUTHORIZATION_BYTES_MAX, HEADERS_MAX, authenticate};
pub use bearer::SHORT_TERM_SECONDS_MAX;
pub use caller::{Caller, Method, Scope};
pub use key::{ENTROPY_BYTES, Key, KeyId, Minted};
pub use keyring::Keyring;
pub use pattern::Pattern;
pub use permit::{Action, Permit, authorise};
pub use presented::Presented;
pub use sigv4::{SIGNED_HEADERS_MAX, SKEW_SECONDS_MAX};
