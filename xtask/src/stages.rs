//! `cargo xtask test`: every check, in order, each a stage. A stage says its name and its time, and what its programs
//! printed only where it fails. The last one prints cargo's own summary, and nothing comes after it.

use std::io::Write as _;
use std::time::Instant;

use crate::run::{aloud, cargo, quietly};
use crate::{arm, clients, peers, sanitizers, target, tidy};

/// One check.
pub struct Stage {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it holds, in a line.
    pub about: &'static str,
    work: Work,
}

enum Work {
    /// Cargo, with these words.
    Cargo(&'static [&'static str]),
    /// A function, which yields a remark.
    Code(fn() -> Result<String, String>),
    /// The same, for what takes long and can be done without: it runs where it is named, and not with all the others.
    Optional(fn() -> Result<String, String>),
    /// Cargo on this terminal, against the product that was built, with the words that follow `--`.
    Product(&'static [&'static str]),
}

/// Every check, in the order in which they run: what fails fastest comes first.
pub const STAGES: [Stage; 16] = [
    Stage { name: "tidy", about: "arrows, sizes, names, pages", work: Work::Code(tidy_up) },
    Stage { name: "fmt", about: "layout of the code", work: Work::Cargo(&["fmt", "--all", "--check"]) },
    Stage {
        name: "clippy",
        about: "lints, none of them open",
        work: Work::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Stage { name: "test", about: "every crate's tests", work: Work::Cargo(&["test", "--workspace"]) },
    Stage {
        name: "arm",
        about: "the kernels for 64-bit ARM, where that can be compiled",
        work: Work::Code(arm::check),
    },
    Stage {
        name: "asan",
        about: "the kernels under the address sanitizer of a nightly compiler; only where it is named",
        work: Work::Optional(sanitizers::check),
    },
    // Written for those who read the code, so that links to private items are welcome.
    Stage {
        name: "doc",
        about: "the documentation builds, and its links lead somewhere",
        work: Work::Cargo(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--config",
            "build.rustdocflags=['-Dwarnings', '-Arustdoc::private-intra-doc-links']",
        ]),
    },
    Stage {
        name: "release",
        about: "the product builds",
        work: Work::Cargo(&["build", "--release", "--bin", "outcrop"]),
    },
    Stage {
        name: "sdks",
        about: "the clients of other languages, installed",
        work: Work::Code(clients::set_up),
    },
    Stage {
        name: "rust-sdk",
        about: "the Rust client, which builds apart from the workspace",
        work: Work::Code(clients::build_rust),
    },
    Stage { name: "pull", about: "the models of the tests are there", work: Work::Code(pull) },
    Stage { name: "model", about: "the engine's tests that need a real model", work: Work::Code(with_model) },
    Stage {
        name: "crash",
        about: "a hundred kills, and every receipt is there",
        work: Work::Product(&["test", "--package", "xtask", "--test", "crash"]),
    },
    Stage {
        name: "peers",
        about: "llama.cpp's server, installed; only where it is named",
        work: Work::Optional(peers::set_up),
    },
    Stage {
        name: "remote",
        about: "the remote backend, before other servers and hostile ones",
        work: Work::Product(&["test", "--package", "xtask", "--test", "remote"]),
    },
    Stage {
        name: "clients",
        about: "unmodified clients against the product",
        work: Work::Product(&["test", "--package", "xtask", "--test", "clients"]),
    },
];

/// Runs the stages named in `only`, or all; `rest` goes to the last one's tests.
///
/// # Errors
/// The first stage that fails, with what it printed; or a name that is no stage's.
pub fn run(only: &[String], rest: &[String]) -> Result<(), String> {
    if let Some(stranger) = only.iter().find(|name| !STAGES.iter().any(|stage| stage.name == **name)) {
        return Err(format!("no stage is called `{stranger}`; `cargo xtask test --list` names them"));
    }
    let wanted = |stage: &&Stage| match only {
        [] => !matches!(stage.work, Work::Optional(_)),
        only => only.iter().any(|name| name == stage.name),
    };
    STAGES.iter().filter(wanted).try_for_each(|stage| one(stage, rest))
}

/// Says what the stages are.
#[must_use]
pub fn list() -> String {
    STAGES.iter().map(|Stage { name, about, .. }| format!("{name:9} {about}\n")).collect()
}

#[expect(clippy::print_stdout, reason = "this is the command's output")]
fn one(stage: &Stage, rest: &[String]) -> Result<(), String> {
    print!("{:9} ", stage.name);
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    let start = Instant::now();
    let outcome = match &stage.work {
        Work::Cargo(words) => quietly(&mut cargo(words)).map(|text| passed(&text)),
        Work::Code(code) | Work::Optional(code) => code(),
        Work::Product(words) => {
            println!("{}", stage.about);
            let mut command = cargo(words);
            command.env(clients::BINARY, target().join("release/outcrop"));
            return aloud(command.arg("--").args(rest));
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Ok(remark) => {
            println!("{seconds:6.1} s  {remark}");
            Ok(())
        }
        Err(text) => {
            println!("{seconds:6.1} s  failed");
            Err(format!(
                "{text}\nStage `{}` failed; `cargo xtask test --only {}` runs it alone.",
                stage.name, stage.name
            ))
        }
    }
}

fn tidy_up() -> Result<String, String> {
    let findings = tidy::check(&crate::root())?;
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    if findings.is_empty() { Ok(String::new()) } else { Err(text.join("\n")) }
}

fn pull() -> Result<String, String> {
    default_model().and_then(|_| encoder()).map(|_| String::new())
}

/// The engine's tests once more, with the default model: answers and logits held to other programs' figures.
fn with_model() -> Result<String, String> {
    let mut command = cargo(&["test", "--package", "engine", "--lib"]);
    command.env("OUTCROP_TEST_MODEL", default_model()?).env("OUTCROP_TEST_ENCODER", encoder()?);
    quietly(&mut command).map(|text| passed(&text))
}

/// Where the default model lies; it is fetched first where it is not here, by the product, which must be built.
///
/// # Errors
/// What `outcrop pull` said.
pub fn default_model() -> Result<String, String> {
    let said = quietly(std::process::Command::new(target().join("release/outcrop")).arg("pull"))?;
    let path = said.lines().find(|line| line.ends_with(".gguf"));
    path.map(str::to_owned).ok_or_else(|| format!("`outcrop pull` names no file:\n{said}"))
}

/// Where the model for embeddings lies; it is fetched first where it is not here.
fn encoder() -> Result<String, String> {
    let name = "sentence-transformers.all-minilm-l6-v2";
    let said = quietly(std::process::Command::new(target().join("release/outcrop")).args(["pull", name]))?;
    let path = said.lines().find(|line| line.ends_with("all-MiniLM-L6-v2"));
    path.map(str::to_owned).ok_or_else(|| format!("`outcrop pull {name}` names no folder:\n{said}"))
}

/// How many tests passed, by cargo's own summaries; nothing where there are none.
pub(crate) fn passed(text: &str) -> String {
    let of_line = |line: &str| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<u64>().ok();
    match text.lines().filter_map(of_line).sum::<u64>() {
        0 => String::new(),
        count => format!("{count} tests passed"),
    }
}

#[cfg(test)]
mod tests;
