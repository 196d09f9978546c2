//! AVX2 with FMA and F16C: Haswell, Zen 1 and later. A tile's sixteen rows take two registers.

#![expect(unsafe_code, reason = "vectors are loaded through pointers")]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _MM_FROUND_TO_NEAREST_INT, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32,
    _mm_loadl_epi64, _mm_loadu_si128, _mm_max_ps, _mm_max_ss, _mm_movehdup_ps, _mm_movehl_ps,
    _mm_storeu_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_andnot_ps,
    _mm256_blend_epi16, _mm256_castps_si256, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtph_ps, _mm256_cvtps_ph, _mm256_div_ps,
    _mm256_extract_epi32, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_epi32, _mm256_load_si256,
    _mm256_loadu_ps, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_ps, _mm256_min_ps,
    _mm256_movemask_ps, _mm256_mul_ps, _mm256_or_ps, _mm256_packs_epi16, _mm256_packs_epi32,
    _mm256_permutevar8x32_epi32, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi16, _mm256_slli_epi32,
    _mm256_srai_epi16, _mm256_srai_epi32, _mm256_srli_epi16, _mm256_storeu_ps, _mm256_storeu_si256,
    _mm256_sub_ps,
};

use super::arch::Arch;
use super::lanes::{LANES, Lanes, ROUNDER};
use super::matrix::{Places, Tiles};
use super::panel::{Shape, TILES};
use super::rows::{BLOCK_LEN, Block, four_of};

pub(super) struct Avx2;

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(super) struct Pair(pub(super) __m256, pub(super) __m256);

/// Rows of a tile in a register.
const HALF: usize = LANES / 2;

impl Arch for Avx2 {
    type Floats = Pair;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Pair {
        // SAFETY: The caller has AVX2, FMA and F16C, here and below.
        unsafe { Pair(_mm256_set1_ps(number), _mm256_set1_ps(number)) }
    }

    #[inline(always)]
    unsafe fn load(from: &Lanes) -> Pair {
        // SAFETY: The array has the size of two vectors, here and below.
        unsafe { Pair(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(HALF))) }
    }

    #[inline(always)]
    unsafe fn store(from: Pair, to: &mut Lanes) {
        // SAFETY: As above.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), from.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(HALF), from.1);
        }
    }

    #[inline(always)]
    unsafe fn load_half(from: &[u16; LANES]) -> Pair {
        // SAFETY: As above.
        unsafe {
            let low = _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()));
            Pair(low, _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().add(HALF).cast())))
        }
    }

    #[inline(always)]
    unsafe fn store_half(from: Pair, to: &mut [u16; LANES]) {
        // SAFETY: As above.
        unsafe {
            let low = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(from.0);
            let high = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(from.1);
            _mm_storeu_si128(to.as_mut_ptr().cast(), low);
            _mm_storeu_si128(to.as_mut_ptr().add(HALF).cast(), high);
        }
    }

    #[inline(always)]
    unsafe fn add(a: Pair, b: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn sub(a: Pair, b: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn mul(a: Pair, b: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn div(a: Pair, b: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: Pair, b: Pair, c: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    unsafe fn max(a: Pair, b: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn min(a: Pair, b: Pair) -> Pair {
        // SAFETY: As above.
        unsafe { Pair(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn any_above(a: Pair, b: Pair) -> bool {
        // SAFETY: The caller's promise.
        unsafe {
            let (low, high) = (_mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0), _mm256_cmp_ps::<_CMP_GT_OQ>(a.1, b.1));
            _mm256_movemask_ps(_mm256_or_ps(low, high)) != 0
        }
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Pair) -> Pair {
        // SAFETY: As above.
        unsafe {
            let base = _mm256_set1_epi32(127i32.wrapping_sub(ROUNDER.to_bits().cast_signed()));
            let low = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_castps_si256(shifted.0), base));
            let high = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_castps_si256(shifted.1), base));
            Pair(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
        }
    }

    #[inline(always)]
    unsafe fn sum(a: Pair) -> f32 {
        // SAFETY: As above.
        unsafe {
            let eight = _mm256_add_ps(a.0, a.1);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn largest(a: Pair) -> f32 {
        // SAFETY: As above.
        unsafe {
            let eight = _mm256_max_ps(a.0, a.1);
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn quantise(from: &[f32; BLOCK_LEN], to: &mut Block) {
        // SAFETY: As above; a block has four vectors of floats, and as many bytes as one.
        unsafe {
            let mut numbers = [_mm256_setzero_ps(); 4];
            let sign = _mm256_set1_ps(-0.0);
            let mut peaks = Pair(_mm256_setzero_ps(), _mm256_setzero_ps());
            for (at, numbers) in numbers.iter_mut().enumerate() {
                *numbers = _mm256_loadu_ps(from.as_ptr().add(at * HALF));
                peaks.0 = _mm256_max_ps(peaks.0, _mm256_andnot_ps(sign, *numbers));
            }
            let (scale, inverse) = Block::scales(Self::largest(peaks));
            let (inverse, rounder) = (_mm256_set1_ps(inverse), _mm256_set1_ps(ROUNDER));
            // The low byte of the sum is the nearest integer, ties to even, in two's complement.
            let mut quants = [_mm256_setzero_si256(); 4];
            for (quants, numbers) in quants.iter_mut().zip(numbers) {
                let shifted = _mm256_castps_si256(_mm256_fmadd_ps(numbers, inverse, rounder));
                *quants = _mm256_srai_epi32::<24>(_mm256_slli_epi32::<24>(shifted));
            }
            let [a, b, c, d] = quants;
            let (low, high) = (_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
            // Packing goes by halves of vectors; the permutation puts eights back in their order.
            let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let bytes = _mm256_permutevar8x32_epi32(bytes, order);
            _mm256_storeu_si256(to.words.as_mut_ptr().cast(), bytes);
            // Low and high sums in alternate pairs, both halves of the vector.
            let pairs = _mm256_hadd_epi32(low, high);
            let fours = _mm256_hadd_epi32(pairs, pairs);
            let low = _mm256_extract_epi32::<0>(fours) + _mm256_extract_epi32::<4>(fours);
            let high = _mm256_extract_epi32::<1>(fours) + _mm256_extract_epi32::<5>(fours);
            to.settle(scale, [low, high]);
        }
    }

    #[inline(always)]
    unsafe fn products<F: Shape, const R: usize>(
        tiles: &Tiles<'_>,
        rows: &[&[Block]; R],
        groups: usize,
    ) -> [[Lanes; R]; TILES] {
        let mut products = [[[0.0; LANES]; R]; TILES];
        for (at, to) in products.iter_mut().enumerate() {
            for half in 0..2 {
                // SAFETY: The caller's promise.
                unsafe { half_products::<F, R>((tiles, at, half), rows, groups, to) };
            }
        }
        products
    }
}

/// A function of its own for each shape, so that the compiler has all registers for each.
///
/// # Safety
/// As for [`Arch::products`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn half_products<F: Shape, const R: usize>(
    (tiles, tile, half): (&Tiles<'_>, usize, usize),
    rows: &[&[Block]; R],
    groups: usize,
    to: &mut [Lanes; R],
) {
    // SAFETY: The caller promises that tiles and rows have `groups` groups.
    unsafe {
        let mut products = [_mm256_setzero_ps(); R];
        for group in 0..groups {
            let sums = integers::<F, R>((tiles, tile, half), rows, group);
            if F::WHOLE {
                add_whole::<F, R>((tiles, tile, half), (rows, group), &sums, &mut products);
            } else {
                add_scaled::<F, R>((tiles, tile, half), (rows, group), &sums, &mut products);
            }
        }
        // Loops, not closures, here and below: what a closure does is not always compiled for AVX2.
        for row in 0..R {
            let mut product = products[row];
            if let (true, Some(units)) = (F::WHOLE, tiles.units) {
                let exponents = _mm_loadl_epi64(units[tile].as_ptr().add(half * HALF).cast());
                let units = _mm256_slli_epi32::<23>(_mm256_cvtepu8_epi32(exponents));
                product = _mm256_mul_ps(product, _mm256_castsi256_ps(units));
            }
            _mm256_storeu_ps(to[row].as_mut_ptr().add(half * HALF), product);
        }
    }
}

/// Adds the sums of a group, multiplied by scales, and the minimums, multiplied by the rows' sums.
///
/// # Safety
/// As for [`Arch::products`].
#[inline(always)]
unsafe fn add_scaled<F: Shape, const R: usize>(
    (tiles, tile, half): (&Tiles<'_>, usize, usize),
    (rows, group): (&[&[Block]; R], usize),
    sums: &[__m256i; R],
    products: &mut [__m256; R],
) {
    let (places, block) = (const { Places::of(F::FORM) }, group * F::FORM.group_len / BLOCK_LEN);
    // SAFETY: The caller's promise: the group is within tiles and rows.
    unsafe {
        let scale = scales::<F>(tiles, places.scales(group, tile), half);
        for row in 0..R {
            let block = rows[row].get_unchecked(block);
            let mut sum = sums[row];
            if F::FORM.bits == 4 {
                sum = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
            }
            if F::FORM.offset > 0 {
                sum = _mm256_add_epi32(sum, _mm256_set1_epi32(block.start(group, F::FORM)));
            }
            let both = _mm256_mul_ps(scale, _mm256_set1_ps(block.scale));
            products[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), both, products[row]);
        }
        if F::FORM.has_minimums {
            let minimum = scales::<F>(tiles, places.minimums(group, tile), half);
            for row in 0..R {
                let sum = _mm256_set1_ps(rows[row].get_unchecked(block).sum);
                products[row] = _mm256_fmadd_ps(minimum, sum, products[row]);
            }
        }
    }
}

/// The same where scales are [whole](super::whole), but for the units.
///
/// # Safety
/// As for [`Arch::products`].
#[inline(always)]
unsafe fn add_whole<F: Shape, const R: usize>(
    (tiles, tile, half): (&Tiles<'_>, usize, usize),
    (rows, group): (&[&[Block]; R], usize),
    sums: &[__m256i; R],
    products: &mut [__m256; R],
) {
    const UPPER: i32 = 0xaa;
    let places = const { Places::of(F::FORM) };
    // SAFETY: As above; a group of whole scales is a block.
    unsafe {
        let line = tiles.lines.as_ptr().add(places.factors(group, tile));
        let factors = _mm256_load_si256(line.cast::<__m256i>().add(half));
        let scales = _mm256_blend_epi16::<UPPER>(factors, _mm256_slli_epi32::<16>(factors));
        for row in 0..R {
            let block = rows[row].get_unchecked(group);
            // The sums are of quants that are not less by the offset, which makes the middle their minimum.
            let less = _mm256_madd_epi16(_mm256_set1_epi32(block.halves), factors);
            let exact = _mm256_add_epi32(_mm256_madd_epi16(sums[row], scales), less);
            products[row] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact), _mm256_set1_ps(block.scale), products[row]);
        }
    }
}

/// The sums of quants times activations, over one group; of quants below 16 as two sums of 16 bits each.
///
/// # Safety
/// As for [`Arch::products`].
#[inline(always)]
unsafe fn integers<F: Shape, const R: usize>(
    (tiles, tile, half): (&Tiles<'_>, usize, usize),
    rows: &[&[Block]; R],
    group: usize,
) -> [__m256i; R] {
    let places = const { Places::of(F::FORM) };
    // SAFETY: The caller's promise: the group is within tiles and rows.
    unsafe {
        let mut sums = [_mm256_setzero_si256(); R];
        let words = F::FORM.group_len / 4;
        let low_nibbles = _mm256_set1_epi8(15);
        for line in 0..places.quants_each {
            let at = tiles.lines.as_ptr().add(places.quants(group, line, tile));
            let packed = _mm256_load_si256(at.cast::<__m256i>().add(half));
            if F::FORM.bits == 4 {
                let low = _mm256_and_si256(packed, low_nibbles);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low_nibbles);
                add_small(&mut sums, low, rows, group * words + line);
                add_small(&mut sums, high, rows, group * words + words / 2 + line);
            } else {
                add_large(&mut sums, packed, rows, group * words + line);
            }
        }
        sums
    }
}

/// Adds products of weights below 16, even and odd pairs of columns apart: sixteen of them fit in 16 bits.
///
/// # Safety
/// The CPU has AVX2, and the word is within the rows.
#[inline(always)]
unsafe fn add_small<const R: usize>(
    sums: &mut [__m256i; R],
    weights: __m256i,
    rows: &[&[Block]; R],
    word: usize,
) {
    for (sum, row) in sums.iter_mut().zip(rows) {
        // SAFETY: The caller's promise.
        unsafe {
            let four = _mm256_set1_epi32(four_of(row, word));
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(weights, four));
        }
    }
}

/// Adds products of weights of eight bits, even and odd columns apart, so that nothing saturates.
///
/// # Safety
/// The CPU has AVX2, and the word is within the rows.
#[inline(always)]
unsafe fn add_large<const R: usize>(
    sums: &mut [__m256i; R],
    weights: __m256i,
    rows: &[&[Block]; R],
    word: usize,
) {
    // SAFETY: The caller's promise.
    unsafe {
        let even = _mm256_and_si256(weights, _mm256_set1_epi16(0xff));
        let odd = _mm256_srli_epi16::<8>(weights);
        for (sum, row) in sums.iter_mut().zip(rows) {
            let four = _mm256_set1_epi32(four_of(row, word));
            let even_four = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(four));
            let odd_four = _mm256_srai_epi16::<8>(four);
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(even, even_four));
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(odd, odd_four));
        }
    }
}

/// # Safety
/// The CPU has AVX2 and F16C, and sixteen scales begin at this byte of the tiles.
#[inline(always)]
unsafe fn scales<F: Shape>(tiles: &Tiles<'_>, start: usize, half: usize) -> __m256 {
    // SAFETY: The caller's promise.
    unsafe {
        let from = tiles.lines.as_ptr().cast::<u8>().add(start);
        if F::FORM.half_scales {
            _mm256_cvtph_ps(_mm_loadu_si128(from.add(half * HALF * 2).cast()))
        } else {
            _mm256_loadu_ps(from.add(half * HALF * 4).cast())
        }
    }
}
