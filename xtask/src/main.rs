//! `cargo xtask`: the chores of this repository, each one a word.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    match Args::parse().chore {
        Chore::Tidy => xtask::tidy::run(),
    }
}
