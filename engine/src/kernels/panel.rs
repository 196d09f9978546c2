//! Products of tiles and rows, generic over the instruction set.
//!
//! Whatever the instruction set and however many rows and tiles are taken together, each element of a product is made
//! by the same operations in the same order: for each group the exact integer sum of quants times activations, turned
//! into a float and multiplied into the sum with one rounding; then the group's minimum times the activations' sum, with
//! one rounding. Hence a request's logits do not depend on what else is in the batch.

#![expect(unsafe_code, reason = "products are written by several threads, each its own tiles")]

use std::ops::Range;

use super::ahead::Part;
use super::arch::Arch;
use super::floats;
use super::lanes::{Activation, LANES, Lanes, bend, gated};
use super::matrix::{Matrix, Storage, Tiles};
use super::pool::Pointer;
use super::rows::{BLOCK_LEN, Block, Input};
use crate::quant::Form;

/// Tiles taken together, so that an activation is read once for all of them. A matrix has a multiple of them.
pub(super) const TILES: usize = 2;
/// Rows taken together at most, so that weights are unpacked once for all of them. Sums and products of two tiles fill 24
/// of AVX-512's 32 registers.
const ROWS: usize = 6;
/// So many products are more than a core's caches hold, as the logits of several rows are: written past them, they do not
/// have to be read first, and drive nothing out.
const FLOATS_STREAMED_MIN: usize = 1 << 18;

/// What becomes of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// It is written.
    Set,
    /// It is added to what is there.
    Add,
    /// What is there is its gate: `activation(there) * product` is written.
    Gate(Activation),
    /// It is bent, so that none is beyond the cap: `cap * tanh(product / cap)` is written.
    Cap(f32),
}

/// Where products go.
pub(super) struct Destination<'a> {
    base: &'a Pointer<f32>,
    rows: usize,
    len: usize,
    mode: Mode,
    bias: Option<&'a [f32]>,
    /// The part of the matrix that the thread goes through.
    part: Part,
    /// Whether products that are set bypass the caches.
    streams: bool,
}

impl<'a> Destination<'a> {
    /// `base` is that of `floats`; tasks share it.
    pub(super) fn new(
        base: &'a Pointer<f32>,
        floats: (usize, usize),
        (matrix, mode): (&'a Matrix, Mode),
        part: Part,
    ) -> Self {
        let (rows, len) = floats;
        assert_eq!(len, matrix.rows, "products of another length");
        let streams = rows * len >= FLOATS_STREAMED_MIN;
        Self { base, rows, len, mode, bias: matrix.bias.as_deref(), part, streams }
    }

    /// Writes products from a tile and a row on: of each tile, those of `rows` rows. See [`Arch::put`].
    ///
    /// # Safety
    /// The CPU has the instruction set, and nobody else touches these tiles of these rows.
    #[inline(always)]
    pub(super) unsafe fn put_all<A: Arch>(&self, at: (usize, usize), products: &[Lanes], rows: usize) {
        // SAFETY: The caller's promise.
        unsafe {
            match self.mode {
                Mode::Set if self.streams => self.put_each::<A, _>(at, (products, rows), Streamed),
                Mode::Set => self.put_each::<A, _>(at, (products, rows), Set),
                Mode::Add => self.put_each::<A, _>(at, (products, rows), Added),
                Mode::Gate(activation) => self.put_each::<A, _>(at, (products, rows), Gated(activation)),
                Mode::Cap(cap) => self.put_each::<A, _>(at, (products, rows), Capped(cap)),
            }
        }
    }

    /// # Safety
    /// As for [`Self::put_all`].
    #[inline(always)]
    unsafe fn put_each<A: Arch, E: Ending>(
        &self,
        (tile, row): (usize, usize),
        (products, rows): (&[Lanes], usize),
        ending: E,
    ) {
        assert!(row + rows <= self.rows, "beyond the destination");
        for (at, products) in products.chunks_exact(rows).enumerate() {
            let start = (tile + at) * LANES;
            // The last tile may be there only for the sake of its neighbour.
            let Some(count) = self.len.checked_sub(start).filter(|count| *count > 0) else { return };
            let bias = self.bias.and_then(|bias| bias.get(start..)?.first_chunk::<LANES>());
            for (number, product) in products.iter().enumerate() {
                // SAFETY: The caller's promise; the place is within the rows, which the assertion and `count` say.
                unsafe {
                    let to = self.base.at((row + number) * self.len + start);
                    let mut product = A::load(product);
                    if let Some(bias) = bias {
                        product = A::add(product, A::load(bias));
                    }
                    if count >= LANES {
                        ending.put::<A>(product, &mut *to.cast());
                    } else {
                        let to = std::slice::from_raw_parts_mut(to, count);
                        let mut there = [0.0; LANES];
                        there[..count].copy_from_slice(to);
                        ending.put::<A>(product, &mut there);
                        to.copy_from_slice(&there[..count]);
                    }
                }
            }
        }
    }
}

/// A [`Mode`], known when compiled.
trait Ending: Copy {
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn put<A: Arch>(self, product: A::Floats, to: &mut Lanes);
}

/// Past the caches, since it is more than they hold.
#[derive(Clone, Copy)]
struct Streamed;
#[derive(Clone, Copy)]
struct Set;
#[derive(Clone, Copy)]
struct Added;
#[derive(Clone, Copy)]
struct Gated(Activation);
#[derive(Clone, Copy)]
struct Capped(f32);

impl Ending for Streamed {
    #[inline(always)]
    unsafe fn put<A: Arch>(self, product: A::Floats, to: &mut Lanes) {
        // SAFETY: The caller's promise, here and below.
        unsafe { A::stream(product, to) };
    }
}

impl Ending for Set {
    #[inline(always)]
    unsafe fn put<A: Arch>(self, product: A::Floats, to: &mut Lanes) {
        // SAFETY: As above.
        unsafe { A::store(product, to) };
    }
}

impl Ending for Added {
    #[inline(always)]
    unsafe fn put<A: Arch>(self, product: A::Floats, to: &mut Lanes) {
        // SAFETY: As above.
        unsafe { A::store(A::add(A::load(to), product), to) };
    }
}

impl Ending for Gated {
    #[inline(always)]
    unsafe fn put<A: Arch>(self, product: A::Floats, to: &mut Lanes) {
        // SAFETY: As above.
        unsafe { A::store(gated::<A>(self.0, A::load(to), product), to) };
    }
}

impl Ending for Capped {
    #[inline(always)]
    unsafe fn put<A: Arch>(self, product: A::Floats, to: &mut Lanes) {
        // SAFETY: As above.
        unsafe { A::store(bend::<A>(product, self.0), to) };
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
            let work = Work { matrix, input, to };
            match matrix.kind {
                // SAFETY: The caller's promise; the shape is the form's own.
                $(Storage::Quants($name::FORM) => unsafe { quantised::<A, $name>(&work, tiles, rows) },)*
                Storage::Quants(form) => unreachable!("{form:?} has no kernel"),
                // SAFETY: The caller's promise.
                Storage::Floats(width) => unsafe { floats::multiply::<A>(&work, width, &tiles, &rows) },
            }
            if to.streams {
                // SAFETY: The caller's promise.
                unsafe { A::settle() };
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
    EightBitsK: 8 bits, groups of 32, offset 128, minimums false, half false;
    FourBitsK: 4 bits, groups of 32, offset 0, minimums true, half false;
    FiveBitsK: 8 bits, groups of 32, offset 0, minimums true, half false;
    SixBitsK: 8 bits, groups of 16, offset 32, minimums false, half false;
}

/// What is multiplied, and where it goes.
pub(super) struct Work<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) input: &'a [Input],
    pub(super) to: &'a Destination<'a>,
}

/// # Safety
/// As for [`multiply`], and the matrix has the form of `F`.
#[inline(always)]
unsafe fn quantised<A: Arch, F: Shape>(work: &Work<'_>, tiles: Range<usize>, rows: Range<usize>) {
    for tile in tiles.step_by(TILES) {
        let mut tiles = work.matrix.tiles_at(F::FORM, tile, TILES);
        tiles.ahead = work.to.part.distance(work.matrix, tile);
        let mut row = rows.start;
        // SAFETY: The caller's promise.
        unsafe {
            while row < rows.end {
                row += match rows.end - row {
                    ..4 => some_rows::<A, F, 1>(work, (tile, &tiles), row),
                    // Eight are better taken as two fours than as six, and two that are alone.
                    4 | 5 | 8 | 9 => some_rows::<A, F, 4>(work, (tile, &tiles), row),
                    _ => some_rows::<A, F, ROWS>(work, (tile, &tiles), row),
                };
            }
        }
    }
}

/// Gives the number of rows.
///
/// # Safety
/// As for [`quantised`].
#[inline(always)]
unsafe fn some_rows<A: Arch, F: Shape, const R: usize>(
    work: &Work<'_>,
    (tile, tiles): (usize, &Tiles<'_>),
    row: usize,
) -> usize {
    let Work { matrix, input, to } = work;
    let rows: [&[Block]; R] = std::array::from_fn(|at| input[row + at].blocks.as_slice());
    assert!(rows.iter().all(|row| row.len() * BLOCK_LEN == matrix.columns), "a row of another length");
    let mut products = [[[0.0; LANES]; R]; TILES];
    // SAFETY: The caller's promise; the rows were just held against the matrix.
    unsafe {
        A::products::<F, R>(tiles, &rows, matrix.columns / F::FORM.group_len, &mut products);
        A::put(to, (tile, row), products.as_flattened(), R);
    }
    R
}
