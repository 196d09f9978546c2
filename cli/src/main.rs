//! The program `outcrop`: the command line in, one function of `server` called, its outcome said.
//!
//! What a command yields goes to stdout and everything else to stderr, so that a pipe carries data only.

mod args;
mod audit;
mod bar;
mod bench;
mod chat;
mod completions;
mod explain;
mod keys;
mod models;
mod pull;
mod report;
mod table;
mod time;
mod trace;
mod up;
mod usage;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser as _;
use server::Failure;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return report::usage(&error),
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report::failure(&failure),
    }
}

fn run(Arguments { everywhere, command }: Arguments) -> Result<(), Failure> {
    trace::start(&everywhere, &command)?;
    let dir = server::places::data_dir(everywhere.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start threads: {error}")))?;
    match command {
        Command::Up(up) => runtime.block_on(up::run(dir, up)),
        Command::Pull(pull) => runtime.block_on(pull::run(pull)),
        Command::Chat(chat) => runtime.block_on(chat::run(&dir, chat)),
        Command::Models(models) => runtime.block_on(models::run(&dir, models)),
        Command::Usage(usage) => usage::run(&dir, &usage),
        Command::Keys(keys) => keys::run(&dir, keys),
        Command::Audit(audit) => audit::run(&dir, &audit),
        Command::Bench(bench) => runtime.block_on(bench::run(&dir, bench)),
        Command::Explain(explain) => explain::run(&explain),
        Command::Completions(completions) => completions::run(&completions),
    }
}
