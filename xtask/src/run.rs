//! Running other programs: quietly where they succeed, with all that they said where they do not.

use std::process::{Command, Stdio};

/// A cargo command at the repository's root, without the variables by which the cargo that runs this chore tells it
/// about this very crate: build scripts that watch them would run again each time.
#[must_use]
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(crate::root());
    let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| ours.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` to its end and yields what it printed, both streams together.
///
/// # Errors
/// What it printed, where it failed; why it could not be started, where it was not.
pub fn quietly(command: &mut Command) -> Result<String, String> {
    let name = name(command);
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() { Ok(text) } else { Err(format!("{text}\n{name}: {}", done.status)) }
}

/// Runs `command` to its end on this terminal.
///
/// # Errors
/// That it failed, or why it could not be started.
pub fn aloud(command: &mut Command) -> Result<(), String> {
    let name = name(command);
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}")) }
}

/// Sends the process `pid` a signal, such as `TERM`. The shell's own `kill` does it: a small system has no program of
/// that name.
///
/// # Errors
/// That there is no such process, or no such signal.
pub fn signal(pid: u32, name: &str) -> Result<(), String> {
    quietly(Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, name, &pid.to_string()])).map(drop)
}

/// Whether a program of this name can be started.
#[must_use]
pub fn is_there(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    asked.is_ok_and(|done| done.status.success())
}

fn name(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy());
    let program = command.get_program().to_string_lossy();
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}
