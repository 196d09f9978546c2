use std::fmt;

use canon::{Fault, Kind};

/// Why a command of the program could not be carried out: what went wrong, what to do about it, and the exit code
/// that says so to a script.
///
/// A [`canon::Fault`] answers a caller of the API; a failure answers the person at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, in a sentence without a capital or a full stop.
    pub message: String,
    /// What to do about it; may have several lines.
    pub help: Option<String>,
    /// The exit code: one of the constants of this type.
    pub exit_code: u8,
}

impl Failure {
    /// The command line or a configuration file asks for something impossible (`EX_USAGE` of `sysexits.h`).
    pub const USAGE: u8 = 64;
    /// What was read is damaged (`EX_DATAERR`).
    pub const DAMAGED: u8 = 65;
    /// Something that the command needs cannot be reached (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: u8 = 69;
    /// Outcrop itself failed (`EX_SOFTWARE`).
    pub const INTERNAL: u8 = 70;
    /// A file could not be read or written (`EX_IOERR`).
    pub const IO: u8 = 74;
    /// Ctrl-C: 128 and the number of SIGINT.
    pub const INTERRUPTED: u8 = 130;

    /// The command line or a configuration file asks for something impossible.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Self::USAGE, message)
    }

    /// What was read is damaged.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Self::DAMAGED, message)
    }

    /// Something that the command needs cannot be reached.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Self::UNAVAILABLE, message)
    }

    /// Outcrop itself failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Self::INTERNAL, message)
    }

    /// A file could not be read or written.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(Self::IO, message)
    }

    /// The user pressed Ctrl-C.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(Self::INTERRUPTED, "interrupted")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn new(exit_code: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, exit_code }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// For the person who owns the machine: the private detail is theirs to read.
impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let message = match fault.detail() {
            Some(detail) => format!("{} ({detail})", fault.message()),
            None => fault.message().to_owned(),
        };
        let exit_code = match fault.kind() {
            Kind::Internal => Self::INTERNAL,
            Kind::Storage => Self::IO,
            Kind::Malformed { .. }
            | Kind::Unsupported { .. }
            | Kind::TooLarge { .. }
            | Kind::UnknownModel
            | Kind::UnknownRoute
            | Kind::ContextExceeded { .. } => Self::USAGE,
            _ => Self::UNAVAILABLE,
        };
        Self::new(exit_code, message).with_help(format!("for more: outcrop explain {}", fault.kind().code()))
    }
}
