//! What a kernel is made of: an instruction set as a type.
//!
//! Every operation rounds as IEEE 754 says and none is reordered, so that whatever is written in these operations gives
//! the same bits on every instruction set. `portable` is the reference.

#![expect(unsafe_code, reason = "an instruction set may be absent")]

use super::lanes::{LANES, Lanes};
use super::matrix::Tiles;
use super::panel::{Shape, TILES};
use super::rows::{BLOCK_LEN, Block};

/// An instruction set.
///
/// # Safety
/// Of every function: the CPU has the instruction set.
pub(super) trait Arch {
    /// Sixteen floats in registers.
    type Floats: Copy;

    unsafe fn splat(number: f32) -> Self::Floats;
    unsafe fn load(from: &Lanes) -> Self::Floats;
    unsafe fn store(from: Self::Floats, to: &mut Lanes);
    /// As `store`, past the caches where `to` begins a line of theirs; seen by other threads only after [`Self::settle`].
    #[inline(always)]
    unsafe fn stream(from: Self::Floats, to: &mut Lanes) {
        // SAFETY: The caller's promise.
        unsafe { Self::store(from, to) };
    }
    /// Lets other threads see what was streamed, once they see what is written later.
    #[inline(always)]
    unsafe fn settle() {}
    /// From 16-bit floats, exactly.
    unsafe fn load_half(from: &[u16; LANES]) -> Self::Floats;
    /// To 16-bit floats, to nearest, ties to even.
    unsafe fn store_half(from: Self::Floats, to: &mut [u16; LANES]);

    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once.
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The larger; `b` where either is no number.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The smaller; `b` where either is no number.
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Whether any of `a` is above its like of `b`; what is no number is not.
    unsafe fn any_above(a: Self::Floats, b: Self::Floats) -> bool;
    /// `2^n`, where `n` (-126 to 127) is in the low bits of the mantissa of `shifted`, as adding
    /// [`super::lanes::ROUNDER`] leaves it.
    unsafe fn power_of_two(shifted: Self::Floats) -> Self::Floats;
    /// The sum of the lanes: halves are added until one is left.
    unsafe fn sum(a: Self::Floats) -> f32;
    /// The largest of the lanes, where all are numbers.
    unsafe fn largest(a: Self::Floats) -> f32;

    /// Rounds a block to 8-bit integers; [`Block`] says what becomes of it.
    unsafe fn quantise(from: &[f32; BLOCK_LEN], to: &mut Block);

    /// The products of two tiles and `R` rows.
    ///
    /// # Safety
    /// Tiles and rows have `groups` groups of form `F`.
    unsafe fn products<F: Shape, const R: usize>(
        tiles: &Tiles<'_>,
        rows: &[&[Block]; R],
        groups: usize,
    ) -> [[Lanes; R]; TILES];
}
