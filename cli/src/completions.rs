//! `outcrop completions`.

use clap::CommandFactory as _;
use server::Failure;

use crate::args::{Arguments, Completions};
use crate::report;

/// Prints the script that completes this program's command line.
pub(crate) fn run(completions: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "outcrop", &mut script);
    report::data(&String::from_utf8_lossy(&script))
}
