//! Servers of other vendors that the remote backend is proved against, kept under `target/peers/`. They take minutes to
//! build, so that no run needs them: they are installed where they are asked for by name.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::run::quietly;

/// llama.cpp's server as PyPI has it: it is compiled here, by this machine's C compiler and `CMake` from PyPI.
const LLAMA: &str = "llama-cpp-python[server]==0.3.36";

/// Reads GGUF files and widens their numbers: what the reference for the engine's quality needs.
const GGUF: &str = "gguf==0.19.0";

/// The Python that has llama.cpp's server, once it is installed.
#[must_use]
pub fn python() -> PathBuf {
    folder().join("bin/python")
}

/// Installs llama.cpp's server, unless it is there.
///
/// # Errors
/// What Python or its installer said.
pub fn set_up() -> Result<String, String> {
    let pin = folder().join("pins");
    if fs::read_to_string(&pin).is_ok_and(|pinned| pinned == LLAMA) {
        return Ok(String::new());
    }
    quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder()))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", LLAMA];
    quietly(Command::new(python()).args(pip))?;
    fs::write(&pin, LLAMA).map_err(|error| format!("{}: {error}", pin.display()))?;
    Ok("llama.cpp's server was installed".to_owned())
}

/// Installs what reads model files for the reference, beside llama.cpp's Python, and yields where.
///
/// # Errors
/// What Python or its installer said.
pub fn set_up_reference() -> Result<PathBuf, String> {
    let folder = crate::target().join("peers/reference");
    let pin = folder.join("pins");
    if !fs::read_to_string(&pin).is_ok_and(|pinned| pinned == GGUF) {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"];
        quietly(Command::new(python()).args(pip).arg(&folder).arg(GGUF))?;
        fs::write(&pin, GGUF).map_err(|error| format!("{}: {error}", pin.display()))?;
    }
    Ok(folder)
}

fn folder() -> PathBuf {
    crate::target().join("peers/llama")
}
