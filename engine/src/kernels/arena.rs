//! Room for weights, in large pages of the system.
//!
//! A page of 4 kB is read in a quarter of a microsecond, and finding where the next one lies takes about as long in a virtual
//! machine, where two tables are gone through. Weights are read from the first to the last in every step, so they feel that
//! most: on two Zen 4 cores, large pages make one answer 10 to 17% faster. A matrix is smaller than a large page, so those of a
//! model lie one after the other.

#![expect(unsafe_code, reason = "matrices that lie one after the other are written by themselves")]

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use canon::{Fault, Kind};
use memmap2::{MmapMut, MmapRaw};

use super::matrix::Line;

/// A large page of x86 and of most 64-bit ARM.
const PAGE_BYTES: usize = 2 << 20;
/// What the system is asked for at a time, at least. It counts as this process's memory page by page, as it is written.
const PIECE_BYTES: usize = 32 << 20;

/// Hands out lines of zeros, one after the other. Memory goes back to the system when all lines of a piece are gone, and
/// no more can come of it.
#[derive(Default)]
pub(crate) struct Arena {
    piece: Option<Arc<Piece>>,
    /// How many lines of it are taken.
    taken: usize,
}

/// Lines, from one on.
pub(super) struct Lines {
    piece: Arc<Piece>,
    start: usize,
    len: usize,
}

struct Piece {
    map: MmapRaw,
    /// Where its first large page begins, in lines.
    start: usize,
    /// How many lines there are from there on.
    len: usize,
}

impl Arena {
    /// So many lines of zeros.
    ///
    /// # Errors
    /// The system has no memory to give.
    pub(super) fn lines(&mut self, len: usize) -> Result<Lines, Fault> {
        let piece = match self.piece.take().filter(|piece| piece.len - self.taken >= len) {
            Some(piece) => piece,
            None => {
                self.taken = 0;
                Arc::new(Piece::new(len * size_of::<Line>())?)
            }
        };
        let lines = Lines { piece: piece.clone(), start: piece.start + self.taken, len };
        (self.piece, self.taken) = (Some(piece), self.taken + len);
        Ok(lines)
    }
}

impl Piece {
    fn new(bytes: usize) -> Result<Self, Fault> {
        let bytes = bytes.max(PIECE_BYTES).next_multiple_of(PAGE_BYTES);
        let map = MmapMut::map_anon(bytes + PAGE_BYTES).map_err(|error| {
            Fault::new(
                Kind::Overloaded,
                format!("The system has no {bytes} bytes of memory for weights: {error}."),
            )
        })?;
        // Where the system has no large pages, or is told to keep them, small ones do.
        #[cfg(target_os = "linux")]
        drop(map.advise(memmap2::Advice::HugePage));
        let start = map.as_ptr().align_offset(PAGE_BYTES) / size_of::<Line>();
        Ok(Self { map: map.into(), start, len: bytes / size_of::<Line>() })
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: The lines are within the piece, which stays; the arena gave them to nobody else; any bytes are a line.
        unsafe {
            std::slice::from_raw_parts(self.piece.map.as_ptr().cast::<Line>().add(self.start), self.len)
        }
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        let base = self.piece.map.as_mut_ptr().cast::<Line>();
        // SAFETY: As above.
        unsafe { std::slice::from_raw_parts_mut(base.add(self.start), self.len) }
    }
}

#[cfg(test)]
mod tests;
