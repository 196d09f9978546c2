//! The arithmetic that is the same on every CPU, sixteen lanes at a time.
//!
//! Each function is compiled once for every instruction set (see `entries!`). None reorders or fuses what is written
//! here, and `mul_add` rounds once everywhere, so all of them give the same bits.

#![expect(unsafe_code, reason = "instruction sets that may be absent")]

use super::arch::Arch;
use super::rows::{BLOCK_LEN, Block};

/// Sixteen numbers: a register of AVX-512, two of AVX2.
pub(super) type Lanes = [f32; LANES];
/// How many.
pub(super) const LANES: usize = 16;

/// Adding it leaves the nearest whole number in the low bits of the mantissa.
pub(super) const ROUNDER: f32 = 12_582_912.0;
/// Beyond these the exponential leaves the range of normal numbers.
const EXP_INPUT_MAX: f32 = 88.0;
const EXP_INPUT_MIN: f32 = -87.0;
/// ln 2 in two parts (Cody and Waite), negated, so that the remainder is exact enough.
const LN_2: [f32; 2] = [-0.693_145_75, -1.428_606_8e-6];
/// The Taylor series of e^x, the highest power first; its next term is below 2e-8 for |x| <= ln 2 / 2.
const EXP_SERIES: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

/// e to the power of `x`, to about two units in the last place; `x` is held within the range of normal results.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn exponential<A: Arch>(x: A::Floats) -> A::Floats {
    // SAFETY: The caller's promise.
    unsafe {
        let x = A::min(A::splat(EXP_INPUT_MAX), A::max(A::splat(EXP_INPUT_MIN), x));
        let shifted = A::mul_add(x, A::splat(std::f32::consts::LOG2_E), A::splat(ROUNDER));
        let whole = A::sub(shifted, A::splat(ROUNDER));
        let rest = A::mul_add(whole, A::splat(LN_2[0]), x);
        let rest = A::mul_add(whole, A::splat(LN_2[1]), rest);
        let mut sum = A::splat(EXP_SERIES[0]);
        for factor in &EXP_SERIES[1..] {
            sum = A::mul_add(rest, sum, A::splat(*factor));
        }
        A::mul(sum, A::power_of_two(shifted))
    }
}

/// 2 to the power of what [`ROUNDER`] left in the low bits.
#[inline(always)]
pub(super) const fn power_of_two(shifted: f32) -> f32 {
    f32::from_bits(shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127) << 23)
}

/// What a gate passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// The approximation of `x * Phi(x)` by a hyperbolic tangent (Hendrycks and Gimpel, "Gaussian error linear units"):
    /// `gelu_pytorch_tanh` of transformers.
    Gelu,
}

/// `activation(gate) * up`.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn gated<A: Arch>(activation: Activation, gate: A::Floats, up: A::Floats) -> A::Floats {
    // SAFETY: The caller's promise.
    unsafe {
        let steep = match activation {
            Activation::Silu => gate,
            // (1 + tanh(y)) / 2 is sigmoid(2 y); the factors are 2 sqrt(2 / pi) and 0.044715 of that.
            Activation::Gelu => {
                let square = A::mul(gate, gate);
                A::mul(gate, A::mul_add(square, A::splat(0.071_354_814), A::splat(1.595_769_2)))
            }
        };
        let one = A::splat(1.0);
        let inverse = exponential::<A>(A::sub(A::splat(0.0), steep));
        A::mul(A::div(gate, A::add(one, inverse)), up)
    }
}

/// `cap * tanh(x / cap)`.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn bend<A: Arch>(x: A::Floats, cap: f32) -> A::Floats {
    // SAFETY: The caller's promise.
    unsafe {
        let (one, two, cap) = (A::splat(1.0), A::splat(2.0), A::splat(cap));
        let grown = exponential::<A>(A::mul(two, A::div(x, cap)));
        A::mul(cap, A::sub(one, A::div(two, A::add(grown, one))))
    }
}

/// The sum of the lanes, in a fixed order: halves are added until one is left.
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

/// One over the root mean square.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn inverse_size<A: Arch>(from: &[f32], epsilon: f32) -> f32 {
    let (chunks, rest) = from.as_chunks::<LANES>();
    // SAFETY: The caller's promise.
    let squares = unsafe {
        let mut squares = A::splat(0.0);
        for chunk in chunks {
            let x = A::load(chunk);
            squares = A::mul_add(x, x, squares);
        }
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        A::sum(A::mul_add(A::load(&last), A::load(&last), squares))
    };
    1.0 / (squares / from.len() as f32 + epsilon).sqrt()
}

/// Numbers of a row by what [`inverse_size`] made of it, and by the norm's weights.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn normalised<A: Arch>(from: &Lanes, scale: f32, weights: &Lanes) -> A::Floats {
    // SAFETY: The caller's promise.
    unsafe { A::mul(A::mul(A::load(from), A::splat(scale)), A::load(weights)) }
}

/// Writes `from`, divided by its root mean square and multiplied by `weights`, to `to`.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn normalise<A: Arch>(from: &[f32], weights: &[f32], epsilon: f32, to: &mut [f32]) {
    let (chunks, rest) = from.as_chunks::<LANES>();
    // SAFETY: The caller's promise.
    let scale = unsafe { inverse_size::<A>(from, epsilon) };
    let whole = to.as_chunks_mut::<LANES>().0.iter_mut().zip(chunks).zip(weights.as_chunks().0);
    for ((to, x), weights) in whole {
        // SAFETY: The caller's promise.
        unsafe { A::store(normalised::<A>(x, scale, weights), to) };
    }
    let start = from.len() - rest.len();
    for ((to, x), weight) in to[start..].iter_mut().zip(rest).zip(&weights[start..]) {
        *to = x * scale * weight;
    }
}

/// As [`normalise`], but rounds what it makes, as [`quantise`] does.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn quantise_normalised<A: Arch>(
    from: &[f32],
    weights: &[f32],
    epsilon: f32,
    to: &mut [Block],
) {
    let blocks = from.as_chunks::<BLOCK_LEN>().0.iter().zip(weights.as_chunks::<BLOCK_LEN>().0);
    // SAFETY: The caller's promise.
    unsafe {
        let scale = inverse_size::<A>(from, epsilon);
        for ((from, weights), to) in blocks.zip(to) {
            let mut normed = [0.0; BLOCK_LEN];
            let lanes = normed.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0);
            for ((normed, x), weights) in lanes.zip(weights.as_chunks().0) {
                A::store(normalised::<A>(x, scale, weights), normed);
            }
            A::quantise(&normed, to);
        }
    }
}

/// As [`normalise`], but adds it to what is there.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn add_normalised<A: Arch>(from: &[f32], weights: &[f32], epsilon: f32, to: &mut [f32]) {
    let (chunks, rest) = from.as_chunks::<LANES>();
    // SAFETY: The caller's promise.
    let scale = unsafe { inverse_size::<A>(from, epsilon) };
    let whole = to.as_chunks_mut::<LANES>().0.iter_mut().zip(chunks).zip(weights.as_chunks().0);
    for ((to, x), weights) in whole {
        // SAFETY: The caller's promise.
        unsafe { A::store(A::add(A::load(to), normalised::<A>(x, scale, weights)), to) };
    }
    let start = from.len() - rest.len();
    for ((to, x), weight) in to[start..].iter_mut().zip(rest).zip(&weights[start..]) {
        *to += x * scale * weight;
    }
}

/// Rounds numbers to 8-bit integers, block by block.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn quantise<A: Arch>(from: &[f32], to: &mut [Block]) {
    for (from, to) in from.as_chunks::<BLOCK_LEN>().0.iter().zip(to) {
        // SAFETY: The caller's promise.
        unsafe { A::quantise(from, to) };
    }
}
