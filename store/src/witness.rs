//! The file `audit-head`: where the chain ended when this process last wrote to it, kept outside the database.
//!
//! It is what finds a database that was replaced by an older copy of itself, or that lost the end of its write-ahead
//! log. It is not synced: after a power failure it may name an earlier line than the database, which is no damage.

use std::fs::File;
use std::io;
use std::path::Path;

use canon::Fault;

use crate::chain::Tip;
use crate::file;
use crate::seal::SEAL_BYTES;

/// Line, hash, calls and seal.
const WITNESS_BYTES: usize = 8 + SEAL_BYTES + 8 + SEAL_BYTES;

pub(crate) struct Witness(File);

impl Witness {
    pub(crate) fn open(folder: &Path) -> Result<Self, Fault> {
        file::ensure(&folder.join("audit-head")).map(Self)
    }

    /// What was last written; `None` where nothing was.
    pub(crate) fn read(&self) -> io::Result<Option<Tip>> {
        let mut bytes = [0; WITNESS_BYTES];
        if self.0.metadata()?.len() == 0 {
            return Ok(None);
        }
        read_at_start(&self.0, &mut bytes)?;
        let (line, rest) = bytes.split_at(8);
        let (hash, rest) = rest.split_at(SEAL_BYTES);
        let (calls, seal) = rest.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).unwrap_or_default();
        let digest = |bytes: &[u8]| bytes.try_into().unwrap_or([0; SEAL_BYTES]);
        Ok(Some(Tip { line: number(line), hash: digest(hash), calls: number(calls), seal: digest(seal) }))
    }

    /// Writes `tip` where it can. A witness that lags behind is no damage, so a failure is not one either.
    pub(crate) fn follow(&self, tip: &Tip) {
        if let Err(error) = self.write(tip) {
            tracing::debug!(%error, "audit-head could not be written");
        }
    }

    /// Makes what was written outlive a power failure, where it can.
    pub(crate) fn sync(&self) {
        if let Err(error) = self.0.sync_all() {
            tracing::debug!(%error, "audit-head could not be synced");
        }
    }

    /// One write, so that a reader sees one tip or the other.
    fn write(&self, tip: &Tip) -> io::Result<()> {
        let Tip { line, hash, calls, seal } = tip;
        let mut bytes = Vec::with_capacity(WITNESS_BYTES);
        bytes.extend_from_slice(&line.to_be_bytes());
        bytes.extend_from_slice(hash);
        bytes.extend_from_slice(&calls.to_be_bytes());
        bytes.extend_from_slice(seal);
        write_at_start(&self.0, &bytes)
    }
}

#[cfg(unix)]
fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, 0)
}

#[cfg(unix)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(windows)]
fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<()> {
    let read = std::os::windows::fs::FileExt::seek_read(file, bytes, 0)?;
    if read == bytes.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(windows)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    let wrote = std::os::windows::fs::FileExt::seek_write(file, bytes, 0)?;
    if wrote == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
