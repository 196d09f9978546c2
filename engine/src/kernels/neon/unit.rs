//! What multiplies integers on 64-bit ARM: the matrix instructions of 8.6, the dot products of 8.2, or what all have.
//!
//! Rust has no stable names for the first two, so they are written as instructions.

#![expect(unsafe_code, reason = "instructions that a CPU may lack, and vectors loaded through pointers")]

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int16x4x2_t, int32x4_t, vaddq_s32, vandq_u8, vcvt_f32_f16, vcvtq_f32_s32,
    vdupq_laneq_s32, vdupq_n_f32, vdupq_n_s8, vdupq_n_s32, vdupq_n_u8, veorq_u8, vfmaq_f32, vfmaq_n_f32,
    vget_low_s8, vld1_u16, vld1q_f32, vld1q_s8, vld1q_u8, vld2_s16, vmlsq_n_s32, vmovl_s16, vmull_high_s8,
    vmull_s8, vmulq_f32, vmulq_n_f32, vmulq_s32, vpaddlq_s16, vpaddq_s32, vreinterpret_f16_u16,
    vreinterpretq_s8_s32, vreinterpretq_s8_s64, vreinterpretq_s8_u8, vreinterpretq_s32_s8,
    vreinterpretq_s64_s8, vshrq_n_u8, vst1q_f32, vuzp1q_s32, vuzp2q_s32, vzip1q_s32, vzip1q_s64, vzip2q_s32,
    vzip2q_s64,
};
use std::arch::asm;

use super::PART;
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::matrix::{Places, Tiles};
use crate::kernels::panel::Shape;
use crate::kernels::rows::{BLOCK_LEN, Block};
use crate::kernels::whole;

/// Columns that a register holds of a row of activations: half a block.
const COLUMNS: usize = BLOCK_LEN / 2;
/// What makes signed numbers of unsigned bytes: they are less by this.
const SIGN: u8 = 128;

/// What is multiplied: registers `part` and following of the tile's rows, with rows of activations.
pub(in crate::kernels) struct Work<'a, const R: usize> {
    pub(super) tile: (&'a Tiles<'a>, usize),
    pub(super) part: usize,
    pub(super) rows: &'a [&'a [Block]; R],
    pub(super) groups: usize,
}

/// Of each row of activations, the sums of `P` registers of the tile's rows.
type Sums<const R: usize, const P: usize> = [[int32x4_t; P]; R];

/// Something that multiplies integers.
///
/// # Safety
/// Of every function: the CPU has the unit. Of those that take work of form `F`: tile and rows have its groups.
pub(in crate::kernels) trait Unit {
    /// Writes products. A function of its own for each shape, so that the compiler has all registers for each.
    unsafe fn products<F: Shape, const R: usize, const P: usize>(work: &Work<'_, R>, to: &mut [Lanes; R]);

    /// Adds the products of four bytes of each of four rows with the four of a word.
    unsafe fn dot<const WORD: i32>(sums: int32x4_t, weights: int8x16_t, words: int8x16_t) -> int32x4_t;

    /// The sums of products over a group.
    #[inline(always)]
    unsafe fn sums<F: Shape, const R: usize, const P: usize>(work: &Work<'_, R>, group: usize) -> Sums<R, P> {
        // SAFETY: The caller's promise.
        unsafe { by_words::<Self, F, R, P>(work, group) }
    }
}

/// What every CPU of this architecture has: products in sixteen bits, added in pairs.
pub(in crate::kernels) struct Plain;

/// Dot products: Cortex-A75, Neoverse N1, Apple's M1, and later.
pub(in crate::kernels) struct Dotprod;

/// Products of two rows of eight by two rows of eight, besides dot products: Cortex-A710, Neoverse V1, Apple's M2, and later.
pub(in crate::kernels) struct I8mm;

macro_rules! products {
    ($features:literal) => {
        #[inline(always)]
        unsafe fn products<F: Shape, const R: usize, const P: usize>(
            work: &Work<'_, R>,
            to: &mut [Lanes; R],
        ) {
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn alone<U: Unit, F: Shape, const R: usize, const P: usize>(
                work: &Work<'_, R>,
                to: &mut [Lanes; R],
            ) {
                // SAFETY: The caller's promise.
                unsafe { products::<U, F, R, P>(work, to) };
            }
            // SAFETY: The caller's promise.
            unsafe { alone::<Self, F, R, P>(work, to) };
        }
    };
}

impl Unit for Plain {
    products!("neon");

    #[inline(always)]
    unsafe fn dot<const WORD: i32>(sums: int32x4_t, weights: int8x16_t, words: int8x16_t) -> int32x4_t {
        // SAFETY: Every CPU of this architecture has it.
        unsafe {
            let four = vreinterpretq_s8_s32(vdupq_laneq_s32::<WORD>(vreinterpretq_s32_s8(words)));
            let low = vpaddlq_s16(vmull_s8(vget_low_s8(weights), vget_low_s8(four)));
            let high = vpaddlq_s16(vmull_high_s8(weights, four));
            vaddq_s32(sums, vpaddq_s32(low, high))
        }
    }
}

impl Unit for Dotprod {
    products!("neon,dotprod");

    #[inline(always)]
    unsafe fn dot<const WORD: i32>(sums: int32x4_t, weights: int8x16_t, words: int8x16_t) -> int32x4_t {
        let mut sums = sums;
        // SAFETY: The caller's promise; it touches registers only.
        unsafe {
            asm!(
                "sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[{word}]",
                inout(vreg) sums, in(vreg) weights, in(vreg) words, word = const WORD,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        sums
    }
}

impl Unit for I8mm {
    products!("neon,dotprod,i8mm");

    #[inline(always)]
    unsafe fn dot<const WORD: i32>(sums: int32x4_t, weights: int8x16_t, words: int8x16_t) -> int32x4_t {
        // SAFETY: The caller's promise.
        unsafe { Dotprod::dot::<WORD>(sums, weights, words) }
    }

    #[inline(always)]
    unsafe fn sums<F: Shape, const R: usize, const P: usize>(work: &Work<'_, R>, group: usize) -> Sums<R, P> {
        // SAFETY: The caller's promise.
        unsafe {
            if R.is_multiple_of(2) {
                by_pairs::<F, R, P>(work, group)
            } else {
                by_words::<Self, F, R, P>(work, group)
            }
        }
    }
}

/// Each element is made by the same operations as everywhere: see [`crate::kernels::panel`].
///
/// # Safety
/// As for [`Unit::products`].
#[inline(always)]
unsafe fn products<U: Unit, F: Shape, const R: usize, const P: usize>(
    work: &Work<'_, R>,
    to: &mut [Lanes; R],
) {
    let (places, (tiles, tile)) = (const { Places::of(F::FORM) }, work.tile);
    // SAFETY: The caller's promise; a tile has sixteen rows.
    unsafe {
        let offset = i32::from(F::FORM.offset) - if F::FORM.bits == 4 { 0 } else { i32::from(SIGN) };
        let mut products = [[vdupq_n_f32(0.0); P]; R];
        for group in 0..work.groups {
            let block = group * F::FORM.group_len / BLOCK_LEN;
            let mut sums = U::sums::<F, R, P>(work, group);
            if offset != 0 {
                for (row, sums) in work.rows.iter().zip(&mut sums) {
                    let negated = row.get_unchecked(block).negated_sum_of(group, F::FORM.group_len);
                    for sum in sums {
                        *sum = vaddq_s32(*sum, vdupq_n_s32(negated * offset));
                    }
                }
            }
            for at in 0..P {
                let part = work.part + at;
                if F::WHOLE {
                    let line = tiles.lines.as_ptr().add(places.factors(group, tile)).cast::<i16>();
                    let int16x4x2_t(scales, middles) = vld2_s16(line.add(part * PART * 2));
                    let (scales, middles) = (vmovl_s16(scales), vmovl_s16(middles));
                    for row in 0..R {
                        let block = work.rows[row].get_unchecked(block);
                        let scaled = vmulq_s32(sums[row][at], scales);
                        let exact = vcvtq_f32_s32(vmlsq_n_s32(scaled, middles, block.negated_sum));
                        products[row][at] = vfmaq_n_f32(products[row][at], exact, block.scale);
                    }
                    continue;
                }
                let scale = scales::<F>(tiles, places.scales(group, tile), part);
                for row in 0..R {
                    let both = vmulq_n_f32(scale, work.rows[row].get_unchecked(block).scale);
                    products[row][at] = vfmaq_f32(products[row][at], vcvtq_f32_s32(sums[row][at]), both);
                }
                if F::FORM.has_minimums {
                    let minimum = scales::<F>(tiles, places.minimums(group, tile), part);
                    for (row, products) in work.rows.iter().zip(&mut products) {
                        products[at] = vfmaq_n_f32(products[at], minimum, row.get_unchecked(block).sum);
                    }
                }
            }
        }
        if let (true, Some(units)) = (F::WHOLE, tiles.units) {
            for at in 0..P {
                let units: [f32; PART] =
                    std::array::from_fn(|lane| whole::unit(units[tile][(work.part + at) * PART + lane]));
                for products in &mut products {
                    products[at] = vmulq_f32(products[at], vld1q_f32(units.as_ptr()));
                }
            }
        }
        for (products, to) in products.iter().zip(to) {
            for (at, product) in products.iter().enumerate() {
                vst1q_f32(to.as_mut_ptr().add((work.part + at) * PART), *product);
            }
        }
    }
}

/// [`Unit::sums`], word by word.
///
/// # Safety
/// As for that.
#[inline(always)]
unsafe fn by_words<U: Unit + ?Sized, F: Shape, const R: usize, const P: usize>(
    work: &Work<'_, R>,
    group: usize,
) -> Sums<R, P> {
    // SAFETY: The caller's promise.
    unsafe {
        let mut sums = [[vdupq_n_s32(0); P]; R];
        for half in 0..F::FORM.group_len / COLUMNS {
            let columns = columns::<F, R>(work, group, half);
            macro_rules! word {
                ($word:literal) => {
                    for at in 0..P {
                        let weights = weights::<F>(work.tile, (group, half * 4 + $word), work.part + at);
                        for row in 0..R {
                            sums[row][at] = U::dot::<$word>(sums[row][at], weights, columns[row]);
                        }
                    }
                };
            }
            word!(0);
            word!(1);
            word!(2);
            word!(3);
        }
        sums
    }
}

/// [`Unit::sums`], by two rows of the tile, two rows of activations and two words at once.
///
/// # Safety
/// As for that, and the number of rows is even.
#[expect(clippy::needless_range_loop, reason = "rows come in pairs, and registers in each of them")]
#[inline(always)]
unsafe fn by_pairs<F: Shape, const R: usize, const P: usize>(work: &Work<'_, R>, group: usize) -> Sums<R, P> {
    // SAFETY: The caller's promise.
    unsafe {
        // Of each pair of rows, first those of a register's first two rows of the tile, then those of the others.
        let mut sums = [[vdupq_n_s32(0); P]; R];
        for half in 0..F::FORM.group_len / COLUMNS {
            let mut columns = columns::<F, R>(work, group, half);
            // Of each pair of rows, the first eight columns of both, then the others.
            for [one, other] in columns.as_chunks_mut::<2>().0 {
                let (a, b) = (vreinterpretq_s64_s8(*one), vreinterpretq_s64_s8(*other));
                *one = vreinterpretq_s8_s64(vzip1q_s64(a, b));
                *other = vreinterpretq_s8_s64(vzip2q_s64(a, b));
            }
            for eight in 0..2 {
                for at in 0..P {
                    let word = half * 4 + eight * 2;
                    let low = weights::<F>(work.tile, (group, word), work.part + at);
                    let high = weights::<F>(work.tile, (group, word + 1), work.part + at);
                    let (low, high) = (vreinterpretq_s32_s8(low), vreinterpretq_s32_s8(high));
                    let first = vreinterpretq_s8_s32(vzip1q_s32(low, high));
                    let others = vreinterpretq_s8_s32(vzip2q_s32(low, high));
                    for row in (0..R).step_by(2) {
                        let rows = columns[row + eight];
                        sums[row][at] = matrix(sums[row][at], first, rows);
                        sums[row + 1][at] = matrix(sums[row + 1][at], others, rows);
                    }
                }
            }
        }
        for [one, other] in sums.as_chunks_mut::<2>().0 {
            for (one, other) in one.iter_mut().zip(other) {
                (*one, *other) = (vuzp1q_s32(*one, *other), vuzp2q_s32(*one, *other));
            }
        }
        sums
    }
}

/// Adds the products of two rows of weights with two of activations, eight columns each: the first row's two, then the
/// second's.
///
/// # Safety
/// The CPU has `i8mm`.
#[inline(always)]
unsafe fn matrix(sums: int32x4_t, weights: int8x16_t, rows: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: The caller's promise; it touches registers only.
    unsafe {
        asm!(
            "smmla {0:v}.4s, {1:v}.16b, {2:v}.16b",
            inout(vreg) sums, in(vreg) weights, in(vreg) rows,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// Sixteen columns of each row: those of number `half` in the group.
///
/// # Safety
/// The group is within the rows.
#[inline(always)]
unsafe fn columns<F: Shape, const R: usize>(work: &Work<'_, R>, group: usize, half: usize) -> [int8x16_t; R] {
    let at = group * F::FORM.group_len + half * COLUMNS;
    // SAFETY: The caller's promise; a block has twice sixteen bytes.
    unsafe {
        let mut columns = [vdupq_n_s8(0); R];
        for (row, columns) in work.rows.iter().zip(&mut columns) {
            let words = row.get_unchecked(at / BLOCK_LEN).words.as_ptr().cast::<i8>();
            *columns = vld1q_s8(words.add(at % BLOCK_LEN));
        }
        columns
    }
}

/// A word of a group, of the four rows of a register, signed.
///
/// # Safety
/// The group is within the tile.
#[inline(always)]
unsafe fn weights<F: Shape>(
    (tiles, tile): (&Tiles<'_>, usize),
    (group, word): (usize, usize),
    part: usize,
) -> int8x16_t {
    let places = const { Places::of(F::FORM) };
    let lines = places.quants_each;
    // SAFETY: The caller's promise.
    unsafe {
        let line = tiles.lines.as_ptr().add(places.quants(group, word % lines, tile)).cast::<u8>();
        let packed = vld1q_u8(line.add(part * LANES));
        vreinterpretq_s8_u8(if F::FORM.bits == 8 {
            veorq_u8(packed, vdupq_n_u8(SIGN))
        } else if word < lines {
            vandq_u8(packed, vdupq_n_u8(15))
        } else {
            vshrq_n_u8::<4>(packed)
        })
    }
}

/// Those of the four rows of a register.
///
/// # Safety
/// Sixteen scales begin at this byte of the tiles.
#[inline(always)]
unsafe fn scales<F: Shape>(tiles: &Tiles<'_>, start: usize, part: usize) -> float32x4_t {
    // SAFETY: The caller's promise.
    unsafe {
        let from = tiles.lines.as_ptr().cast::<u8>().add(start);
        if F::FORM.half_scales {
            vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from.add(part * PART * 2).cast())))
        } else {
            vld1q_f32(from.add(part * PART * 4).cast())
        }
    }
}
