//! AVX-512 with VNNI: Ice Lake, Zen 4 and later.

#![expect(unsafe_code, reason = "vectors are loaded through pointers")]

use std::arch::x86_64::{
    __m512, __m512i, _MM_FROUND_TO_NEAREST_INT, _mm256_loadu_si256, _mm512_and_si512, _mm512_cvtepi32_ps,
    _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_si512,
    _mm512_loadu_ps, _mm512_mul_ps, _mm512_mullo_epi32, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_srli_epi16, _mm512_storeu_ps,
};

use super::lanes::{LANES, Lanes};
use super::matrix::Tile;
use super::panel::{Arch, Shape};
use super::rows::{BLOCK_LEN, Input};

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
        to: &mut [[Lanes; R]; T],
    ) {
        // SAFETY: The caller's promise.
        unsafe { products::<F, T, R>(tiles, rows, groups, to) };
    }
}

/// A function of its own for each shape, so that the compiler has all registers for each.
///
/// # Safety
/// As for [`Arch::products`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
unsafe fn products<F: Shape, const T: usize, const R: usize>(
    tiles: &[Tile<'_>; T],
    rows: &[&Input; R],
    groups: usize,
    to: &mut [[Lanes; R]; T],
) {
    // SAFETY: The caller promises that tiles and rows have `groups` groups.
    unsafe {
        let mut products = [[_mm512_setzero_ps(); R]; T];
        for group in 0..groups {
            let sums = integers::<F, T, R>(tiles, rows, group);
            let block = group * F::FORM.group_len / BLOCK_LEN;
            for (tile, (sums, products)) in tiles.iter().zip(sums.iter().zip(&mut products)) {
                let scale = scales::<F>(tile.scales, group);
                for row in 0..R {
                    let both =
                        _mm512_mul_ps(scale, _mm512_set1_ps(rows[row].blocks.get_unchecked(block).scale));
                    products[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[row]), both, products[row]);
                }
                if F::FORM.has_minimums {
                    let minimum = scales::<F>(tile.minimums, group);
                    for row in 0..R {
                        let sum = _mm512_set1_ps(rows[row].blocks.get_unchecked(block).sum);
                        products[row] = _mm512_fmadd_ps(minimum, sum, products[row]);
                    }
                }
            }
        }
        // Loops, not closures, here and below: what a closure does is not always compiled for AVX-512.
        for tile in 0..T {
            for row in 0..R {
                _mm512_storeu_ps(to[tile][row].as_mut_ptr(), products[tile][row]);
            }
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
                let block = rows[row].blocks.get_unchecked(group * F::FORM.group_len / BLOCK_LEN);
                let negated = block.negated_sum_of(group, F::FORM.group_len);
                let start = _mm512_mullo_epi32(
                    _mm512_set1_epi32(negated),
                    _mm512_set1_epi32(i32::from(F::FORM.offset)),
                );
                for sums in &mut sums {
                    sums[row] = start;
                }
            }
        }
        let words = F::FORM.group_len / 4;
        let lines = words * F::FORM.bits / 8;
        let low_nibbles = _mm512_set1_epi8(15);
        for line in 0..lines {
            let mut packed = [_mm512_setzero_si512(); T];
            for tile in 0..T {
                packed[tile] =
                    _mm512_load_si512(tiles[tile].quants.as_ptr().add(group * lines + line).cast());
            }
            if F::FORM.bits == 4 {
                let (mut low, mut high) = (packed, packed);
                for tile in 0..T {
                    low[tile] = _mm512_and_si512(packed[tile], low_nibbles);
                    high[tile] = _mm512_and_si512(_mm512_srli_epi16::<4>(packed[tile]), low_nibbles);
                }
                add::<T, R>(&mut sums, &low, rows, group * words + line);
                add::<T, R>(&mut sums, &high, rows, group * words + words / 2 + line);
            } else {
                add::<T, R>(&mut sums, &packed, rows, group * words + line);
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
    weights: &[__m512i; T],
    rows: &[&Input; R],
    word: usize,
) {
    for row in 0..R {
        // SAFETY: The caller's promise.
        unsafe {
            let four = _mm512_set1_epi32(rows[row].word(word));
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
