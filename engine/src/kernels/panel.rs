//! Products of tiles and rows, generic over the instruction set.
//!
//! Whatever the instruction set and however many rows and tiles are taken together, each element of a product is made
//! by the same operations in the same order: for each group the exact integer sum of quants times activations, turned
//! into a float and multiplied into the sum with one rounding; then the group's minimum times the activations' sum, with
//! one rounding. Where scales are [`whole`], both are one exact integer, which is turned into a float and multiplied into the
//! sum with one rounding, and the unit comes at the end. Hence a request's logits do not depend on what else is in the batch.

#![expect(unsafe_code, reason = "products are written by several threads, each its own tiles")]

mod shape;

use std::ops::Range;

use super::ahead::{Part, Shares};
use super::arch::Arch;
use super::floats;
use super::lanes::{Activation, LANES, Lanes, bend, gated};
use super::matrix::{Matrix, Storage, Tiles};
use super::peaks::Peak;
use super::pool::Pointer;
use super::rows::{BLOCK_LEN, Block, Blocks, Input};
use shape::{ByScales, Kernel};

pub(super) use shape::Shape;

/// Tiles taken together, so that an activation is read once for all of them. A matrix has a multiple of them.
pub(super) const TILES: usize = 2;
/// Rows taken together at most, so that weights are unpacked once for all of them. Sums and products of two tiles fill 24
/// of AVX-512's 32 registers.
pub(super) const ROWS: usize = 6;
/// So many products are more than a core's caches hold, as the logits of several rows are: written past them, they do not
/// have to be read first, and drive nothing out.
const FLOATS_STREAMED_MIN: usize = 1 << 18;

/// How many of the rows that are left are taken next: no more calls than have to be, and of these no short one at the end.
pub(super) const fn together(left: usize) -> usize {
    if left > ROWS { left.div_ceil(left.div_ceil(ROWS)) } else { left }
}

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

    /// Writes products from a tile and a row on: of each of some tiles, those of `rows` rows.
    ///
    /// # Safety
    /// The CPU has the instruction set, and nobody else touches these tiles of these rows.
    #[inline(always)]
    pub(super) unsafe fn put<A: Arch>(&self, at: (usize, usize), rows: usize, products: &[Lanes]) {
        // SAFETY: The caller's promise.
        unsafe {
            match self.mode {
                Mode::Set if self.streams => self.put_each::<A, _>(at, rows, products, Streamed),
                Mode::Set => self.put_each::<A, _>(at, rows, products, Set),
                Mode::Add => self.put_each::<A, _>(at, rows, products, Added),
                Mode::Gate(activation) => self.put_each::<A, _>(at, rows, products, Gated(activation)),
                Mode::Cap(cap) => self.put_each::<A, _>(at, rows, products, Capped(cap)),
            }
        }
    }

    /// # Safety
    /// As for [`Self::put`].
    #[inline(always)]
    unsafe fn put_each<A: Arch, E: Ending>(
        &self,
        (tile, row): (usize, usize),
        rows: usize,
        products: &[Lanes],
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

/// What is multiplied, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) input: &'a [Input],
    /// The same rows, as quantised matrices take them.
    pub(super) blocks: Blocks<'a>,
    pub(super) to: &'a Destination<'a>,
}

/// Products of `tiles` and `rows`.
///
/// # Safety
/// The CPU has the instruction set, and nobody else touches these tiles of these rows of `to`.
#[inline(always)]
pub(super) unsafe fn multiply<A: Arch>(work: &Work<'_>, tiles: Range<usize>, rows: &Range<usize>) {
    // SAFETY: The caller's promise.
    unsafe {
        match work.matrix.kind {
            Storage::Quants(form) => {
                let (Work { matrix, blocks, to, .. }, kernels) = (*work, &ByScales::of::<A>(form));
                for tile in tiles.step_by(TILES) {
                    let pair = Pair { matrix, blocks, kernels, tile, part: to.part };
                    pair.give::<A>(rows, &mut Writing { to, tile });
                }
            }
            Storage::Floats(width) => floats::multiply::<A>(work, width, &tiles, rows),
        }
        if work.to.streams {
            A::settle();
        }
    }
}

/// What is done with the products of two tiles.
trait Taker {
    /// Takes those of rows from one on.
    ///
    /// # Safety
    /// The CPU has the instruction set, and nobody else touches what becomes of these tiles and rows.
    unsafe fn take<A: Arch, const R: usize>(&mut self, products: &[[Lanes; R]; TILES], row: usize);
}

/// A pair of tiles of a matrix, for rows after rows.
struct Pair<'a> {
    matrix: &'a Matrix,
    blocks: Blocks<'a>,
    kernels: &'a ByScales,
    tile: usize,
    part: Part,
}

impl Pair<'_> {
    /// Each of the calls asks for its share of the weights that follow, so that memory is asked evenly.
    ///
    /// # Safety
    /// As for [`Taker::take`]; the kernels are those of the matrix's form.
    #[inline(always)]
    unsafe fn give<A: Arch>(&self, rows: &Range<usize>, taker: &mut impl Taker) {
        let mut tiles = self.matrix.pair(self.tile);
        let kernels = if tiles.units.is_some() { &self.kernels.whole } else { &self.kernels.plain };
        let distance = self.part.distance(self.matrix, self.tile, rows.len());
        let shares = distance.map(|distance| Shares::new(distance, tiles.groups, rows.len()));
        let mut row = rows.start;
        while row < rows.end {
            let count = together(rows.end - row);
            if let Some(shares) = shares {
                tiles.asking = shares.of(row - rows.start, count);
            }
            // SAFETY: The caller's promise.
            unsafe {
                match count {
                    1 => self.call::<A, 1>(kernels.one, &tiles, row, taker),
                    2 => self.call::<A, 2>(kernels.two, &tiles, row, taker),
                    3 => self.call::<A, 3>(kernels.three, &tiles, row, taker),
                    4 => self.call::<A, 4>(kernels.four, &tiles, row, taker),
                    5 => self.call::<A, 5>(kernels.five, &tiles, row, taker),
                    _ => self.call::<A, ROWS>(kernels.six, &tiles, row, taker),
                }
            }
            row += count;
        }
    }

    /// Multiplies the pair with so many rows from one on, and hands on what they make.
    ///
    /// # Safety
    /// As for [`Self::give`], whose kernel and tiles these are.
    #[inline(always)]
    unsafe fn call<A: Arch, const R: usize>(
        &self,
        kernel: Kernel<R>,
        tiles: &Tiles<'_>,
        row: usize,
        taker: &mut impl Taker,
    ) {
        assert_eq!(self.blocks.columns, self.matrix.columns, "rows of another length");
        // SAFETY: The caller's promise; the rows were just held against the matrix.
        unsafe {
            let products = kernel(tiles, self.blocks.after(row), tiles.groups);
            taker.take::<A, R>(&products, row);
        }
    }
}

/// Writes products of a matrix, from a tile on.
struct Writing<'a> {
    to: &'a Destination<'a>,
    tile: usize,
}

impl Taker for Writing<'_> {
    #[inline(always)]
    unsafe fn take<A: Arch, const R: usize>(&mut self, products: &[[Lanes; R]; TILES], row: usize) {
        // SAFETY: The caller's promise.
        unsafe { self.to.put::<A>((self.tile, row), R, products.as_flattened()) };
    }
}

/// A gate and what passes it, and the rows that they make. Two tiles of each make a block.
pub(super) struct Gate<'a> {
    pub(super) activation: Activation,
    pub(super) blocks: Blocks<'a>,
    /// The gate's matrix and the other, quantised both, and without a bias.
    pub(super) matrices: [&'a Matrix; 2],
    pub(super) parts: [Part; 2],
    /// The first block of each row.
    pub(super) to: &'a [Pointer<Block>],
}

/// Products of `tiles` and `rows`, gated and rounded.
///
/// # Safety
/// The CPU has the instruction set, and nobody else touches the blocks of these tiles in these rows.
#[inline(always)]
pub(super) unsafe fn gate<A: Arch>(gate: &Gate<'_>, tiles: Range<usize>, rows: &Range<usize>) {
    let kernels = gate.matrices.map(|matrix| match matrix.kind {
        Storage::Quants(form) => ByScales::of::<A>(form),
        Storage::Floats(_) => unreachable!("a gate that is not quantised"),
    });
    // Of each row two tiles' products with the gate.
    let mut gates = vec![[[0.0; LANES]; TILES]; rows.len()];
    for tile in tiles.step_by(TILES) {
        for (at, (matrix, kernels)) in gate.matrices.into_iter().zip(&kernels).enumerate() {
            let pair = Pair { matrix, blocks: gate.blocks, kernels, tile, part: gate.parts[at] };
            let mut gating = Gating { gate, tile, first: rows.start, gates: &mut gates, is_gate: at == 0 };
            // SAFETY: The caller's promise; the kernels are those of the form.
            unsafe { pair.give::<A>(rows, &mut gating) };
        }
    }
}

/// The largest products of `tiles` and `rows`, of a quantised matrix.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn peaks<A: Arch>(
    work: &Search<'_>,
    tiles: Range<usize>,
    rows: &Range<usize>,
    peaks: &mut [Peak],
) {
    let Search { matrix, blocks, part } = *work;
    let Storage::Quants(form) = matrix.kind else { unreachable!("products of floats are written") };
    let kernels = &ByScales::of::<A>(form);
    for tile in tiles.step_by(TILES) {
        let pair = Pair { matrix, blocks, kernels, tile, part };
        let mut topping = Topping { len: matrix.rows, tile, first: rows.start, peaks };
        // SAFETY: The caller's promise; the kernels are those of the form.
        unsafe { pair.give::<A>(rows, &mut topping) };
    }
}

/// What is searched for its largest products.
pub(super) struct Search<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) blocks: Blocks<'a>,
    pub(super) part: Part,
}

/// Notes products that are larger than those before.
struct Topping<'a> {
    /// How many products a row has.
    len: usize,
    tile: usize,
    /// The first row, and the peaks of it and of those that follow.
    first: usize,
    peaks: &'a mut [Peak],
}

impl Taker for Topping<'_> {
    #[inline(always)]
    unsafe fn take<A: Arch, const R: usize>(&mut self, products: &[[Lanes; R]; TILES], row: usize) {
        let peaks = &mut self.peaks[row - self.first..][..R];
        for (at, products) in products.iter().enumerate() {
            let start = (self.tile + at) * LANES;
            for (peak, product) in peaks.iter_mut().zip(products) {
                // SAFETY: The caller's promise.
                if unsafe { A::any_above(A::load(product), A::splat(peak.number)) } {
                    // The last tiles may have less.
                    peak.raise(&product[..self.len.saturating_sub(start).min(LANES)], start);
                }
            }
        }
    }
}

/// Notes a gate's products, or lets those of the other matrix pass it.
struct Gating<'a> {
    gate: &'a Gate<'a>,
    tile: usize,
    /// The first row, and what the gate makes of it and of those that follow.
    first: usize,
    gates: &'a mut [[Lanes; TILES]],
    is_gate: bool,
}

impl Taker for Gating<'_> {
    #[inline(always)]
    unsafe fn take<A: Arch, const R: usize>(&mut self, products: &[[Lanes; R]; TILES], row: usize) {
        let Gate { activation, to, .. } = self.gate;
        let gates = &mut self.gates[row - self.first..][..R];
        // SAFETY: The caller's promise; a row has a block for each pair of tiles.
        unsafe {
            for (at, gates) in gates.iter_mut().enumerate() {
                for (gate, products) in gates.iter_mut().zip(products) {
                    let product = A::load(&products[at]);
                    let result = match self.is_gate {
                        true => product,
                        false => gated::<A>(*activation, A::load(gate), product),
                    };
                    A::store(result, gate);
                }
                if let (false, Some(block)) = (self.is_gate, gates.as_flattened().first_chunk::<BLOCK_LEN>())
                {
                    A::quantise(block, &mut *to[row + at].at(self.tile / TILES));
                }
            }
        }
    }
}
