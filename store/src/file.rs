//! Files that are whole or absent, and that only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use canon::Fault;

use crate::problem;

const REMEDY: &str = "See that the disk has room and that the folder belongs to this user.";

/// Puts `bytes` where `path` says, so that a reader sees the old file or the new one, and so that it outlives a crash.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let write = || {
        let beside = path.with_extension("new");
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = private().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(path)
    };
    write().map_err(|error| problem::file(path, error, REMEDY))
}

/// Makes an empty file of `path` if there is none.
pub(crate) fn ensure(path: &Path) -> Result<File, Fault> {
    let open = || private().read(true).write(true).create(true).truncate(false).open(path);
    open().map_err(|error| problem::file(path, error, REMEDY))
}

/// Makes an empty file of `path` if there is none, and does not touch one that is there: where this process has it open
/// already, closing it once more would give up the locks that are held on it (POSIX, `fcntl`).
pub(crate) fn ensure_untouched(path: &Path) -> Result<(), Fault> {
    match private().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(problem::file(path, error, REMEDY)),
    }
}

/// Makes the folder `path`, and what it lies in, if it is not there. A new one is closed to others.
pub(crate) fn ensure_folder(path: &Path) -> Result<(), Fault> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path).map_err(|error| problem::file(path, error, REMEDY))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// A rename is durable when the folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
