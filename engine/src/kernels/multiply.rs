//! Products of the rows of a step, on all threads.

use std::ops::Range;

use super::ahead::{Next, Part};
use super::isa::call;
use super::panel::{Destination, Gate, TILES, Work};
use super::pool::Pointer;
use super::rows::{BLOCK_LEN, Blocks};
use super::sharing::{Few, Piece, Sharing, Teams};
use super::{Activation, Floats, Input, Kernels, Matrix, Mode};

/// Products that go to one place, one after the other: a matrix, and what becomes of its product.
pub(crate) struct Product<'a> {
    pub(crate) steps: &'a [(&'a Matrix, Mode)],
    pub(crate) to: &'a mut Floats,
}

/// What the rows of this step, or of the next, are multiplied with afterwards.
#[derive(Clone, Copy)]
pub(crate) enum Following<'a> {
    /// Several products, one matrix each.
    InTurn(&'a [&'a Matrix]),
    /// One product, whose matrices are gone through tile by tile.
    SideBySide(&'a [&'a Matrix]),
}

impl<'a> Following<'a> {
    /// Nothing that is known.
    pub(crate) const NOTHING: Self = Self::InTurn(&[]);

    /// The matrices of each product.
    fn products(self) -> Few<&'a [&'a Matrix]> {
        match self {
            Self::InTurn(matrices) => matrices.chunks(1).collect(),
            Self::SideBySide(matrices) => Few::from_slice(&[matrices]),
        }
    }
}

/// What a task is given of one product.
pub(super) struct Share<'a> {
    product: usize,
    pub(super) tiles: Range<usize>,
    pub(super) rows: &'a Range<usize>,
    /// All rows, as quantised matrices take them.
    pub(super) blocks: Blocks<'a>,
    /// The tile at which the thread's part of the product ends, and what it reads then.
    end: usize,
    next: Next,
}

impl Share<'_> {
    /// The thread's part of one of the product's matrices.
    pub(super) fn part(&self, step: usize) -> Part {
        Part { end: self.end, next: self.next.after(step) }
    }
}

impl Kernels {
    /// Multiplies the rows with each product's matrices. Memory is asked for the weights that follow.
    pub(crate) fn multiply(
        &mut self,
        input: &[Input],
        products: &mut [Product<'_>],
        following: Following<'_>,
    ) {
        let isa = self.isa;
        let places: Few<_> = products
            .iter_mut()
            .map(|Product { to, .. }| (Pointer(to.data.as_mut_ptr()), (to.data.len() / to.len, to.len)))
            .collect();
        let steps: Few<_> = products.iter().map(|product| product.steps).collect();
        let matrices: Few<Few<_>> =
            steps.iter().map(|steps| steps.iter().map(|step| step.0).collect()).collect();
        self.share(input, &matrices, following, &|share| {
            let (steps, (base, shape)) = (steps[share.product], &places[share.product]);
            // Steps follow each other tile by tile, so that what one leaves for the next is still near.
            let len = if steps.len() > 1 { TILES } else { share.tiles.len() };
            for start in share.tiles.clone().step_by(len) {
                let tiles = start..share.tiles.end.min(start + len);
                for (number, step) in steps.iter().enumerate() {
                    let to = Destination::new(base, *shape, *step, share.part(number));
                    let work = Work { matrix: step.0, input, blocks: share.blocks, to: &to };
                    // Tasks differ in product, rows or tiles, so each has its part of the destination to itself.
                    call!(isa, multiply(&work, tiles.clone(), share.rows));
                }
            }
        });
    }

    /// Whether [`Self::gate`] does with these matrices.
    pub(crate) fn gates(matrices: [&Matrix; 2]) -> bool {
        let [gate, other] = matrices;
        let plain = |matrix: &Matrix| !matrix.takes_floats() && matrix.bias.is_none();
        gate.rows == other.rows && gate.rows.is_multiple_of(BLOCK_LEN) && plain(gate) && plain(other)
    }

    /// Multiplies the rows with a gate's matrix and another, and rounds `activation(gate) * other` for the products that
    /// follow: the same numbers as by way of [`Self::multiply`], but they never leave the core.
    pub(crate) fn gate(
        &mut self,
        input: &[Input],
        (activation, matrices): (Activation, [&Matrix; 2]),
        to: &mut [Input],
        following: Following<'_>,
    ) {
        assert!(
            Self::gates(matrices)
                && to.iter().all(|row| row.len() == matrices[0].rows)
                && to.len() == input.len(),
            "rows or matrices that do not fit a gate"
        );
        to.iter_mut().for_each(|row| row.has_floats = false);
        let isa = self.isa;
        let to: Few<_> = to.iter_mut().map(|row| Pointer(row.blocks.as_mut_ptr())).collect();
        self.share(input, &[Few::from_slice(&matrices)], following, &|share| {
            let parts = [share.part(0), share.part(1)];
            let gate = Gate { activation, blocks: share.blocks, matrices, parts, to: &to };
            // Tasks differ in rows or tiles, so each has its blocks to itself.
            call!(isa, gate(&gate, share.tiles.clone(), share.rows));
        });
    }

    /// Shares products among the threads: of each the matrices, which are gone through side by side.
    pub(super) fn share(
        &mut self,
        input: &[Input],
        products: &[Few<&Matrix>],
        following: Following<'_>,
        work: &(dyn Fn(&Share<'_>) + Sync),
    ) {
        let threads = self.pool.threads();
        let blocks: Few<_> = input.iter().map(Input::blocks).collect();
        let blocks = Blocks::new(&blocks);
        let teams = Teams::of(input.len(), threads);
        let pairs = products.iter().map(|matrices| matrices[0].tiles() / TILES).collect();
        let sharing = Sharing::new(teams, pairs);
        let runs: Few<Few<_>> = (0..threads).map(|thread| sharing.run(thread).collect()).collect();
        let next = self.expect(following, teams);
        let weights = products.iter().flatten().map(|matrix| matrix.bytes()).sum();
        let staying = teams.staying(weights, input.iter().map(Input::bytes).sum());
        self.pool.run_before(&next, sharing.tasks(), &|task| {
            let task = sharing.task(task, staying);
            for Piece { product, tiles } in sharing.pieces(&task) {
                // Where the thread's run goes on, and what follows it.
                let mut later = runs[task.thread].iter().skip_while(|piece| piece.product != product);
                let end = later.next().map_or(0, |piece| piece.tiles.end);
                let then =
                    later.next().map(|piece| Next::of(products[piece.product].iter().copied(), &piece.tiles));
                let next = then.unwrap_or(next[task.thread]);
                work(&Share { product, tiles, rows: &task.rows, blocks, end, next });
            }
        });
    }

    /// Where each thread begins with the products that follow.
    fn expect(&self, following: Following<'_>, teams: Teams) -> Few<Next> {
        let following = following.products();
        let pairs = following.iter().map(|matrices| matrices[0].tiles() / TILES).collect();
        let sharing = Sharing::new(teams, pairs);
        let first = |thread| {
            let piece = sharing.run(thread).next()?;
            Some(Next::of(following[piece.product].iter().copied(), &piece.tiles))
        };
        (0..self.pool.threads()).map(|thread| first(thread).unwrap_or(Next::NOTHING)).collect()
    }
}
