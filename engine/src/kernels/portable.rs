//! Plain Rust, for CPUs that have no kernel of their own. It is also the reference that the others are held to.
//! On 64-bit ARM the compiler makes NEON of it, without the dot-product instructions.

#![expect(unsafe_code, reason = "the trait also serves instruction sets that may be absent")]

use half::f16;

use super::lanes::{LANES, Lanes};
use super::matrix::{Tile, Width, float};
use super::panel::{Arch, Shape};
use super::rows::{BLOCK_LEN, Block, Input};

pub(super) struct Portable;

impl Arch for Portable {
    #[inline(always)]
    unsafe fn widen(from: &[u16; LANES]) -> Lanes {
        from.map(|bits| f16::from_bits(bits).to_f32_const())
    }

    #[inline(always)]
    unsafe fn narrow(from: &Lanes) -> [u16; LANES] {
        from.map(|number| f16::from_f32_const(number).to_bits())
    }

    #[inline(always)]
    unsafe fn products<F: Shape, const T: usize, const R: usize>(
        tiles: &[Tile<'_>; T],
        rows: &[&Input; R],
        groups: usize,
        to: &mut [[Lanes; R]; T],
    ) {
        for (tile, to) in tiles.iter().zip(to) {
            for (row, to) in rows.iter().zip(to) {
                *to = product::<F>(tile, row, groups);
            }
        }
    }
}

fn product<F: Shape>(tile: &Tile<'_>, row: &Input, groups: usize) -> Lanes {
    let form = F::FORM;
    let mut product = [0.0; LANES];
    for group in 0..groups {
        let block = &row.blocks[group * form.group_len / BLOCK_LEN];
        let sums = integers::<F>(tile, block, group);
        let scale = scales::<F>(tile.scales, group);
        for lane in 0..LANES {
            product[lane] = (sums[lane] as f32).mul_add(scale[lane] * block.scale, product[lane]);
        }
        if form.has_minimums {
            let minimum = scales::<F>(tile.minimums, group);
            for lane in 0..LANES {
                product[lane] = minimum[lane].mul_add(block.sum, product[lane]);
            }
        }
    }
    product
}

/// The sums of quants (less the offset) times activations, over one group.
#[inline(always)]
fn integers<F: Shape>(tile: &Tile<'_>, block: &Block, group: usize) -> [i32; LANES] {
    let form = F::FORM;
    let words =
        block.words.chunks_exact(form.group_len / 4).nth(group * form.group_len % BLOCK_LEN / form.group_len);
    let (words, negated) = (words.unwrap_or_default(), block.negated_sum_of(group, form.group_len));
    let mut sums = [negated * i32::from(form.offset); LANES];
    let lines = words.len() * form.bits / 8;
    for (at, line) in tile.quants[group * lines..][..lines].iter().enumerate() {
        let quants = line.0.as_chunks::<4>().0;
        if form.bits == 4 {
            let (low, high) = (words[at], words[lines + at]);
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
fn scales<F: Shape>(bytes: &[u8], group: usize) -> Lanes {
    let width = if F::FORM.half_scales { Width::F16 } else { Width::F32 };
    std::array::from_fn(|lane| float(bytes, group * LANES + lane, width))
}
