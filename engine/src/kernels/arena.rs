//! Memory that is read over and over, in large pages of the system: of weights, and of keys and values.
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
const LARGE_PAGE_BYTES: usize = 2 << 20;
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

/// Some memory, zeros at first.
pub(super) struct Piece {
    map: MmapRaw,
    /// Where its first large page begins, in bytes.
    start: usize,
    bytes: usize,
}

impl Arena {
    /// So many lines of zeros.
    ///
    /// # Errors
    /// The system has no memory to give.
    pub(super) fn lines(&mut self, len: usize) -> Result<Lines, Fault> {
        let is_room = |piece: &Arc<Piece>| piece.bytes / size_of::<Line>() - self.taken >= len;
        let piece = match self.piece.take().filter(is_room) {
            Some(piece) => piece,
            None => {
                self.taken = 0;
                Arc::new(Piece::new(PIECE_BYTES.max(len * size_of::<Line>()))?)
            }
        };
        let lines = Lines { piece: piece.clone(), start: self.taken, len };
        (self.piece, self.taken) = (Some(piece), self.taken + len);
        Ok(lines)
    }
}

impl Piece {
    /// So many bytes at least, whole large pages.
    ///
    /// # Errors
    /// The system has no memory to give.
    pub(super) fn new(bytes: usize) -> Result<Self, Fault> {
        let bytes = bytes.next_multiple_of(LARGE_PAGE_BYTES);
        let map = MmapMut::map_anon(bytes + LARGE_PAGE_BYTES).map_err(|error| {
            Fault::new(Kind::Overloaded, format!("The system has no {bytes} bytes of memory: {error}."))
        })?;
        // Where the system has no large pages, or is told to keep them, small ones do.
        #[cfg(target_os = "linux")]
        drop(map.advise(memmap2::Advice::HugePage));
        let start = map.as_ptr().align_offset(LARGE_PAGE_BYTES);
        Ok(Self { map: map.into(), start, bytes })
    }

    /// Where it begins.
    pub(super) fn start(&self) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(self.start)
    }

    /// How large it is.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Lines {
    fn first(&self) -> *mut Line {
        self.piece.start().cast::<Line>().wrapping_add(self.start)
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: The lines are within the piece, which stays; the arena gave them to nobody else; any bytes are a line.
        unsafe { std::slice::from_raw_parts(self.first(), self.len) }
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: As above.
        unsafe { std::slice::from_raw_parts_mut(self.first(), self.len) }
    }
}

#[cfg(test)]
mod tests;
