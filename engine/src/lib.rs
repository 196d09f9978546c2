//! The embedded inference backend.
