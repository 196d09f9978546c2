use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::Failure;

/// What is wrong with an estate file, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstateFault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The key, such as `provider.base_url`; empty where it is none.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for EstateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for EstateFault {}

impl From<EstateFault> for Failure {
    fn from(fault: EstateFault) -> Self {
        Self::usage(fault.to_string()).with_help(fault.remedy)
    }
}

/// The text of an estate file, which knows where everything in it stands.
pub(super) struct Sheet<'t> {
    pub(super) file: &'t Path,
    pub(super) text: &'t str,
}

/// What is wrong and what to do, before the place is known.
pub(super) struct Complaint {
    message: String,
    remedy: String,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

impl<'t> Sheet<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text }
    }

    /// A fault at the beginning of `span`.
    pub(super) fn fault(
        &self,
        span: Range<usize>,
        key: impl Into<String>,
        complaint: Complaint,
    ) -> EstateFault {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_starts = before.rfind('\n').map_or(0, |newline| newline + 1);
        EstateFault {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_starts..).unwrap_or_default().chars().count() + 1,
            key: key.into(),
            message: complaint.message,
            remedy: complaint.remedy,
        }
    }
}

/// The text of the file at `path`.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<String, EstateFault> {
    let whole = |message: String, remedy: &str| EstateFault {
        file: path.to_owned(),
        line: 0,
        column: 0,
        key: String::new(),
        message,
        remedy: remedy.to_owned(),
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| whole(error.to_string(), "Name a file that this user may read."))?;
    if bytes.len() as u64 > bytes_max {
        return Err(whole(format!("larger than {bytes_max} bytes"), "Declare less in one file."));
    }
    String::from_utf8(bytes).map_err(|_| whole("not UTF-8".to_owned(), "Save it as UTF-8."))
}
