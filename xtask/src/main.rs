//! `cargo xtask`: the chores of this repository, each one a word.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::run::{aloud, cargo};
use xtask::{peers, stages, tidy};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the rules that no compiler holds: arrows, sizes, names, pages
    Tidy,
    /// Run every check, from layout to real clients against the product
    Test {
        /// Run this stage alone; may be given several times
        #[arg(long, value_name = "STAGE")]
        only: Vec<String>,
        /// Say what the stages are
        #[arg(long)]
        list: bool,
        /// What goes to the last stage's tests: a part of a case's name, or flags of `cargo test`
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Write the golden files anew; look at the difference before you commit it
    Bless {
        /// The crates whose golden files are meant; `wire` where none is named
        crates: Vec<String>,
    },
    /// Measure; the figures belong in docs/performance.md
    Bench {
        /// What to measure: the name of a bench in `bench/`, such as `gateway` or `engine`
        name: String,
        /// What goes to the bench
        #[arg(last = true)]
        rest: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Args::parse().chore {
        Chore::Tidy => return tidy::run(),
        Chore::Test { list: true, .. } => {
            say(&stages::list());
            Ok(())
        }
        Chore::Test { only, rest, .. } => stages::run(&only, &rest),
        Chore::Bless { crates } => bless(&crates),
        Chore::Bench { name, rest } => bench(&name, &rest),
    };
    outcome.map_or_else(|problem| complain(&problem), |()| ExitCode::SUCCESS)
}

/// Tests over golden files write what they find when `BLESS` is set.
fn bless(crates: &[String]) -> Result<(), String> {
    let mut command = cargo(&["test"]);
    let default = ["wire".to_owned()];
    for name in if crates.is_empty() { &default[..] } else { crates } {
        command.args(["--package", name]);
    }
    aloud(command.env("BLESS", "1"))
}

fn bench(name: &str, rest: &[String]) -> Result<(), String> {
    let folder = xtask::root().join("bench").join(name);
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(format!("there is no bench at {}", folder.display()));
    }
    let mut command = cargo(&["run", "--release", "--manifest-path"]);
    command.arg(manifest).arg("--target-dir").arg(xtask::target().join("bench")).arg("--").args(rest);
    if name == "engine" {
        equip(&mut command, rest)?;
    }
    aloud(&mut command)
}

/// Gives the engine's bench what it measures, and whom it measures beside: the default model unless another is named, and
/// llama.cpp where it is asked for.
fn equip(command: &mut std::process::Command, rest: &[String]) -> Result<(), String> {
    let says = |word: &str| rest.iter().any(|said| said == word || said.starts_with(&format!("{word}=")));
    if says("--help") || says("-h") {
        return Ok(());
    }
    if !says("--model") && std::env::var_os("OUTCROP_TEST_MODEL").is_none() {
        aloud(&mut cargo(&["build", "--release", "--bin", "outcrop"]))?;
        command.env("OUTCROP_TEST_MODEL", stages::default_model()?);
    }
    if says("--peers") || says("quality") {
        peers::set_up()?;
        let reference = peers::set_up_reference()?;
        command.env("OUTCROP_BENCH_PYTHON", peers::python()).env("PYTHONPATH", &reference);
        command.env("OUTCROP_BENCH_CACHE", xtask::target().join("peers"));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the command's output")]
fn say(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "a command's faults go to standard error")]
fn complain(problem: &str) -> ExitCode {
    eprintln!("{}", problem.trim_end());
    ExitCode::FAILURE
}
