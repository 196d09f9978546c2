//! Scales and minimums as whole numbers, of which one instruction multiplies both.
//!
//! A group costs a kernel three multiplications beside those of its quants where scales are floats: its scale times that of
//! the activations, this times the sum of products, its minimum times the sum of activations. In nearly every row
//! of `Q4_1` all scales and minimums are multiples, within sixteen bits, of one power of two, the row's unit. Then the sum of
//! products times the scale, and that of activations times the minimum, are taken at once and added in 32 bits without
//! rounding; what is left is to multiply by the activations' scale, and at the end of the row by its unit.
//!
//! The sum of 32 products is within sixteen bits too if quants are less by eight first. The minimum is then what a quant of
//! eight stands for, the middle.

use half::f16;

use super::lanes::LANES;
use super::matrix::{Line, Places, as_bytes, as_bytes_mut};
use super::panel::TILES;
use crate::quant::Form;

/// What quants are less by.
pub(super) const OFFSET: u8 = 8;
/// A 16-bit float is a multiple of this power of two.
const HALF_POWER: i32 = -24;
/// What the exponent of a float is more than its power of two.
const BIAS: i32 = 127;

/// The units of the rows of a pair of tiles, each as the exponent of a float.
pub(super) type Units = [[u8; LANES]; TILES];

/// A scale and a middle, in the unit of their row.
pub(super) type Factors = [i16; 2];

/// What a form becomes where scales are whole, if they can be: more bits do not leave the sum within sixteen.
pub(super) fn form_of(form: Form) -> Option<Form> {
    let can_be =
        matches!(form, Form { group_len: 32, bits: 4, offset: 0, has_minimums: true, half_scales: true });
    can_be.then_some(Form { offset: OFFSET, ..form })
}

/// Whether a form is one of those that [`form_of`] gives: no type of a file has both an offset and minimums.
pub(super) const fn is(form: Form) -> bool {
    form.offset > 0 && form.has_minimums
}

/// Those of a row, of a line of a tile's.
pub(super) fn factors(line: &Line, lane: usize) -> Factors {
    let at = |at: usize| i16::from_le_bytes([line.0[at], line.0[at + 1]]);
    [at(4 * lane), at(4 * lane + 2)]
}

/// The unit of such an exponent.
pub(super) const fn unit(exponent: u8) -> f32 {
    f32::from_bits((exponent as u32) << (f32::MANTISSA_DIGITS - 1))
}

/// Makes the scales and minimums of a pair of tiles whole, unless those of a row cannot be; then nothing is changed.
pub(super) fn make(pair: &mut [Line], form: Form) -> Option<Units> {
    let places = Places::of(form);
    let groups = pair.len() / places.all;
    let mut units = [[0; LANES]; TILES];
    let mut factors = vec![[[[0; 2]; LANES]; TILES]; groups];
    for (tile, units) in units.iter_mut().enumerate() {
        for (lane, exponent) in units.iter_mut().enumerate() {
            let multiples = |group: &[Line]| {
                let bytes = as_bytes(group);
                let at = |start: usize| multiple(&bytes[start + 2 * lane..]);
                let (scale, minimum) = (at(places.scales(0, tile)), at(places.minimums(0, tile)));
                [scale, minimum + i64::from(OFFSET) * scale]
            };
            let row: Vec<_> = pair.chunks_exact(places.all).map(multiples).collect();
            let power = row.as_flattened().iter().filter(|it| **it != 0).map(|it| it.trailing_zeros()).min();
            let power = power.unwrap_or(0);
            for (factors, multiples) in factors.iter_mut().zip(row) {
                for (factor, multiple) in factors[tile][lane].iter_mut().zip(multiples) {
                    *factor = i16::try_from(multiple >> power).ok()?;
                }
            }
            *exponent = u8::try_from(BIAS + HALF_POWER + power.cast_signed()).ok()?;
        }
    }
    for (group, factors) in pair.chunks_exact_mut(places.all).zip(factors) {
        let bytes = as_bytes_mut(group).as_chunks_mut::<2>().0;
        for (bytes, factor) in bytes.iter_mut().zip(factors.as_flattened().as_flattened()) {
            *bytes = factor.to_le_bytes();
        }
    }
    Some(units)
}

/// How many units of [`HALF_POWER`] a 16-bit float is.
fn multiple(bytes: &[u8]) -> i64 {
    let half = f16::from_le_bytes([bytes[0], bytes[1]]);
    (half.to_f64() * f64::from(-HALF_POWER).exp2()) as i64
}

#[cfg(test)]
mod tests;
