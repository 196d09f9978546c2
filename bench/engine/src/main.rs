//! The engine beside llama.cpp and beside the machine's limits: `cargo xtask bench engine`.
//!
//! Contenders have their turns in one run, round after round, so that what this machine's neighbours do falls on all of
//! them: ratios are taken round by round, and their medians count. The figures that are kept lie in `docs/performance.md`.

mod beside;
mod calls;
mod corpus;
mod guesses;
mod load;
mod peer;
mod prefix;
mod quality;
mod schemas;
mod setting;
mod soak;
mod speed;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What goes wrong in a bench, in words.
type Outcome<T> = Result<T, String>;

#[derive(Parser)]
#[command(
    name = "cargo xtask bench engine --",
    bin_name = "cargo xtask bench engine --",
    about,
    args_conflicts_with_subcommands = true
)]
struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    speed: speed::Speed,
}

#[derive(Subcommand)]
enum Part {
    /// What the machine can do: products of 8-bit integers, and bytes from memory
    Limits(setting::Setting),
    /// How far logits are from float32's, beside llama.cpp's on the same file: KL divergence and perplexity
    Quality(quality::Quality),
    /// How long callers wait when requests come at random, beside llama.cpp with and without continuous batching
    Load(load::Load),
    /// What the prefix cache saves where many prompts begin alike, and that it changes no answer
    Prefix(prefix::Prefix),
    /// One answer at a time to real questions, with and without guessing ahead, beside llama.cpp that may guess too
    Guesses(guesses::Guesses),
    /// What is left of the speed beside programs that compute all the time, and how much CPU that is
    Beside(beside::Beside),
    /// Mixed load for a long time: memory, stuck requests, logits that are no numbers
    Soak(soak::Soak),
    /// Answers held to schemas: all valid, and how fast
    Schemas(schemas::Schemas),
}

fn main() -> ExitCode {
    let bench = Bench::parse();
    let outcome = match bench.part {
        None => bench.speed.run(),
        Some(Part::Limits(setting)) => setting.limits(),
        Some(Part::Quality(quality)) => quality.run(),
        Some(Part::Load(load)) => load.run(),
        Some(Part::Prefix(prefix)) => prefix.run(),
        Some(Part::Guesses(guesses)) => guesses.run(),
        Some(Part::Beside(beside)) => beside.run(),
        Some(Part::Soak(soak)) => soak.run(),
        Some(Part::Schemas(schemas)) => schemas.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
