use std::path::Path;

/// Watches a pull. The room that draws it on a terminal lies elsewhere; this one only says what happens.
pub trait Progress: Send + Sync {
    /// Takes note of the next step.
    fn step(&self, step: Step<'_>);
}

/// What happens during a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Another process is fetching the same file; this one waits for it.
    Waiting,
    /// A source is tried.
    Trying {
        /// The source.
        source: &'a str,
        /// The file's whole size.
        bytes_total: u64,
    },
    /// So much of the file is here.
    Received {
        /// From the file's beginning, those of earlier attempts included.
        bytes: u64,
    },
    /// The transfer broke off and goes on from where it stopped.
    Resuming {
        /// Why it broke off.
        reason: &'a str,
    },
    /// A source did not yield the file; the next is tried.
    Skipped {
        /// The source.
        source: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// The file is here and its SHA-256 is computed.
    Verifying,
    /// The file is in its place.
    Done {
        /// The place.
        path: &'a Path,
    },
}

/// For those who do not watch.
impl Progress for () {
    fn step(&self, _: Step<'_>) {}
}
