use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use canon::Fault;
use memmap2::Mmap;

/// The bytes of a model file: mapped into memory where they come from disk.
pub(crate) enum Mapped {
    File(Mmap),
    Owned(Vec<u8>),
}

impl Mapped {
    /// Maps a file.
    ///
    /// # Errors
    /// The file cannot be read; the fault names its path.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let named = |error| Fault::malformed(path.display().to_string(), format!("cannot be read: {error}"));
        let file = File::open(path).map_err(named)?;
        Ok(Self::File(map(&file).map_err(named)?))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::File(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

#[expect(unsafe_code, reason = "a file of many gigabytes is mapped, not read")]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: The map is only read, and only as bytes, of which any value is valid. Whoever truncates the file while
    // the model is loading stops this process by a signal; the map is dropped when loading ends.
    unsafe { Mmap::map(file) }
}
