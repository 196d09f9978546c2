use std::fmt;
use std::path::Path;

use canon::{Fault, Kind};

/// A record could not be made durable.
pub(crate) fn unrecorded(cause: impl fmt::Display) -> Fault {
    Fault::new(
        Kind::Storage,
        "Outcrop cannot record calls, so it admits none. Retry with backoff; if it lasts, its operator must make room \
         on the disk of the data folder or repair it.",
    )
    .with_detail(cause)
}

/// The process is going away and takes no more records.
pub(crate) fn stopped() -> Fault {
    unrecorded("the journal was closed")
}

/// The database refused something that an operator asked for.
pub(crate) fn database(cause: rusqlite::Error) -> Fault {
    let remedy = match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "The disk is full: make room on it.",
        Some(rusqlite::ErrorCode::DatabaseBusy) => "Another process holds it: try again.",
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            "It is damaged: restore the data folder from a backup."
        }
        Some(rusqlite::ErrorCode::PermissionDenied | rusqlite::ErrorCode::ReadOnly) => {
            "This user may not write it: run as the user who owns the data folder."
        }
        _ => "See that the disk works and that the data folder belongs to this user.",
    };
    Fault::new(Kind::Storage, format!("The database of the data folder: {cause}. {remedy}"))
        .with_detail(cause)
}

/// A file of the data folder cannot be used.
pub(crate) fn file(path: &Path, cause: impl fmt::Display, remedy: &str) -> Fault {
    Fault::new(Kind::Storage, format!("{}: {cause}. {remedy}", path.display()))
}
