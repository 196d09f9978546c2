//! 64-bit ARM. A tile's sixteen rows take four registers.
//!
//! Floats need nothing but NEON, which every CPU of this architecture has; only what multiplies integers differs, and is a
//! [`Unit`].

#![expect(unsafe_code, reason = "vectors are loaded through pointers")]

mod unit;

use std::arch::aarch64::{
    float32x4_t, vabsq_f32, vadd_f32, vaddlvq_s8, vaddq_f32, vaddq_s32, vbslq_f32, vcgtq_f32, vcltq_f32,
    vcombine_u8, vcombine_u16, vcvt_f16_f32, vcvt_f32_f16, vdivq_f32, vdup_lane_f32, vdupq_n_f32,
    vdupq_n_s32, vfmaq_f32, vget_high_f32, vget_lane_f32, vget_low_f32, vld1_u16, vld1q_f32, vmaxq_f32,
    vmaxvq_f32, vmaxvq_u32, vmovn_u16, vmovn_u32, vmulq_f32, vorrq_u32, vreinterpret_f16_u16,
    vreinterpret_u16_f16, vreinterpretq_f32_s32, vreinterpretq_s8_u8, vreinterpretq_s32_f32,
    vreinterpretq_u32_f32, vshlq_n_s32, vst1_u16, vst1q_f32, vst1q_s8, vsubq_f32,
};
use std::marker::PhantomData;

use super::arch::Arch;
use super::lanes::{LANES, Lanes, ROUNDER};
use super::matrix::Tiles;
use super::panel::{Shape, TILES};
use super::rows::{BLOCK_LEN, Block};
use unit::Work;

pub(super) use unit::{Dotprod, I8mm, Plain, Unit};

/// NEON, and what multiplies integers.
pub(super) struct Neon<U>(PhantomData<U>);

/// Sixteen floats.
pub(super) type Four = [float32x4_t; PARTS];

/// Registers of sixteen floats, and floats in one.
pub(super) const PARTS: usize = 4;
const PART: usize = LANES / PARTS;

macro_rules! each {
    ($a:ident, $b:ident, $function:ident) => {
        // SAFETY: Every CPU of this architecture has NEON, here and below.
        unsafe {
            [
                $function($a[0], $b[0]),
                $function($a[1], $b[1]),
                $function($a[2], $b[2]),
                $function($a[3], $b[3]),
            ]
        }
    };
}

impl<U: Unit> Arch for Neon<U> {
    type Floats = Four;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Four {
        // SAFETY: As above.
        unsafe { [vdupq_n_f32(number); PARTS] }
    }

    #[inline(always)]
    unsafe fn load(from: &Lanes) -> Four {
        let from = from.as_ptr();
        // SAFETY: The array has the size of four vectors, here and below.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }

    #[inline(always)]
    unsafe fn store(from: Four, to: &mut Lanes) {
        for (part, from) in from.into_iter().enumerate() {
            // SAFETY: As above.
            unsafe { vst1q_f32(to.as_mut_ptr().add(part * PART), from) };
        }
    }

    #[inline(always)]
    unsafe fn load_half(from: &[u16; LANES]) -> Four {
        let mut to = [0.0; PARTS].map(splat);
        for (part, to) in to.iter_mut().enumerate() {
            // SAFETY: As above.
            *to = unsafe { vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from.as_ptr().add(part * PART)))) };
        }
        to
    }

    #[inline(always)]
    unsafe fn store_half(from: Four, to: &mut [u16; LANES]) {
        for (part, from) in from.into_iter().enumerate() {
            // SAFETY: As above.
            unsafe { vst1_u16(to.as_mut_ptr().add(part * PART), vreinterpret_u16_f16(vcvt_f16_f32(from))) };
        }
    }

    #[inline(always)]
    unsafe fn add(a: Four, b: Four) -> Four {
        each!(a, b, vaddq_f32)
    }

    #[inline(always)]
    unsafe fn sub(a: Four, b: Four) -> Four {
        each!(a, b, vsubq_f32)
    }

    #[inline(always)]
    unsafe fn mul(a: Four, b: Four) -> Four {
        each!(a, b, vmulq_f32)
    }

    #[inline(always)]
    unsafe fn div(a: Four, b: Four) -> Four {
        each!(a, b, vdivq_f32)
    }

    #[inline(always)]
    unsafe fn mul_add(a: Four, b: Four, c: Four) -> Four {
        let mut sums = c;
        for (part, sum) in sums.iter_mut().enumerate() {
            // SAFETY: As above.
            *sum = unsafe { vfmaq_f32(*sum, a[part], b[part]) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn max(a: Four, b: Four) -> Four {
        let mut larger = b;
        for (part, larger) in larger.iter_mut().enumerate() {
            // SAFETY: As above.
            *larger = unsafe { vbslq_f32(vcgtq_f32(a[part], *larger), a[part], *larger) };
        }
        larger
    }

    #[inline(always)]
    unsafe fn min(a: Four, b: Four) -> Four {
        let mut smaller = b;
        for (part, smaller) in smaller.iter_mut().enumerate() {
            // SAFETY: As above.
            *smaller = unsafe { vbslq_f32(vcltq_f32(a[part], *smaller), a[part], *smaller) };
        }
        smaller
    }

    #[inline(always)]
    unsafe fn any_above(a: Four, b: Four) -> bool {
        // SAFETY: As above.
        unsafe {
            let low = vorrq_u32(vcgtq_f32(a[0], b[0]), vcgtq_f32(a[1], b[1]));
            let high = vorrq_u32(vcgtq_f32(a[2], b[2]), vcgtq_f32(a[3], b[3]));
            vmaxvq_u32(vorrq_u32(low, high)) != 0
        }
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Four) -> Four {
        let mut powers = shifted;
        for power in &mut powers {
            // SAFETY: As above.
            *power = unsafe {
                let base = vdupq_n_s32(127i32.wrapping_sub(ROUNDER.to_bits().cast_signed()));
                vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vreinterpretq_s32_f32(*power), base)))
            };
        }
        powers
    }

    #[inline(always)]
    unsafe fn sum(a: Four) -> f32 {
        // SAFETY: As above.
        unsafe {
            let four = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(vadd_f32(two, vdup_lane_f32::<1>(two)))
        }
    }

    #[inline(always)]
    unsafe fn largest(a: Four) -> f32 {
        // SAFETY: As above.
        unsafe { vmaxvq_f32(vmaxq_f32(vmaxq_f32(a[0], a[2]), vmaxq_f32(a[1], a[3]))) }
    }

    #[inline(always)]
    unsafe fn quantise(from: &[f32; BLOCK_LEN], to: &mut Block) {
        // SAFETY: As above; a block has eight vectors of floats, and as many bytes as two.
        unsafe {
            let mut peaks = splat(0.0);
            for part in from.as_chunks::<PART>().0 {
                peaks = vmaxq_f32(peaks, vabsq_f32(vld1q_f32(part.as_ptr())));
            }
            let (scale, inverse) = Block::scales(vmaxvq_f32(peaks));
            let (inverse, rounder) = (splat(inverse), splat(ROUNDER));
            let mut sums = [0; 2];
            for (half, sum) in sums.iter_mut().enumerate() {
                let from = from.as_ptr().add(half * LANES);
                let mut halves = [vmovn_u32(vreinterpretq_u32_f32(rounder)); PARTS];
                for (part, halves) in halves.iter_mut().enumerate() {
                    // The low byte of the sum is the nearest integer, ties to even, in two's complement.
                    let rounded = vfmaq_f32(rounder, vld1q_f32(from.add(part * PART)), inverse);
                    *halves = vmovn_u32(vreinterpretq_u32_f32(rounded));
                }
                let low = vmovn_u16(vcombine_u16(halves[0], halves[1]));
                let high = vmovn_u16(vcombine_u16(halves[2], halves[3]));
                let quants = vreinterpretq_s8_u8(vcombine_u8(low, high));
                vst1q_s8(to.words.as_mut_ptr().cast::<i8>().add(half * LANES), quants);
                *sum = i32::from(vaddlvq_s8(quants));
            }
            to.settle(scale, sums);
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
            let tile = (tiles, at);
            // SAFETY: The caller's promise.
            unsafe {
                if R == 1 {
                    U::products::<F, R, PARTS>(&Work { tile, part: 0, rows, groups }, to);
                } else {
                    // Sums and products of half a tile and six rows fill 24 of 32 registers.
                    for part in [0, PARTS / 2] {
                        U::products::<F, R, { PARTS / 2 }>(&Work { tile, part, rows, groups }, to);
                    }
                }
            }
        }
        products
    }
}

#[inline(always)]
fn splat(number: f32) -> float32x4_t {
    // SAFETY: As above.
    unsafe { vdupq_n_f32(number) }
}
