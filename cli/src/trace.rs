//! The log: to stderr, for people or for machines.

use server::Failure;
use tracing_subscriber::EnvFilter;

use crate::args::{Command, Everywhere, LogFormat};
use crate::report;

/// Starts the log. It says little unless the command is a server, whose log is what an operator has.
///
/// # Errors
/// [`Failure::USAGE`] for a filter that cannot be read.
pub(crate) fn start(everywhere: &Everywhere, command: &Command) -> Result<(), Failure> {
    let usual = if matches!(command, Command::Up(_)) { "info" } else { "warn" };
    let filter = everywhere.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("--log {filter}: {error}"))
            .with_help("write a level, or targets: debug, server=trace")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match everywhere.log_format {
        LogFormat::Text => log.with_ansi(report::colourful()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
