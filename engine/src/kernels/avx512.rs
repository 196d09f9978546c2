//! AVX-512 with VNNI: Ice Lake, Zen 4 and later.

#![expect(unsafe_code, reason = "vectors are loaded through pointers")]

use std::arch::x86_64::*;

use super::lanes::{LANES, Lanes};
use super::matrix::Tile;
use super::panel::{Arch, Shape};
use super::rows::Input;

pub(super) struct Avx512;

impl Arch for Avx512 {
    #[inline(always)]
    unsafe fn widen(from: &[u16; LANES]) -> Lanes {
        // SAFETY: The caller has AVX-512; both arrays have the vectors' sizes.
        unsafe { std::mem::transmute(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast()))) }
    }

    #[inline(always)]
    unsafe fn narrow(from: &Lanes) -> [u16; LANES] {
        // SAFETY: The caller has AVX-512; both arrays have the vectors' sizes.
        unsafe {
            std::mem::transmute(_mm512_cvtps_ph(_mm512_loadu_ps(from.as_ptr()), _MM_FROUND_TO_NEAREST_INT))
        }
    }

    #[inline(always)]
    unsafe fn products<F: Shape, const T: usize, const R: usize>(
        tiles: &[Tile<'_>; T],
        rows: &[&Input; R],
        groups: usize,
    ) -> [[Lanes; R]; T] {
        // SAFETY: The caller has the instruction set and promises that tiles and rows have `groups` groups.
        unsafe {
            let mut products = [[_mm512_setzero_ps(); R]; T];
            for group in 0..groups {
                let sums = integers::<F, T, R>(tiles, rows, group);
                let block = group * F::FORM.group_len / 32;
                for (tile, (sums, products)) in tiles.iter().zip(sums.iter().zip(&mut products)) {
                    let scale = scales::<F>(tile.scales, group);
                    for row in 0..R {
                        let both =
                            _mm512_mul_ps(scale, _mm512_set1_ps(*rows[row].scales.get_unchecked(block)));
                        products[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[row]), both, products[row]);
                    }
                    if F::FORM.has_minimums {
                        let minimum = scales::<F>(tile.minimums, group);
                        for row in 0..R {
                            let sum = _mm512_set1_ps(*rows[row].sums.get_unchecked(block));
                            products[row] = _mm512_fmadd_ps(minimum, sum, products[row]);
                        }
                    }
                }
            }
            products.map(|row| row.map(|product| std::mem::transmute::<__m512, Lanes>(product)))
        }
    }
}

/// The sums of quants (less the offset) times activations, over one group.
///
/// # Safety
/// As for [`Arch::products`].
#[inline(always)]
unsafe fn integers<F: Shape, const T: usize, const R: usize>(
    tiles: &[Tile<'_>; T],
    rows: &[&Input; R],
    group: usize,
) -> [[__m512i; R]; T] {
    // SAFETY: The caller's promise: the group is within tiles and rows.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); R]; T];
        if F::FORM.offset > 0 {
            for row in 0..R {
                let all = if F::FORM.group_len == 16 {
                    &rows[row].negated_sums_16
                } else {
                    &rows[row].negated_sums_32
                };
                let negated = _mm512_set1_epi32(*all.get_unchecked(group));
                let start = _mm512_mullo_epi32(negated, _mm512_set1_epi32(i32::from(F::FORM.offset)));
                (0..T).for_each(|tile| sums[tile][row] = start);
            }
        }
        let words = F::FORM.group_len / 4;
        let lines = words * F::FORM.bits / 8;
        let low_nibbles = _mm512_set1_epi8(15);
        for line in 0..lines {
            let packed: [__m512i; T] = std::array::from_fn(|tile| {
                _mm512_load_si512(tiles[tile].quants.as_ptr().add(group * lines + line).cast())
            });
            if F::FORM.bits == 4 {
                let low = packed.map(|packed| _mm512_and_si512(packed, low_nibbles));
                let high = packed.map(|packed| _mm512_and_si512(_mm512_srli_epi16::<4>(packed), low_nibbles));
                add::<T, R>(&mut sums, low, rows, group * words + line);
                add::<T, R>(&mut sums, high, rows, group * words + words / 2 + line);
            } else {
                add::<T, R>(&mut sums, packed, rows, group * words + line);
            }
        }
        sums
    }
}

/// Adds the products of one vector of each tile with one word of each row.
///
/// # Safety
/// The CPU has VNNI, and the word is within the rows.
#[inline(always)]
unsafe fn add<const T: usize, const R: usize>(
    sums: &mut [[__m512i; R]; T],
    weights: [__m512i; T],
    rows: &[&Input; R],
    word: usize,
) {
    for row in 0..R {
        // SAFETY: The caller's promise.
        unsafe {
            let four = _mm512_set1_epi32(rows[row].words.as_ptr().add(word).cast::<i32>().read_unaligned());
            for tile in 0..T {
                sums[tile][row] = _mm512_dpbusd_epi32(sums[tile][row], weights[tile], four);
            }
        }
    }
}

/// # Safety
/// The CPU has AVX-512, and the group is within the bytes.
#[inline(always)]
unsafe fn scales<F: Shape>(bytes: &[u8], group: usize) -> __m512 {
    // SAFETY: The caller's promise.
    unsafe {
        if F::FORM.half_scales {
            _mm512_cvtph_ps(_mm256_loadu_si256(bytes.as_ptr().add(group * LANES * 2).cast()))
        } else {
            _mm512_loadu_ps(bytes.as_ptr().add(group * LANES * 4).cast())
        }
    }
}
