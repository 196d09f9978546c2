//! Products of tiles and rows, generic over the instruction set.
//!
//! Whatever the instruction set and however many rows and tiles are taken together, each element of a product is made
//! by the same operations in the same order: for each group the exact integer sum of quants times activations, turned
//! into a float and multiplied into the sum with one rounding; then the group's minimum times the activations' sum, with
//! one rounding. Hence a request's logits do not depend on what else is in the batch.

#![expect(unsafe_code, reason = "products are written by several threads, each its own tiles")]

use std::ops::Range;

use super::lanes::{LANES, Lanes, gated};
use super::matrix::{Matrix, Storage, Tile, Width};
use super::pool::Pointer;
use super::rows::Input;
use crate::quant::Form;

/// Tiles taken together, so that an activation is read once for all of them.
const TILES: usize = 2;
/// Rows taken together, so that weights are unpacked once for all of them.
const ROWS: usize = 4;

/// An instruction set.
pub(super) trait Arch {
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn widen(from: &[u16; LANES]) -> Lanes;

    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn narrow(from: &Lanes) -> [u16; LANES];

    /// The products of `T` tiles and `R` rows.
    ///
    /// # Safety
    /// The CPU has the instruction set; tiles and rows have `groups` groups of form `F`.
    unsafe fn products<F: Shape, const T: usize, const R: usize>(
        tiles: &[Tile<'_>; T],
        rows: &[&Input; R],
        groups: usize,
    ) -> [[Lanes; R]; T];
}

/// What becomes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is written.
    Set,
    /// It is added to what is there.
    Add,
    /// What is there is its gate: `silu(there) * product` is written.
    Gate,
}

/// Where products go.
pub(super) struct Destination<'a> {
    base: &'a Pointer<f32>,
    rows: usize,
    len: usize,
    mode: Mode,
    bias: Option<&'a [f32]>,
}

impl<'a> Destination<'a> {
    /// `base` is that of `floats`; tasks share it.
    pub(super) fn new(
        base: &'a Pointer<f32>,
        floats: (usize, usize),
        mode: Mode,
        matrix: &'a Matrix,
    ) -> Self {
        let (rows, len) = floats;
        assert_eq!(len, matrix.rows, "products of another length");
        Self { base, rows, len, mode, bias: matrix.bias.as_deref() }
    }

    /// # Safety
    /// Nobody else touches this tile of this row.
    #[inline(always)]
    unsafe fn put(&self, tile: usize, row: usize, product: &Lanes) {
        let start = tile * LANES;
        assert!(row < self.rows && start < self.len, "beyond the destination");
        let count = LANES.min(self.len - start);
        // SAFETY: The range was just held against the rows, and is the caller's alone.
        let to = unsafe { std::slice::from_raw_parts_mut(self.base.at(row * self.len + start), count) };
        let mut product = *product;
        if let Some(bias) = self.bias {
            (0..LANES).for_each(|lane| product[lane] += bias[start + lane]);
        }
        let mut there = [0.0; LANES];
        if self.mode != Mode::Set {
            there[..count].copy_from_slice(to);
        }
        for lane in 0..LANES {
            product[lane] = match self.mode {
                Mode::Set => product[lane],
                Mode::Add => there[lane] + product[lane],
                Mode::Gate => gated(there[lane], product[lane]),
            };
        }
        to.copy_from_slice(&product[..count]);
    }
}

/// A [`Form`], known when compiled.
pub(super) trait Shape {
    const FORM: Form;
}

macro_rules! shapes {
    ($($name:ident: $bits:literal bits, groups of $len:literal, offset $offset:literal, minimums $min:literal, half $half:literal;)*) => {
        $(struct $name;
        impl Shape for $name {
            const FORM: Form = Form { group_len: $len, bits: $bits, offset: $offset, has_minimums: $min, half_scales: $half };
        })*

        /// Products of `tiles` and `rows`.
        ///
        /// # Safety
        /// The CPU has the instruction set, and nobody else touches these tiles of these rows of `to`.
        #[inline(always)]
        pub(super) unsafe fn multiply<A: Arch>(
            matrix: &Matrix,
            tiles: Range<usize>,
            input: &[Input],
            rows: Range<usize>,
            to: &Destination<'_>,
        ) {
            match matrix.kind {
                // SAFETY: The caller's promise; the shape is the form's own.
                $(Storage::Quants($name::FORM) => unsafe { quantised::<A, $name>(matrix, tiles, input, rows, to) },)*
                Storage::Quants(form) => unreachable!("{form:?} has no kernel"),
                // SAFETY: The caller's promise.
                Storage::Floats(width) => unsafe { floats::<A>(matrix, width, tiles, input, rows, to) },
            }
        }
    };
}

shapes! {
    FourBits: 4 bits, groups of 32, offset 8, minimums false, half true;
    FourBitsWithMinimums: 4 bits, groups of 32, offset 0, minimums true, half true;
    FiveBits: 8 bits, groups of 32, offset 16, minimums false, half true;
    FiveBitsWithMinimums: 8 bits, groups of 32, offset 0, minimums true, half true;
    EightBits: 8 bits, groups of 32, offset 128, minimums false, half true;
    FourBitsK: 4 bits, groups of 32, offset 0, minimums true, half false;
    FiveBitsK: 8 bits, groups of 32, offset 0, minimums true, half false;
    SixBitsK: 8 bits, groups of 16, offset 32, minimums false, half false;
}

/// # Safety
/// As for [`multiply`], and the matrix has the form of `F`.
#[inline(always)]
unsafe fn quantised<A: Arch, F: Shape>(
    matrix: &Matrix,
    tiles: Range<usize>,
    input: &[Input],
    rows: Range<usize>,
    to: &Destination<'_>,
) {
    let mut tile = tiles.start;
    while tile + TILES <= tiles.end {
        // SAFETY: The caller's promise.
        unsafe { some_tiles::<A, F, TILES>(matrix, tile, input, rows.clone(), to) };
        tile += TILES;
    }
    for tile in tile..tiles.end {
        // SAFETY: The caller's promise.
        unsafe { some_tiles::<A, F, 1>(matrix, tile, input, rows.clone(), to) };
    }
}

/// # Safety
/// As for [`quantised`].
#[inline(always)]
unsafe fn some_tiles<A: Arch, F: Shape, const T: usize>(
    matrix: &Matrix,
    first: usize,
    input: &[Input],
    rows: Range<usize>,
    to: &Destination<'_>,
) {
    let tiles: [Tile<'_>; T] = std::array::from_fn(|at| matrix.tile(F::FORM, first + at));
    let mut row = rows.start;
    macro_rules! take {
        ($count:expr) => {
            while row + $count <= rows.end {
                let some: [&Input; $count] = std::array::from_fn(|at| &input[row + at]);
                some.iter()
                    .for_each(|input| assert_eq!(input.len(), matrix.columns, "a row of another length"));
                // SAFETY: The caller's promise; the row was just held against the matrix.
                let products =
                    unsafe { A::products::<F, T, $count>(&tiles, &some, matrix.columns / F::FORM.group_len) };
                for (tile, products) in products.iter().enumerate() {
                    for (at, product) in products.iter().enumerate() {
                        // SAFETY: The caller's promise.
                        unsafe { to.put(first + tile, row + at, product) };
                    }
                }
                row += $count;
            }
        };
    }
    take!(ROWS);
    take!(2);
    take!(1);
}

/// # Safety
/// As for [`multiply`].
#[inline(always)]
unsafe fn floats<A: Arch>(
    matrix: &Matrix,
    width: Width,
    tiles: Range<usize>,
    input: &[Input],
    rows: Range<usize>,
    to: &Destination<'_>,
) {
    for tile in tiles {
        let weights = matrix.float_tile(tile);
        for row in rows.clone() {
            let floats = input[row].floats();
            assert_eq!(floats.len(), matrix.columns, "a row of another length");
            let mut product = [0.0; LANES];
            for (column, x) in floats.iter().enumerate() {
                // SAFETY: The caller's promise.
                let weights = unsafe { column_of::<A>(weights, column, width) };
                for lane in 0..LANES {
                    product[lane] = weights[lane].mul_add(*x, product[lane]);
                }
            }
            // SAFETY: The caller's promise.
            unsafe { to.put(tile, row, &product) };
        }
    }
}

/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn column_of<A: Arch>(weights: &[u8], column: usize, width: Width) -> Lanes {
    let pairs = || {
        std::array::from_fn(|lane| {
            let at = (column * LANES + lane) * 2;
            u16::from_le_bytes([weights[at], weights[at + 1]])
        })
    };
    match width {
        Width::F32 => std::array::from_fn(|lane| super::matrix::float(weights, column * LANES + lane, width)),
        Width::BF16 => pairs().map(|bits| f32::from_bits(u32::from(bits) << 16)),
        // SAFETY: The caller's promise.
        Width::F16 => unsafe { A::widen(&pairs()) },
    }
}
