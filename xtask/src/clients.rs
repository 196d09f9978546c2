//! The real clients: SDKs of other vendors and languages, unmodified and pinned, against the product.
//!
//! Their cases are scripts in `clients/`; what they need is kept under `target/clients/`, so that a second run is quick.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{cargo, is_there, quietly};

mod process;
mod server;

pub use process::Process;
pub use server::Server;

/// The environment variable that names the program under test. Without it the cases are passed over.
pub const BINARY: &str = "OUTCROP_BINARY";

/// A group of cases: one script, or one program.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// What its tests are called, before the case's own name.
    pub name: &'static str,
    runtime: Runtime,
}

#[derive(Clone, Copy, Debug)]
enum Runtime {
    Python(&'static str),
    Node(&'static str),
    Rust,
}

/// Every group of cases.
pub const CLIENTS: [Client; 15] = [
    Client { name: "outcrop", runtime: Runtime::Python("outcrop_command") },
    Client { name: "endpoints", runtime: Runtime::Python("endpoints") },
    Client { name: "boto3_converse", runtime: Runtime::Python("boto3_converse") },
    Client { name: "boto3_invoke", runtime: Runtime::Python("boto3_invoke") },
    Client { name: "boto3_access", runtime: Runtime::Python("boto3_access") },
    Client { name: "embeddings", runtime: Runtime::Python("embeddings") },
    Client { name: "schemas", runtime: Runtime::Python("schemas") },
    Client { name: "awscli", runtime: Runtime::Python("aws_command") },
    Client { name: "anthropic", runtime: Runtime::Python("anthropic_sdk") },
    Client { name: "openai", runtime: Runtime::Python("openai_sdk") },
    Client { name: "langchain", runtime: Runtime::Python("langchain_bedrock") },
    Client { name: "strands", runtime: Runtime::Python("strands_agents") },
    Client { name: "javascript", runtime: Runtime::Node("bedrock_sdk") },
    Client { name: "ai_sdk", runtime: Runtime::Node("ai_sdk") },
    Client { name: "rust", runtime: Runtime::Rust },
];

impl Client {
    /// The command that offers this client's cases.
    fn command(self) -> Command {
        let (sources, cache) = (crate::root().join("clients"), cache());
        match self.runtime {
            Runtime::Python(module) => {
                let mut command = Command::new(cache.join("python/bin/python"));
                command.arg(sources.join("python/suite.py")).arg(module).env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Runtime::Node(module) => {
                let mut command = Command::new("node");
                command.arg(cache.join("node/run.mjs")).arg(module).env("NODE_NO_WARNINGS", "1");
                command
            }
            Runtime::Rust => Command::new(cache.join("rust/debug/outcrop-client-rust")),
        }
    }
}

fn cache() -> PathBuf {
    crate::target().join("clients")
}

/// Installs the Python and JavaScript clients where their pins have changed since the last time.
///
/// # Errors
/// What to install by hand, where this machine lacks Python or Node; or what their installers said.
pub fn set_up() -> Result<String, String> {
    let sources = crate::root().join("clients");
    let python = set_up_python(&sources.join("python"), &cache().join("python"))?;
    let node = set_up_node(&sources.join("node"), &cache().join("node"))?;
    Ok([python, node].concat().join(", "))
}

/// Builds the Rust client in a target folder of its own.
///
/// # Errors
/// What cargo said.
pub fn build_rust() -> Result<String, String> {
    let mut command =
        cargo(&["build", "--locked", "--manifest-path", "clients/rust/Cargo.toml", "--target-dir"]);
    quietly(command.arg(cache().join("rust"))).map(|_| String::new())
}

fn set_up_python(sources: &Path, folder: &Path) -> Result<Vec<&'static str>, String> {
    let pins = sources.join("requirements.txt");
    if is_current(folder, &pins) {
        return Ok(Vec::new());
    }
    let has_venv = || quietly(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok();
    provide(has_venv, &["python3", "python3-venv"])?;
    quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    quietly(Command::new(folder.join("bin/python")).args(pip).arg(&pins))?;
    mark_current(folder, &pins)?;
    Ok(vec!["Python's were installed"])
}

fn set_up_node(sources: &Path, folder: &Path) -> Result<Vec<&'static str>, String> {
    let pins = sources.join("package-lock.json");
    let mut remarks = Vec::new();
    if !is_current(folder, &pins) {
        provide(|| is_there("node") && is_there("npm"), &["nodejs", "npm"])?;
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        copy(sources, folder, "json")?;
        quietly(
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                .current_dir(folder),
        )?;
        mark_current(folder, &pins)?;
        remarks.push("JavaScript's were installed");
    }
    // Node looks for packages beside the script, so the scripts go to the packages.
    copy(sources, folder, "mjs")?;
    Ok(remarks)
}

/// Whether `folder` was filled from the pins as they are now.
fn is_current(folder: &Path, pins: &Path) -> bool {
    let (then, now) = (fs::read(folder.join("pins")), fs::read(pins));
    matches!((then, now), (Ok(then), Ok(now)) if then == now)
}

fn mark_current(folder: &Path, pins: &Path) -> Result<(), String> {
    fs::copy(pins, folder.join("pins")).map(|_| ()).map_err(|error| format!("{}: {error}", pins.display()))
}

fn copy(from: &Path, to: &Path, extension: &str) -> Result<(), String> {
    let listed = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for path in listed.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|found| found == extension) {
            let target = to.join(path.file_name().unwrap_or_default());
            fs::copy(&path, target).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// Sees to it that something is there: Debian's packages where this is root's machine, a word to the user elsewhere.
fn provide(is_there_now: impl Fn() -> bool, packages: &[&str]) -> Result<(), String> {
    if is_there_now() {
        return Ok(());
    }
    let is_root = quietly(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if is_root && is_there("apt-get") {
        quietly(Command::new("apt-get").args(["update", "-q"]))?;
        quietly(
            Command::new("apt-get").args(["install", "-q", "-y", "--no-install-recommends"]).args(packages),
        )?;
    }
    if is_there_now() {
        Ok(())
    } else {
        Err(format!("The clients need {}; install them and try again.", packages.join(" and ")))
    }
}
