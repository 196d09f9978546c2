//! Products of floating-point weights: sixteen rows of weights times one activation, column after column.
//!
//! Each element is one chain of multiplications and additions over the columns, each rounded once. A chain waits for
//! itself, so several are made side by side: many tiles for few rows, and the other way round.

#![expect(unsafe_code, reason = "instruction sets that may be absent")]

use std::ops::Range;

use super::arch::Arch;
use super::lanes::LANES;
use super::matrix::Width;
use super::panel::{ROWS, TILES, Work, together};

/// Tiles that are taken together with one row, and with two to four.
const TILES_FOR_ONE: usize = 8;
const TILES_FOR_FEW: usize = 4;

/// Products of `tiles` and `rows` of a floating-point matrix.
///
/// # Safety
/// As for [`super::panel::multiply`].
#[inline(always)]
pub(super) unsafe fn multiply<A: Arch>(
    work: &Work<'_>,
    width: Width,
    tiles: &Range<usize>,
    rows: &Range<usize>,
) {
    // SAFETY: The caller's promise.
    unsafe {
        match width {
            Width::F32 => all_tiles::<A, F32>(work, tiles, rows),
            Width::F16 => all_tiles::<A, F16>(work, tiles, rows),
            Width::BF16 => all_tiles::<A, BF16>(work, tiles, rows),
        }
    }
}

/// A width, known when compiled.
trait Wide {
    const BYTES: usize;

    /// # Safety
    /// The CPU has the instruction set, and `from` has sixteen numbers.
    unsafe fn load<A: Arch>(from: &[u8]) -> A::Floats;
}

struct F32;
struct F16;
struct BF16;

impl Wide for F32 {
    const BYTES: usize = 4;

    #[inline(always)]
    unsafe fn load<A: Arch>(from: &[u8]) -> A::Floats {
        let mut lanes = [0.0; LANES];
        for (lane, word) in lanes.iter_mut().zip(from.as_chunks().0) {
            *lane = f32::from_le_bytes(*word);
        }
        // SAFETY: The caller's promise.
        unsafe { A::load(&lanes) }
    }
}

impl Wide for F16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<A: Arch>(from: &[u8]) -> A::Floats {
        let mut halves = [0; LANES];
        for (half, pair) in halves.iter_mut().zip(from.as_chunks().0) {
            *half = u16::from_le_bytes(*pair);
        }
        // SAFETY: The caller's promise.
        unsafe { A::load_half(&halves) }
    }
}

impl Wide for BF16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<A: Arch>(from: &[u8]) -> A::Floats {
        let mut lanes = [0.0; LANES];
        for (lane, pair) in lanes.iter_mut().zip(from.as_chunks().0) {
            *lane = f32::from_bits(u32::from(u16::from_le_bytes(*pair)) << 16);
        }
        // SAFETY: The caller's promise.
        unsafe { A::load(&lanes) }
    }
}

/// # Safety
/// As for [`multiply`], and the matrix has the width of `W`.
#[inline(always)]
unsafe fn all_tiles<A: Arch, W: Wide>(work: &Work<'_>, tiles: &Range<usize>, rows: &Range<usize>) {
    let mut row = rows.start;
    while row < rows.end {
        let count = together(rows.end - row);
        // SAFETY: The caller's promise.
        unsafe {
            match count {
                1 => all_of::<A, W, TILES_FOR_ONE, 1>(work, tiles, row),
                2 => all_of::<A, W, TILES_FOR_FEW, 2>(work, tiles, row),
                3 => all_of::<A, W, TILES_FOR_FEW, 3>(work, tiles, row),
                4 => all_of::<A, W, TILES_FOR_FEW, 4>(work, tiles, row),
                5 => all_of::<A, W, TILES, 5>(work, tiles, row),
                _ => all_of::<A, W, TILES, ROWS>(work, tiles, row),
            }
        }
        row += count;
    }
}

/// Takes some rows through all tiles, as many of which together as there may be.
///
/// # Safety
/// As for [`all_tiles`].
#[inline(always)]
unsafe fn all_of<A: Arch, W: Wide, const T: usize, const R: usize>(
    work: &Work<'_>,
    tiles: &Range<usize>,
    row: usize,
) {
    let mut tile = tiles.start;
    // SAFETY: The caller's promise.
    unsafe {
        while tile + T <= tiles.end {
            products::<A, W, T, R>(work, tile, row);
            tile += T;
        }
        while tile < tiles.end {
            products::<A, W, TILES, R>(work, tile, row);
            tile += TILES;
        }
    }
}

/// # Safety
/// As for [`all_tiles`].
#[inline(always)]
unsafe fn products<A: Arch, W: Wide, const T: usize, const R: usize>(
    work: &Work<'_>,
    tile: usize,
    row: usize,
) {
    let Work { matrix, input, to, .. } = work;
    let columns = matrix.columns;
    let weights: [&[u8]; T] = std::array::from_fn(|at| matrix.float_tile(tile + at));
    let rows: [&[f32]; R] = std::array::from_fn(|at| input[row + at].floats());
    assert!(rows.iter().all(|row| row.len() == columns), "a row of another length");
    // SAFETY: The caller's promise; a tile has sixteen numbers for each column, and a row one.
    unsafe {
        let mut products = [[A::splat(0.0); R]; T];
        for column in 0..columns {
            for at in 0..T {
                let start = column * LANES * W::BYTES;
                let weights = W::load::<A>(weights[at].get_unchecked(start..start + LANES * W::BYTES));
                for row in 0..R {
                    let x = A::splat(*rows[row].get_unchecked(column));
                    products[at][row] = A::mul_add(weights, x, products[at][row]);
                }
            }
        }
        let mut lanes = [[[0.0; LANES]; R]; T];
        for at in 0..T {
            for row in 0..R {
                A::store(products[at][row], &mut lanes[at][row]);
            }
        }
        to.put::<A, T, R>((tile, row), &lanes);
    }
}
