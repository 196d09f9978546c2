//! Weights on their way: asking memory for what is read next, before it is.
//!
//! A product of few rows takes as long as its weights take to arrive. So that memory never rests, a kernel asks for weights
//! some way ahead of where it reads, at the end of its part for those of the product that follows, and a thread that
//! waits for another goes on asking.

#![expect(unsafe_code, reason = "the instruction that asks for a line of memory takes any address")]

use std::ops::Range;
use std::ptr;

use super::matrix::{Line, Matrix};
use super::panel::TILES;

/// How far ahead of its place a kernel asks for weights: several times what memory delivers in the time that it takes to
/// answer.
const LINES_AHEAD: usize = 12 * 1024 / size_of::<Line>();
/// A matrix of so many bytes is read by few rows for long enough that the CPU fetches ahead by itself, as fast as memory gives
/// and faster than it can be asked: on two Zen 4 cores the output matrix comes a quarter faster to one row if nobody asks,
/// but to eight rows more slowly.
const LONG_BYTES_MIN: usize = 4 << 20;
/// So many rows are few.
const ROWS_READING_MAX: usize = 4;
/// How much a waiting thread asks for at most: a good part of the second cache, which has other uses too.
const LINES_WAITING_MAX: usize = 256 * 1024 / size_of::<Line>();
/// How many lines a waiting thread asks for between two looks at whether there is work.
const LINES_AT_ONCE: usize = 4;

/// How many matrices are read side by side.
const STEPS_MAX: usize = 2;

/// What a thread reads first of the product that follows: of each matrix that it reads side by side so many lines from a
/// place on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    places: [*const Line; STEPS_MAX],
    lines: usize,
}

// SAFETY: The places are never read through, only asked for.
unsafe impl Sync for Next {}
// SAFETY: As above.
unsafe impl Send for Next {}

/// What a thread asks for while it waits.
pub(super) struct Ahead(Next);

/// A thread's part of a matrix, and what it reads after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The tile at which it ends.
    pub(super) end: usize,
    pub(super) next: *const Line,
}

impl Next {
    /// Nothing follows that is known.
    pub(super) const NOTHING: Self = Self { places: [ptr::null(); STEPS_MAX], lines: 0 };

    /// These tiles of matrices that are read side by side.
    pub(super) fn of<'a>(matrices: impl Iterator<Item = &'a Matrix>, tiles: &Range<usize>) -> Self {
        let mut next = Self::NOTHING;
        for (place, matrix) in next.places.iter_mut().zip(matrices) {
            *place = matrix.place(tiles.start);
            next.lines = tiles.len() / TILES * matrix.lines_per_pair();
        }
        next
    }

    /// What one of the matrices of the product before asks for at its end.
    pub(super) fn after(&self, step: usize) -> *const Line {
        match self.places {
            [first, second] if second.is_null() && !first.is_null() => first.wrapping_add(step * LINES_AHEAD),
            places => places[step.min(STEPS_MAX - 1)],
        }
    }
}

/// What a kernel asks for while it takes some of the rows through a pair of tiles: the lines of group after group, as
/// evenly as it reads groups. Asked for all at once, they would wait for one another, and memory would rest afterwards.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only AVX-512 asks"))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// How far from the groups that are read, in bytes, are those that are asked for; it may be any place.
    pub(super) distance: isize,
    /// The first of them.
    pub(super) first: usize,
    /// How many are asked for while one is read, times [`Self::ONE`].
    pub(super) rate: usize,
}

impl Asking {
    /// A group, in the parts that are counted.
    pub(super) const ONE: usize = 1 << 32;

    /// Nothing.
    pub(super) const NOTHING: Self = Self { distance: 0, first: 0, rate: 0 };
}

/// How rows share in what is asked for. They are divided by once: a call of a kernel takes some hundred nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    distance: isize,
    groups: usize,
    /// A row's share, times [`Asking::ONE`], rounded up.
    each: usize,
}

impl Shares {
    /// Of so many groups; there may be no rows.
    pub(super) const fn new(distance: isize, groups: usize, rows: usize) -> Self {
        let shares = if rows == 0 { 1 } else { rows };
        Self { distance, groups, each: Asking::ONE.div_ceil(shares) }
    }

    /// What is asked for while `count` rows are taken, of which `done` have been taken before.
    #[inline(always)]
    pub(super) const fn of(self, done: usize, count: usize) -> Asking {
        Asking {
            distance: self.distance,
            first: self.groups * done * self.each / Asking::ONE,
            rate: count * self.each,
        }
    }
}

impl Part {
    /// How far from what a kernel reads, in bytes, lies what it asks for, while it takes so many rows through the pair of
    /// tiles at `tile`, in whole pairs; it may be any place. None where it asks for nothing.
    pub(super) fn distance(&self, matrix: &Matrix, tile: usize, rows: usize) -> Option<isize> {
        let pair = matrix.lines_per_pair();
        let ahead = tile + (LINES_AHEAD / pair).max(1) * TILES;
        if rows <= ROWS_READING_MAX && matrix.bytes() >= LONG_BYTES_MIN && ahead < self.end {
            return None;
        }
        let here = matrix.place(tile).addr();
        let there = if ahead < self.end || self.next.is_null() {
            matrix.place(ahead).addr()
        } else {
            self.next.wrapping_add((ahead - self.end) / TILES * pair).addr()
        };
        Some(there.wrapping_sub(here).cast_signed())
    }
}

impl Default for Ahead {
    fn default() -> Self {
        Self(Next::NOTHING)
    }
}

impl Ahead {
    /// Has the thread ask for this from now on.
    pub(super) fn set(&mut self, next: &Next) {
        let matrices = next.places.iter().filter(|place| !place.is_null()).count();
        self.0 = Next { lines: next.lines.min(LINES_WAITING_MAX / matrices.max(1)), ..*next };
    }

    /// Asks for some of it, or lets the CPU rest a moment where there is nothing more.
    #[inline]
    pub(super) fn fetch(&mut self) {
        let count = self.0.lines.min(LINES_AT_ONCE);
        if count == 0 {
            std::hint::spin_loop();
            return;
        }
        for place in self.0.places.iter_mut().filter(|place| !place.is_null()) {
            for line in 0..count {
                fetch(place.wrapping_add(line));
            }
            *place = place.wrapping_add(count);
        }
        self.0.lines -= count;
    }
}

/// Has a line of memory, if it is one, brought to the CPU.
#[inline(always)]
pub(super) fn fetch(line: *const Line) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: Every CPU of this architecture has it, and it takes any address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
