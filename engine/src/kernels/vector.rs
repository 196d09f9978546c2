//! What attention needs of an instruction set besides [`Arch`].

#![expect(unsafe_code, reason = "instruction sets that may be absent")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use super::arch::Arch;
use super::attention::{Bundle, Number, Sheet};
use super::lanes::LANES;

/// An instruction set that attention is computed with.
pub(super) trait Vector: Arch {
    /// How many [`Arch::Floats`] the registers hold as sums while two or three more are at work.
    const SUMS: usize;
    /// Queries that are taken together over a page.
    const QUERIES: usize;
    /// Whether a page that several bundles see is widened to 32 bits once, rather than by each.
    const WIDENS: bool;

    /// From 8-bit integers, exactly.
    ///
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn load_bytes(from: &[i8; LANES]) -> Self::Floats;

    /// The bits that both have.
    ///
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn and(a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// Has a line of memory, if it is one, brought to the CPU.
    fn fetch(line: *const u8);

    /// [`super::attention::over_page`], as a function of its own for each shape, so that the compiler has all registers
    /// for each.
    ///
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle);
}
