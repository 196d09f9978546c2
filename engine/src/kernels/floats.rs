//! Products of floating-point weights: sixteen rows of weights times one activation, column after column.
//!
//! Each element is one chain of multiplications and additions over the columns, each rounded once. A chain waits for
//! itself, so several are made side by side: many tiles for few rows, and the other way round.

#![expect(unsafe_code, reason = "instruction sets that may be absent")]

use std::ops::Range;

use super::arch::Arch;
use super::lanes::{LANES, Lanes};
use super::matrix::Width;
use super::panel::{ROWS, TILES, Work, together};

/// Tiles that are taken together with one row, and with two to four.
const TILES_FOR_ONE: usize = 8;
const TILES_FOR_FEW: usize = 4;

/// Products that are made together, at most.
const TOGETHER_MAX: usize = 16;

/// Products of `tiles` and `rows` of a floating-point matrix.
///
/// They are put in place here, whatever their number: that is much code, and compiling it once for each of the kernels below
/// took minutes.
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
    let mut products = [[0.0; LANES]; TOGETHER_MAX];
    let mut row = rows.start;
    while row < rows.end {
        let count = together(rows.end - row);
        let mut tile = tiles.start;
        while tile < tiles.end {
            let (at, left, to) = ((tile, row), (tiles.end - tile, count), &mut products);
            // SAFETY: The caller's promise.
            unsafe {
                let taken = match width {
                    Width::F32 => multiply_some::<A, F32>(work, at, left, to),
                    Width::F16 => multiply_some::<A, F16>(work, at, left, to),
                    Width::BF16 => multiply_some::<A, BF16>(work, at, left, to),
                };
                work.to.put::<A>(at, count, &products[..taken * count]);
                tile += taken;
            }
        }
        row += count;
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

/// Products of so many rows with as many of the tiles that are left as are taken together with them, and how many these are.
///
/// # Safety
/// As for [`multiply`], and the matrix has the width of `W`.
#[inline(always)]
unsafe fn multiply_some<A: Arch, W: Wide>(
    work: &Work<'_>,
    at: (usize, usize),
    (tiles, rows): (usize, usize),
    to: &mut [Lanes; TOGETHER_MAX],
) -> usize {
    // SAFETY: The caller's promise.
    unsafe {
        match (rows, tiles) {
            (1, TILES_FOR_ONE..) => products::<A, W, TILES_FOR_ONE, 1>(work, at, to),
            (1, _) => products::<A, W, TILES, 1>(work, at, to),
            (2, TILES_FOR_FEW..) => products::<A, W, TILES_FOR_FEW, 2>(work, at, to),
            (2, _) => products::<A, W, TILES, 2>(work, at, to),
            (3, TILES_FOR_FEW..) => products::<A, W, TILES_FOR_FEW, 3>(work, at, to),
            (3, _) => products::<A, W, TILES, 3>(work, at, to),
            (4, TILES_FOR_FEW..) => products::<A, W, TILES_FOR_FEW, 4>(work, at, to),
            (4, _) => products::<A, W, TILES, 4>(work, at, to),
            (5, _) => products::<A, W, TILES, 5>(work, at, to),
            _ => products::<A, W, TILES, ROWS>(work, at, to),
        }
    }
}

/// Products of `T` tiles, which is what it returns, and `R` rows, those of a tile after one another.
///
/// # Safety
/// As for [`multiply_some`].
#[inline(always)]
unsafe fn products<A: Arch, W: Wide, const T: usize, const R: usize>(
    work: &Work<'_>,
    (tile, row): (usize, usize),
    to: &mut [Lanes; TOGETHER_MAX],
) -> usize {
    const { assert!(T * R <= TOGETHER_MAX, "more products than there is room for") };
    let Work { matrix, input, .. } = work;
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
        for (to, product) in to.iter_mut().zip(products.as_flattened()) {
            A::store(*product, to);
        }
    }
    T
}
