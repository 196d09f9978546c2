//! What a person reads on stderr, and what a pipe gets on stdout.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind as Clap;
use server::Failure;

/// Says why a command failed: `error:` and what to do, `help:`. Returns the exit code.
pub(crate) fn failure(failure: &Failure) -> ExitCode {
    let (red, cyan, plain) = if colourful() { ("\x1b[1;31m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
    let mut text = format!("{red}error:{plain} {}\n", failure.message);
    for (number, line) in failure.help.iter().flat_map(|help| help.lines()).enumerate() {
        let label = if number == 0 { format!("{cyan}help:{plain}") } else { "     ".to_owned() };
        text.push_str(&format!("{label} {line}\n"));
    }
    note(&text);
    ExitCode::from(failure.exit_code)
}

/// Says what is wrong with a command line, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Help and version go to stdout, and a reader that hangs up on them is none of our business.
    drop(error.print());
    match error.kind() {
        Clap::DisplayHelp | Clap::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Failure::USAGE),
    }
}

/// Writes `text` to stderr as it is.
pub(crate) fn note(text: &str) {
    // There is nowhere left to complain to.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// Writes `text` to stdout as it is, at once. A reader that has seen enough is no failure.
///
/// # Errors
/// [`Failure::IO`] where stdout cannot be written.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::io(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether stderr may have colours: it is a terminal, and `NO_COLOR` (no-color.org) is not set.
pub(crate) fn colourful() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
