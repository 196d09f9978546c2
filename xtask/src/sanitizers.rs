//! The kernels' tests under sanitizers, which only a nightly compiler has.

use std::process::Command;

use crate::run::{cargo, quietly};
use crate::stages::passed;

/// The target must be named, so that build scripts and macros are left as they are.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What reads and writes through pointers: kernels, pool, attention, keys and values.
const TESTS: &str = "kernels::";

/// Runs them under the address sanitizer; the remark says why not.
///
/// # Errors
/// What cargo printed, where that failed: the sanitizer's report is in it.
pub(crate) fn check() -> Result<String, String> {
    let has = |words: &[&str]| quietly(Command::new("rustup").args(words)).unwrap_or_default();
    let Some(nightly) = has(&["toolchain", "list"]).lines().find_map(|line| {
        let name = line.split_whitespace().next()?;
        (name.starts_with("nightly") && name.ends_with(TARGET)).then(|| name.to_owned())
    }) else {
        return Ok("left out: `rustup toolchain install nightly` installs what it needs".to_owned());
    };
    let mut command = cargo(&["test", "--package", "engine", "--lib", "--target", TARGET, TESTS]);
    command.env("RUSTUP_TOOLCHAIN", nightly).env("RUSTFLAGS", "-Zsanitizer=address");
    quietly(&mut command).map(|text| passed(&text))
}
