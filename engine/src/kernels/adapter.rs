//! Low-rank changes to matrices (LoRA, Hu and others, 2021), added to those rows of a product that have one.
//!
//! A row's change is computed from that row alone, in an order of its own, so it does not depend on what else is in a
//! step; rows without one are not touched.

#![expect(unsafe_code, reason = "instruction sets that may be absent")]

use super::arch::Arch;
use super::isa::call;
use super::lanes::{LANES, Lanes, gated};
use super::rows::{Floats, Input};
use super::{Activation, Kernels};

/// What is added to a product: `up * (down * input)`.
pub(crate) struct Delta {
    rank: usize,
    columns: usize,
    rows: usize,
    /// Row after row, each filled up to whole lanes with zeros.
    down: Vec<Lanes>,
    /// Of each sixteen rows, one column after the other.
    up: Vec<Lanes>,
}

/// The sizes of a [`Delta`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeltaShape {
    pub(crate) rank: usize,
    /// Of the matrix that is changed.
    pub(crate) columns: usize,
    /// Of the matrix that is changed.
    pub(crate) rows: usize,
}

impl Delta {
    /// From `down`, `rank` rows of `columns`, and `up`, `rows` rows of `rank`. What they make is multiplied by `scale`.
    pub(crate) fn new(shape: DeltaShape, down: &[f32], up: &[f32], scale: f32) -> Self {
        let DeltaShape { rank, columns, rows } = shape;
        assert!(down.len() == rank * columns && up.len() == rows * rank, "matrices of another shape");
        let lanes = |at: &mut dyn Iterator<Item = f32>| {
            let mut lanes = [0.0; LANES];
            lanes.iter_mut().zip(at).for_each(|(lane, number)| *lane = number);
            lanes
        };
        let whole = |row: &[f32]| -> Vec<Lanes> {
            row.chunks(LANES).map(|chunk| lanes(&mut chunk.iter().copied())).collect()
        };
        let column = |rows: &[f32], at: usize| lanes(&mut rows.chunks_exact(rank).map(|row| row[at] * scale));
        let sixteen = up.chunks(LANES * rank);
        Self {
            rank,
            columns,
            rows,
            down: down.chunks_exact(columns).flat_map(whole).collect(),
            up: sixteen.flat_map(|rows| (0..rank).map(move |at| column(rows, at))).collect(),
        }
    }

    /// The memory that it takes.
    pub(crate) const fn bytes(&self) -> usize {
        (self.down.len() + self.up.len()) * size_of::<Lanes>()
    }

    /// The memory that one of these sizes takes.
    pub(crate) const fn bytes_of(DeltaShape { rank, columns, rows }: DeltaShape) -> usize {
        rank * (columns.div_ceil(LANES) + rows.div_ceil(LANES)) * size_of::<Lanes>()
    }
}

/// What becomes of a change.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    /// It is added to what is there.
    Add,
    /// It is written, behind this gate.
    Gated(Activation, &'a [f32]),
}

/// Computes the change of a row.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn change<A: Arch>(input: &[f32], delta: &Delta, change: Change<'_>, to: &mut [f32]) {
    let (chunks, rest) = input.as_chunks::<LANES>();
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let inner: Vec<f32> = (delta.down.chunks_exact(delta.columns.div_ceil(LANES)))
        .map(|row| {
            // SAFETY: The caller's promise.
            unsafe {
                let mut sum = A::splat(0.0);
                for (x, weights) in chunks.iter().chain((!rest.is_empty()).then_some(&last)).zip(row) {
                    sum = A::mul_add(A::load(x), A::load(weights), sum);
                }
                A::sum(sum)
            }
        })
        .collect();
    for ((number, to), up) in to.chunks_mut(LANES).enumerate().zip(delta.up.chunks_exact(delta.rank)) {
        let mut there = [0.0; LANES];
        let before = match change {
            Change::Add => &*to,
            Change::Gated(_, gate) => &gate[number * LANES..][..to.len()],
        };
        there[..to.len()].copy_from_slice(before);
        // SAFETY: The caller's promise.
        unsafe {
            let mut sum = A::splat(0.0);
            for (x, weights) in inner.iter().zip(up) {
                sum = A::mul_add(A::splat(*x), A::load(weights), sum);
            }
            let result = match change {
                Change::Add => A::add(A::load(&there), sum),
                Change::Gated(activation, _) => gated::<A>(activation, A::load(&there), sum),
            };
            A::store(result, &mut there);
        }
        to.copy_from_slice(&there[..to.len()]);
    }
}

/// Which change a row has, by the row's number.
pub(crate) type Deltas<'a> = dyn Fn(usize) -> Option<&'a Delta> + Sync + 'a;

impl Kernels {
    /// Adds to each row that has one its change.
    pub(crate) fn adapt(&mut self, input: &[Input], deltas: &Deltas<'_>, to: &mut Floats) {
        self.change(input, deltas, to, &|_| Change::Add);
    }

    /// Writes the change of each row that has one, behind the row's gate. Other rows stay as they are.
    pub(crate) fn adapt_gated(
        &mut self,
        input: &[Input],
        deltas: &Deltas<'_>,
        (activation, gates): (Activation, &Floats),
        to: &mut Floats,
    ) {
        self.change(input, deltas, to, &|row| Change::Gated(activation, gates.row(row)));
    }

    /// Adds those rows that are `wanted` to others.
    pub(crate) fn add_rows(
        &mut self,
        from: &Floats,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        to: &mut Floats,
    ) {
        let len = to.len;
        assert!(from.len == len, "rows of another length");
        self.pool.split(&mut to.data[..from.data.len()], len, &|start, to| {
            if wanted(start / len) {
                to.iter_mut().zip(from.row(start / len)).for_each(|(to, from)| *to += from);
            }
        });
    }

    fn change<'a>(
        &mut self,
        input: &[Input],
        deltas: &Deltas<'_>,
        to: &mut Floats,
        how: &(dyn Fn(usize) -> Change<'a> + Sync),
    ) {
        let (isa, len) = (self.isa, to.len);
        // A row is one task: its change takes as long as the sum of its parts, whoever its neighbours are.
        self.pool.split(&mut to.data[..input.len() * len], len, &|start, to| {
            let row = start / len;
            let Some(delta) = deltas(row) else { return };
            let input = input[row].floats();
            assert!(delta.columns == input.len() && delta.rows == len, "a change of another shape");
            call!(isa, change(input, delta, how(row), to));
        });
    }
}

#[cfg(test)]
mod tests;
