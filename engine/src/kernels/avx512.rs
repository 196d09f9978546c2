//! AVX-512 with VNNI: Ice Lake, Zen 4 and later.

#![expect(unsafe_code, reason = "vectors are loaded through pointers")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GT_OQ, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _MM_HINT_T1, _mm_loadu_si128,
    _mm_prefetch, _mm_sfence, _mm256_cvtsi256_si32, _mm256_dpbusd_epi32, _mm256_extract_epi32,
    _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_set_m128i, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm512_abs_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps,
    _mm512_cvtepu8_epi32, _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_div_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_madd_epi16, _mm512_mask_blend_epi16,
    _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_reduce_max_ps,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_ps, _mm512_stream_ps, _mm512_sub_ps,
};

use super::ahead::Asking;
use super::arch::Arch;
use super::lanes::{LANES, Lanes, ROUNDER};
use super::matrix::{Line, Places, Tiles};
use super::panel::{Shape, TILES};
use super::rows::{BLOCK_LEN, Block, four_of};

pub(super) struct Avx512;

/// So many rows are computed faster than lines come from the second cache.
const ROWS_WAITING_MAX: usize = 3;
/// How far ahead they have lines brought from there to the first: several times what that takes.
const LINES_SOON: usize = 2 * 1024 / size_of::<Line>();

impl Arch for Avx512 {
    type Floats = __m512;

    #[inline(always)]
    unsafe fn splat(number: f32) -> __m512 {
        // SAFETY: The caller has AVX-512, here and below.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: &Lanes) -> __m512 {
        // SAFETY: The array has the vector's size, here and below.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store(from: __m512, to: &mut Lanes) {
        // SAFETY: As above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), from) };
    }

    #[inline(always)]
    unsafe fn stream(from: __m512, to: &mut Lanes) {
        // SAFETY: As above; the place is held to the alignment that the instruction asks for.
        unsafe {
            if to.as_ptr().addr().is_multiple_of(size_of::<__m512>()) {
                _mm512_stream_ps(to.as_mut_ptr(), from);
            } else {
                Self::store(from, to);
            }
        }
    }

    #[inline(always)]
    unsafe fn settle() {
        // SAFETY: As above.
        unsafe { _mm_sfence() };
    }

    #[inline(always)]
    unsafe fn load_half(from: &[u16; LANES]) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) }
    }

    #[inline(always)]
    unsafe fn store_half(from: __m512, to: &mut [u16; LANES]) {
        // SAFETY: As above.
        unsafe {
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(from));
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn any_above(a: __m512, b: __m512) -> bool {
        // SAFETY: The caller's promise.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0 }
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: __m512) -> __m512 {
        // SAFETY: As above.
        unsafe {
            let base = _mm512_set1_epi32(127i32.wrapping_sub(ROUNDER.to_bits().cast_signed()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(_mm512_castps_si512(shifted), base)))
        }
    }

    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        // SAFETY: As above. The intrinsic adds halves.
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    unsafe fn largest(a: __m512) -> f32 {
        // SAFETY: As above.
        unsafe { _mm512_reduce_max_ps(a) }
    }

    #[inline(always)]
    unsafe fn quantise(from: &[f32; BLOCK_LEN], to: &mut Block) {
        // SAFETY: As above; a block has two vectors of floats, and as many bytes as a vector of 32.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(from.as_ptr()), _mm512_loadu_ps(from.as_ptr().add(LANES)));
            let peaks = _mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high));
            let (scale, inverse) = Block::scales(_mm512_reduce_max_ps(peaks));
            let (inverse, rounder) = (_mm512_set1_ps(inverse), _mm512_set1_ps(ROUNDER));
            // The low byte of the sum is the nearest integer, ties to even, in two's complement.
            let low = _mm512_castps_si512(_mm512_fmadd_ps(low, inverse, rounder));
            let high = _mm512_castps_si512(_mm512_fmadd_ps(high, inverse, rounder));
            let quants = _mm256_set_m128i(_mm512_cvtepi32_epi8(high), _mm512_cvtepi32_epi8(low));
            _mm256_storeu_si256(to.words.as_mut_ptr().cast(), quants);
            let fours = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), quants);
            let twos = _mm256_hadd_epi32(fours, fours);
            let halves = _mm256_hadd_epi32(twos, twos);
            let low_sum = _mm256_cvtsi256_si32(halves);
            to.settle(scale, [low_sum, _mm256_extract_epi32::<4>(halves)]);
        }
    }

    #[inline(always)]
    unsafe fn products<F: Shape, const R: usize>(
        tiles: &Tiles<'_>,
        rows: &[&[Block]; R],
        groups: usize,
    ) -> [[Lanes; R]; TILES] {
        // SAFETY: The caller's promise.
        unsafe { products::<F, R>(tiles, rows, groups) }
    }
}

/// A function of its own for each shape, so that the compiler has all registers for each.
///
/// # Safety
/// As for [`Arch::products`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
unsafe fn products<F: Shape, const R: usize>(
    tiles: &Tiles<'_>,
    rows: &[&[Block]; R],
    groups: usize,
) -> [[Lanes; R]; TILES] {
    let places = const { Places::of(F::FORM) };
    // SAFETY: The caller promises that tiles and rows have `groups` groups.
    unsafe {
        let mut products = [[_mm512_setzero_ps(); R]; TILES];
        let place = |group: usize| tiles.lines.as_ptr().wrapping_add(group * places.all);
        let (mut next, mut due) = (tiles.asking.first, Asking::ONE - 1);
        for group in 0..groups {
            due += tiles.asking.rate;
            if due >= Asking::ONE {
                due -= Asking::ONE;
                // To the second cache, to which more can be on its way at a time than to the first.
                ask::<F, _MM_HINT_T1>(place(next).wrapping_byte_offset(tiles.asking.distance));
                next += 1;
            }
            // Few rows would wait for the second cache, too.
            if R <= ROWS_WAITING_MAX && tiles.asking.rate > 0 {
                ask::<F, _MM_HINT_T0>(place(group).wrapping_add(LINES_SOON));
            }
            let sums = integers::<F, R>(tiles, rows, group);
            for (tile, (sums, products)) in sums.iter().zip(&mut products).enumerate() {
                if F::WHOLE {
                    add_whole::<F, R>((tiles, group, tile), rows, sums, products);
                } else {
                    add_scaled::<F, R>((tiles, group, tile), rows, sums, products);
                }
            }
        }
        let mut to = [[[0.0; LANES]; R]; TILES];
        // Loops, not closures, here and below: what a closure does is not always compiled for AVX-512.
        for tile in 0..TILES {
            for row in 0..R {
                let mut product = products[tile][row];
                if let (true, Some(units)) = (F::WHOLE, tiles.units) {
                    let exponents = _mm512_cvtepu8_epi32(_mm_loadu_si128(units[tile].as_ptr().cast()));
                    product = _mm512_mul_ps(product, _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponents)));
                }
                _mm512_storeu_ps(to[tile][row].as_mut_ptr(), product);
            }
        }
        to
    }
}

/// Adds the sums of a group, multiplied by scales, and the minimums, multiplied by the rows' sums.
///
/// # Safety
/// As for [`Arch::products`].
#[inline(always)]
unsafe fn add_scaled<F: Shape, const R: usize>(
    (tiles, group, tile): (&Tiles<'_>, usize, usize),
    rows: &[&[Block]; R],
    sums: &[__m512i; R],
    products: &mut [__m512; R],
) {
    let (places, block) = (const { Places::of(F::FORM) }, group * F::FORM.group_len / BLOCK_LEN);
    // SAFETY: The caller's promise: the group is within tiles and rows.
    unsafe {
        let scale = scales::<F>(tiles, places.scales(group, tile));
        for row in 0..R {
            let both = _mm512_mul_ps(scale, _mm512_set1_ps(rows[row].get_unchecked(block).scale));
            products[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[row]), both, products[row]);
        }
        if F::FORM.has_minimums {
            let minimum = scales::<F>(tiles, places.minimums(group, tile));
            for row in 0..R {
                let sum = _mm512_set1_ps(rows[row].get_unchecked(block).sum);
                products[row] = _mm512_fmadd_ps(minimum, sum, products[row]);
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
    (tiles, group, tile): (&Tiles<'_>, usize, usize),
    rows: &[&[Block]; R],
    sums: &[__m512i; R],
    products: &mut [__m512; R],
) {
    const UPPER: u32 = 0xaaaa_aaaa;
    let places = const { Places::of(F::FORM) };
    // SAFETY: As above; a group of whole scales is a block.
    unsafe {
        let factors = _mm512_load_si512(tiles.lines.as_ptr().add(places.factors(group, tile)).cast());
        for row in 0..R {
            let block = rows[row].get_unchecked(group);
            let both = _mm512_mask_blend_epi16(UPPER, sums[row], _mm512_set1_epi32(block.halves));
            let exact = _mm512_cvtepi32_ps(_mm512_madd_epi16(both, factors));
            products[row] = _mm512_fmadd_ps(exact, _mm512_set1_ps(block.scale), products[row]);
        }
    }
}

/// The sums of quants (less the offset) times activations, over one group.
///
/// # Safety
/// As for [`Arch::products`].
#[inline(always)]
unsafe fn integers<F: Shape, const R: usize>(
    tiles: &Tiles<'_>,
    rows: &[&[Block]; R],
    group: usize,
) -> [[__m512i; R]; TILES] {
    let places = const { Places::of(F::FORM) };
    // SAFETY: The caller's promise: the group is within tiles and rows.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); R]; TILES];
        if F::FORM.offset > 0 {
            for row in 0..R {
                let block = rows[row].get_unchecked(group * F::FORM.group_len / BLOCK_LEN);
                let start = _mm512_set1_epi32(block.start(group, F::FORM));
                for sums in &mut sums {
                    sums[row] = start;
                }
            }
        }
        let words = F::FORM.group_len / 4;
        let low_nibbles = _mm512_set1_epi8(15);
        for line in 0..places.quants_each {
            let mut packed = [_mm512_setzero_si512(); TILES];
            for (tile, packed) in packed.iter_mut().enumerate() {
                let from = tiles.lines.as_ptr().add(places.quants(group, line, tile));
                *packed = _mm512_load_si512(from.cast());
            }
            if F::FORM.bits == 4 {
                let (mut low, mut high) = (packed, packed);
                for tile in 0..TILES {
                    low[tile] = _mm512_and_si512(packed[tile], low_nibbles);
                    high[tile] = _mm512_and_si512(_mm512_srli_epi16::<4>(packed[tile]), low_nibbles);
                }
                add(&mut sums, &low, rows, group * words + line);
                add(&mut sums, &high, rows, group * words + words / 2 + line);
            } else {
                add(&mut sums, &packed, rows, group * words + line);
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
unsafe fn add<const R: usize>(
    sums: &mut [[__m512i; R]; TILES],
    weights: &[__m512i; TILES],
    rows: &[&[Block]; R],
    word: usize,
) {
    for row in 0..R {
        // SAFETY: The caller's promise.
        unsafe {
            let four = _mm512_set1_epi32(four_of(rows[row], word));
            for tile in 0..TILES {
                sums[tile][row] = _mm512_dpbusd_epi32(sums[tile][row], weights[tile], four);
            }
        }
    }
}

/// Asks for a group's lines from a place on, with this hint.
///
/// # Safety
/// The CPU has AVX-512.
#[inline(always)]
unsafe fn ask<F: Shape, const HINT: i32>(from: *const Line) {
    for line in 0..const { Places::of(F::FORM).all } {
        // SAFETY: The caller's promise; it is no access, so the address may be anything.
        unsafe { _mm_prefetch::<HINT>(from.wrapping_add(line).cast()) };
    }
}

/// # Safety
/// The CPU has AVX-512, and sixteen scales begin at this byte of the tiles.
#[inline(always)]
unsafe fn scales<F: Shape>(tiles: &Tiles<'_>, start: usize) -> __m512 {
    // SAFETY: The caller's promise.
    unsafe {
        let from = tiles.lines.as_ptr().cast::<u8>().add(start);
        if F::FORM.half_scales {
            _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))
        } else {
            _mm512_loadu_ps(from.cast())
        }
    }
}
