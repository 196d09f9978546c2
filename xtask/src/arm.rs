//! The kernels for 64-bit ARM on a machine that is none: they are compiled, and run where QEMU and a linker are at hand.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, is_there, quietly};
use crate::stages::passed;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What cargo reads its linker and the runner of its tests from.
const LINKER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER";
const RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";
/// As distributions name them, and where their cross compiler keeps the C library.
const GCC: &str = "aarch64-linux-gnu-gcc";
const QEMU: [&str; 2] = ["qemu-aarch64-static", "qemu-aarch64"];
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Compiles the engine, and runs the tests of its kernels; the remark says what was left out.
///
/// # Errors
/// What cargo printed, where that failed.
pub(crate) fn check() -> Result<String, String> {
    let sysroot = quietly(Command::new("rustc").args(["--print", "sysroot"]))?;
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(format!("left out: `rustup target add {TARGET}` installs what it needs"));
    }
    let given = std::env::var_os(LINKER).is_some() && std::env::var_os(RUNNER).is_some();
    let found = QEMU.iter().find(|name| is_there(name)).filter(|_| is_there(GCC));
    if found.is_none() && !given {
        quietly(&mut cargo(&["check", "--package", "engine", "--target", TARGET]))?;
        return Ok(format!("compiled alone: running needs {} and {GCC}", QEMU[0]));
    }
    let mut command = cargo(&["test", "--package", "engine", "--lib", "--target", TARGET, "kernels::"]);
    if let Some(qemu) = found.filter(|_| !given) {
        command.env(LINKER, GCC).env(RUNNER, format!("{qemu} -cpu max -L {LIBRARIES}"));
    }
    quietly(&mut command).map(|text| passed(&text))
}
