//! Plain Rust, for CPUs that have no kernel of their own. It is also the reference that the others are held to.
//! On 64-bit ARM the compiler makes NEON of it, without the dot-product instructions.

#![expect(unsafe_code, reason = "the trait also serves instruction sets that may be absent")]

use half::f16;

use super::arch::Arch;
use super::lanes::{LANES, Lanes, ROUNDER, largest, power_of_two, sum};
use super::matrix::{Places, Tiles, Width, float};
use super::panel::{Shape, TILES};
use super::rows::{BLOCK_LEN, Block};
use super::whole;

pub(super) struct Portable;

impl Arch for Portable {
    type Floats = Lanes;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Lanes {
        [number; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: &Lanes) -> Lanes {
        *from
    }

    #[inline(always)]
    unsafe fn store(from: Lanes, to: &mut Lanes) {
        *to = from;
    }

    #[inline(always)]
    unsafe fn load_half(from: &[u16; LANES]) -> Lanes {
        from.map(|bits| f16::from_bits(bits).to_f32_const())
    }

    #[inline(always)]
    unsafe fn store_half(from: Lanes, to: &mut [u16; LANES]) {
        *to = from.map(|number| f16::from_f32_const(number).to_bits());
    }

    #[inline(always)]
    unsafe fn add(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn sub(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    unsafe fn mul(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn div(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane] / b[lane])
    }

    #[inline(always)]
    unsafe fn mul_add(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }

    #[inline(always)]
    unsafe fn max(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    unsafe fn min(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    unsafe fn any_above(a: Lanes, b: Lanes) -> bool {
        a.iter().zip(&b).any(|(a, b)| a > b)
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Lanes) -> Lanes {
        shifted.map(power_of_two)
    }

    #[inline(always)]
    unsafe fn sum(a: Lanes) -> f32 {
        sum(&a)
    }

    #[inline(always)]
    unsafe fn largest(a: Lanes) -> f32 {
        largest(&a)
    }

    #[inline(always)]
    unsafe fn quantise(from: &[f32; BLOCK_LEN], to: &mut Block) {
        let peak = from.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        let (scale, inverse) = Block::scales(peak);
        let mut sums = [0; 2];
        for (at, x) in from.iter().enumerate() {
            // The low byte of the sum is the nearest integer, ties to even, in two's complement.
            let quant = (x.mul_add(inverse, ROUNDER).to_bits() as u8).cast_signed();
            to.words[at / 4][at % 4] = quant;
            sums[at / (BLOCK_LEN / 2)] += i32::from(quant);
        }
        to.settle(scale, sums);
    }

    #[inline(always)]
    unsafe fn products<F: Shape, const R: usize>(
        tiles: &Tiles<'_>,
        rows: &[&[Block]; R],
        groups: usize,
    ) -> [[Lanes; R]; TILES] {
        let mut products = [[[0.0; LANES]; R]; TILES];
        for (at, to) in products.iter_mut().enumerate() {
            for (row, to) in rows.iter().zip(to) {
                *to = product::<F>((tiles, at), row, groups);
            }
        }
        products
    }
}

#[inline(never)]
fn product<F: Shape>((tiles, tile): (&Tiles<'_>, usize), row: &[Block], groups: usize) -> Lanes {
    let (form, places) = (F::FORM, const { Places::of(F::FORM) });
    let mut product = [0.0; LANES];
    for group in 0..groups {
        let block = &row[group * form.group_len / BLOCK_LEN];
        let sums = integers::<F>((tiles, tile), block, group);
        if F::WHOLE {
            let factors = &tiles.lines[places.factors(group, tile)];
            for lane in 0..LANES {
                let [scale, middle] = whole::factors(factors, lane).map(i32::from);
                let exact = sums[lane] * scale - block.negated_sum * middle;
                product[lane] = (exact as f32).mul_add(block.scale, product[lane]);
            }
            continue;
        }
        let scale = scales::<F>(&tiles.bytes()[places.scales(group, tile)..]);
        for lane in 0..LANES {
            product[lane] = (sums[lane] as f32).mul_add(scale[lane] * block.scale, product[lane]);
        }
        if form.has_minimums {
            let minimum = scales::<F>(&tiles.bytes()[places.minimums(group, tile)..]);
            for lane in 0..LANES {
                product[lane] = minimum[lane].mul_add(block.sum, product[lane]);
            }
        }
    }
    if let (true, Some(units)) = (F::WHOLE, tiles.units) {
        for (product, exponent) in product.iter_mut().zip(units[tile]) {
            *product *= whole::unit(exponent);
        }
    }
    product
}

/// The sums of quants (less the offset) times activations, over one group.
#[inline(always)]
fn integers<F: Shape>((tiles, tile): (&Tiles<'_>, usize), block: &Block, group: usize) -> [i32; LANES] {
    let (form, places) = (F::FORM, const { Places::of(F::FORM) });
    let words =
        block.words.chunks_exact(form.group_len / 4).nth(group * form.group_len % BLOCK_LEN / form.group_len);
    let (words, negated) = (words.unwrap_or_default(), block.negated_sum_of(group, form.group_len));
    let mut sums = [negated * i32::from(form.offset); LANES];
    for at in 0..places.quants_each {
        let quants = tiles.lines[places.quants(group, at, tile)].0.as_chunks::<4>().0;
        if form.bits == 4 {
            let (low, high) = (words[at], words[places.quants_each + at]);
            for (sum, quants) in sums.iter_mut().zip(quants) {
                for column in 0..4 {
                    *sum += i32::from(quants[column] & 15) * i32::from(low[column]);
                    *sum += i32::from(quants[column] >> 4) * i32::from(high[column]);
                }
            }
        } else {
            for (sum, quants) in sums.iter_mut().zip(quants) {
                for column in 0..4 {
                    *sum += i32::from(quants[column]) * i32::from(words[at][column]);
                }
            }
        }
    }
    sums
}

#[inline(always)]
fn scales<F: Shape>(bytes: &[u8]) -> Lanes {
    let width = if F::FORM.half_scales { Width::F16 } else { Width::F32 };
    std::array::from_fn(|lane| float(bytes, lane, width))
}
