//! What keeps the house in order: rules that no compiler holds, and one command that runs every check.

use std::path::{Path, PathBuf};

mod arm;
pub mod clients;
pub mod peers;
pub mod run;
mod sanitizers;
pub mod stages;
pub mod tidy;

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}
