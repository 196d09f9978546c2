//! The arithmetic that is the same on every CPU, sixteen lanes at a time.
//!
//! Each function is compiled once for every instruction set (see `entries!`). None reorders or fuses what is written
//! here, and `mul_add` rounds once everywhere, so all of them give the same bits.

use super::rows::{BLOCK_LEN, Input};

/// Sixteen numbers: a register of AVX-512, two of AVX2.
pub(super) type Lanes = [f32; LANES];
/// How many.
pub(super) const LANES: usize = 16;

/// Adding it leaves the nearest whole number in the low bits of the mantissa.
const ROUNDER: f32 = 12_582_912.0;
/// Beyond these the exponential leaves the range of normal numbers.
const EXP_INPUT_MAX: f32 = 88.0;
const EXP_INPUT_MIN: f32 = -87.0;

/// e to the power of `x`, to about two units in the last place; `x` is held within the range of normal results.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(EXP_INPUT_MIN, EXP_INPUT_MAX);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let whole = shifted - ROUNDER;
    // ln 2 in two parts (Cody and Waite), so that the remainder is exact enough.
    let rest = whole.mul_add(-0.693_145_75, x);
    let rest = whole.mul_add(-1.428_606_8e-6, rest);
    // The Taylor series; its next term is below 2e-8 for |rest| <= ln 2 / 2.
    let mut sum = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = rest.mul_add(sum, factor);
    }
    let power = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

/// `gate * sigmoid(gate) * up`.
#[inline(always)]
pub(super) fn gated(gate: f32, up: f32) -> f32 {
    gate / (1.0 + exp(-gate)) * up
}

/// The sum of the lanes, in a fixed order.
#[inline(always)]
pub(super) fn sum(lanes: &Lanes) -> f32 {
    let mut lanes = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest of the lanes.
#[inline(always)]
pub(super) fn largest(lanes: &Lanes) -> f32 {
    let mut lanes = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = lanes[lane].max(lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Writes `from`, divided by its root mean square and multiplied by `weights`, to `to`.
#[inline(always)]
pub(super) fn normalise(from: &[f32], weights: &[f32], epsilon: f32, to: &mut [f32]) {
    let mut squares = [0.0; LANES];
    let (chunks, rest) = from.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            squares[lane] = chunk[lane].mul_add(chunk[lane], squares[lane]);
        }
    }
    for (square, x) in squares.iter_mut().zip(rest) {
        *square = x.mul_add(*x, *square);
    }
    let scale = 1.0 / (sum(&squares) / from.len() as f32 + epsilon).sqrt();
    for ((to, x), weight) in to.iter_mut().zip(from).zip(weights) {
        *to = x * scale * weight;
    }
}

/// Rounds `row.floats` to 8-bit integers, block by block.
#[inline(always)]
pub(super) fn quantise(row: &mut Input) {
    let blocks = row.floats.as_chunks::<BLOCK_LEN>().0;
    for (block, to) in blocks.iter().zip(&mut row.blocks) {
        let mut lanes = [0.0; LANES];
        for lane in 0..LANES {
            lanes[lane] = block[lane].abs().max(block[lane + LANES].abs());
        }
        let peak = largest(&lanes);
        let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
        let mut quants = [0i32; BLOCK_LEN];
        for (quant, x) in quants.iter_mut().zip(block) {
            // The low byte of the sum is the nearest integer, ties to even, in two's complement.
            *quant = i32::from((x.mul_add(inverse, ROUNDER).to_bits() as u8).cast_signed());
        }
        for (word, four) in to.words.iter_mut().zip(quants.as_chunks::<4>().0) {
            *word = [four[0] as i8, four[1] as i8, four[2] as i8, four[3] as i8];
        }
        let halves = quants.as_chunks::<16>().0;
        let (low, high): (i32, i32) = (halves[0].iter().sum(), halves[1].iter().sum());
        let scale = peak / 127.0;
        to.scale = scale;
        to.sum = scale * (low + high) as f32;
        to.negated_sum = -(low + high);
        to.negated_sums = [-low, -high];
    }
}
