use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::KnownFile;

const READ_BYTES: usize = 1 << 20;

/// Whether the file at `path` is `known`. Reads all of it unless its stamp says that this was done before.
pub(super) fn is_genuine(known: &KnownFile, path: &Path) -> io::Result<bool> {
    let found = std::fs::metadata(path)?;
    if found.len() != known.bytes {
        return Ok(false);
    }
    if std::fs::read_to_string(stamp_path(path)).is_ok_and(|seen| seen == stamp_text(known, &found)) {
        return Ok(true);
    }
    if sha256_hex(path)? != known.sha256 {
        return Ok(false);
    }
    note(known, path);
    Ok(true)
}

/// Notes that the file at `path` was found to be `known`. Where that cannot be written, as in a read-only cache, the
/// file is only read again next time.
pub(super) fn note(known: &KnownFile, path: &Path) {
    let noted =
        std::fs::metadata(path).and_then(|found| std::fs::write(stamp_path(path), stamp_text(known, &found)));
    if let Err(error) = noted {
        tracing::debug!(%error, path = %path.display(), "cannot note that the model was verified");
    }
}

/// The SHA-256 of a file's bytes, in lower-case hexadecimal.
pub(super) fn sha256_hex(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes what is written to it");
        hex
    }))
}

/// Beside the file: for which size and time of change its SHA-256 was found to be what it says.
fn stamp_path(path: &Path) -> PathBuf {
    path.with_added_extension("verified")
}

fn stamp_text(known: &KnownFile, found: &Metadata) -> String {
    let changed_ns = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let changed_ns = changed_ns.map_or(0, |since| since.as_nanos());
    format!("{} {} {changed_ns}\n", known.sha256, found.len())
}
