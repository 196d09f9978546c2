//! Written as instructions: Rust has no stable names for them.

use std::arch::aarch64::{int32x4_t, vaddq_s32, vaddvq_s32, vdupq_n_s32, vld1q_s32};
use std::arch::asm;

use super::{COLUMNS, Operands, ROWS, WORDS};

/// Words in a register.
const LANES: usize = 4;
/// Registers of weights that a tile takes.
const TILES: usize = 2;
/// Tiles along a line of weights.
const PARTS: usize = COLUMNS / LANES / TILES;

#[target_feature(enable = "neon,dotprod")]
pub(super) fn dotprod(operands: &Operands, passes: usize) -> i32 {
    let mut all = vdupq_n_s32(0);
    for part in 0..passes * PARTS {
        let mut sums = [[vdupq_n_s32(0); TILES]; ROWS];
        for (line, rows) in operands.weights.iter().zip(&operands.rows) {
            let weights = weights(line, part);
            for (sums, row) in sums.iter_mut().zip(rows) {
                let four = vdupq_n_s32(i32::from_ne_bytes(row.map(i8::cast_unsigned)));
                *sums = [dot(sums[0], weights[0], four), dot(sums[1], weights[1], four)];
            }
        }
        all = sums.as_flattened().iter().fold(all, |all, one| vaddq_s32(all, *one));
    }
    vaddvq_s32(all)
}

/// Multiplies two rows of eight by two rows of eight: a register of four words of weights by two rows' words, each twice.
/// The sum of the four results is that of the same products as everywhere.
#[target_feature(enable = "neon,i8mm")]
pub(super) fn i8mm(operands: &Operands, passes: usize) -> i32 {
    let mut pairs = [[[0_i32; LANES]; ROWS / 2]; WORDS];
    for (pairs, rows) in pairs.iter_mut().zip(&operands.rows) {
        for (pair, rows) in pairs.iter_mut().zip(rows.as_chunks::<2>().0) {
            let [one, other] = rows.map(|row| i32::from_ne_bytes(row.map(i8::cast_unsigned)));
            *pair = [one, one, other, other];
        }
    }
    let mut all = vdupq_n_s32(0);
    for part in 0..passes * PARTS {
        let mut sums = [[vdupq_n_s32(0); TILES]; ROWS / 2];
        for (line, pairs) in operands.weights.iter().zip(&pairs) {
            let weights = weights(line, part);
            for (sums, pair) in sums.iter_mut().zip(pairs) {
                // SAFETY: A pair is a vector.
                let rows = unsafe { vld1q_s32(pair.as_ptr()) };
                *sums = [matrix(sums[0], weights[0], rows), matrix(sums[1], weights[1], rows)];
            }
        }
        all = sums.as_flattened().iter().fold(all, |all, one| vaddq_s32(all, *one));
    }
    vaddvq_s32(all)
}

/// The weights of a part.
#[inline]
#[target_feature(enable = "neon")]
fn weights(line: &[[u8; 4]; COLUMNS], part: usize) -> [int32x4_t; TILES] {
    let (parts, _) = line.as_chunks::<{ TILES * LANES }>();
    let part = parts[part % PARTS].as_ptr();
    // SAFETY: A part is two vectors.
    unsafe { [vld1q_s32(part.cast()), vld1q_s32(part.add(LANES).cast())] }
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sum: int32x4_t, weights: int32x4_t, four: int32x4_t) -> int32x4_t {
    // SAFETY: Registers only.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) weights, in(vreg) four,
             options(pure, nomem, nostack));
    }
    sum
}

#[inline]
#[target_feature(enable = "neon,i8mm")]
fn matrix(mut sum: int32x4_t, weights: int32x4_t, rows: int32x4_t) -> int32x4_t {
    // SAFETY: Registers only.
    unsafe {
        asm!("smmla {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) weights, in(vreg) rows,
             options(pure, nomem, nostack));
    }
    sum
}
