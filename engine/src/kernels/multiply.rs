//! Products of the rows of a step, on all threads.

use std::ops::Range;

use super::ahead::{Next, Part};
use super::isa::call;
use super::panel::{Destination, TILES};
use super::pool::{Pointer, TASKS_PER_THREAD};
use super::{Floats, Input, Kernels, Matrix, Mode};

/// Rows that a task takes through its tiles, so that they stay in the cache next to the core: a multiple of what kernels
/// take together.
const ROWS_PER_TASK: usize = 60;

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
    fn products(self) -> Vec<&'a [&'a Matrix]> {
        match self {
            Self::InTurn(matrices) => matrices.chunks(1).collect(),
            Self::SideBySide(matrices) => vec![matrices],
        }
    }
}

/// Pairs of tiles of one product.
struct Piece {
    product: usize,
    tiles: Range<usize>,
}

/// The tiles of products that are taken together, one product after the other, and how they are shared among threads.
struct Layout {
    /// How many pairs of tiles each product has.
    pairs: Vec<usize>,
    threads: usize,
    /// How many parts the run of each thread has.
    parts: usize,
}

impl Layout {
    fn new(pairs: Vec<usize>, threads: usize) -> Self {
        let parts = if threads == 1 { 1 } else { TASKS_PER_THREAD };
        Self { pairs, threads, parts }
    }

    /// The pieces of some parts.
    fn pieces(&self, parts: Range<usize>) -> Vec<Piece> {
        let all: usize = self.pairs.iter().sum();
        let [start, end] = [parts.start, parts.end].map(|part| all * part / (self.threads * self.parts));
        let mut first = 0;
        let mut pieces = Vec::new();
        for (product, pairs) in self.pairs.iter().enumerate() {
            let within = |pair: usize| pair.saturating_sub(first).min(*pairs) * TILES;
            let tiles = within(start)..within(end);
            if !tiles.is_empty() {
                pieces.push(Piece { product, tiles });
            }
            first += pairs;
        }
        pieces
    }

    /// The pieces that a thread begins with.
    fn run(&self, thread: usize) -> Vec<Piece> {
        self.pieces(thread * self.parts..(thread + 1) * self.parts)
    }
}

/// What of a thread's run stays in its caches, while the rest comes and goes: the smaller of the two.
#[derive(Clone, Copy, PartialEq)]
enum Staying {
    Weights,
    Rows,
}

impl Staying {
    fn of(input: &[Input], steps: &[&[(&Matrix, Mode)]], threads: usize) -> Self {
        let weights: usize = steps.iter().flat_map(|steps| *steps).map(|step| step.0.bytes()).sum();
        let rows: usize = input.iter().map(Input::bytes).sum();
        if weights / threads < rows { Self::Weights } else { Self::Rows }
    }

    /// The thread, the part and the block of a task, if there are so many parts in a run, and so many blocks of rows.
    const fn task(self, task: usize, (parts, blocks): (usize, usize)) -> (usize, usize, usize) {
        let (thread, task) = (task / (parts * blocks), task % (parts * blocks));
        let (part, block) = match self {
            Self::Weights => (task % parts, task / parts),
            Self::Rows => (task / blocks, task % blocks),
        };
        (thread, thread * parts + part, block)
    }
}

/// Rows by rows, so that the last task has not few of them.
fn blocks(rows: usize) -> Vec<Range<usize>> {
    let count = ((rows + ROWS_PER_TASK / 2) / ROWS_PER_TASK).max(1);
    let end = |block| if block == count { rows } else { block * ROWS_PER_TASK };
    (0..count).map(|block| end(block)..end(block + 1)).collect()
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
        let threads = self.pool.threads();
        let places: Vec<_> = products
            .iter_mut()
            .map(|Product { to, .. }| (Pointer(to.data.as_mut_ptr()), (to.data.len() / to.len, to.len)))
            .collect();
        let steps: Vec<_> = products.iter().map(|product| product.steps).collect();
        let layout = Layout::new(steps.iter().map(|steps| steps[0].0.tiles() / TILES).collect(), threads);
        let blocks = blocks(input.len());
        let runs: Vec<_> = (0..threads).map(|thread| layout.run(thread)).collect();
        let next = self.expect(following);
        let (staying, counts) = (Staying::of(input, &steps, threads), (layout.parts, blocks.len()));
        self.pool.run(threads * layout.parts * blocks.len(), &|task| {
            let (thread, part, block) = staying.task(task, counts);
            let rows = &blocks[block];
            for Piece { product, tiles } in layout.pieces(part..part + 1) {
                // Where the thread's run goes on, and what follows it.
                let mut later = runs[thread].iter().skip_while(|piece| piece.product != product);
                let end = later.next().map_or(0, |piece| piece.tiles.end);
                let then = later
                    .next()
                    .map(|piece| Next::of(steps[piece.product].iter().map(|step| step.0), &piece.tiles));
                let then = then.unwrap_or(next[thread]);
                let (base, shape) = &places[product];
                // Steps follow each other tile by tile, so that what one leaves for the next is still near.
                let len = if steps[product].len() > 1 { TILES } else { tiles.len() };
                for start in tiles.clone().step_by(len) {
                    let tiles = start..tiles.end.min(start + len);
                    for (number, step) in steps[product].iter().enumerate() {
                        let part = Part { end, next: then.after(number) };
                        let to = Destination::new(base, *shape, *step, part);
                        // Tasks differ in product, rows or tiles, so each has its part of the destination to itself.
                        call!(isa, multiply(step.0, tiles.clone(), input, rows.clone(), &to));
                    }
                }
            }
        });
    }

    /// Where each thread begins with the products that follow, which it asks for while it waits.
    fn expect(&self, following: Following<'_>) -> Vec<Next> {
        let threads = self.pool.threads();
        let following = following.products();
        let pairs = following.iter().map(|matrices| matrices[0].tiles() / TILES).collect();
        let layout = Layout::new(pairs, threads);
        let first = |thread| {
            let piece = layout.run(thread).into_iter().next()?;
            Some(Next::of(following[piece.product].iter().copied(), &piece.tiles))
        };
        let next: Vec<_> = (0..threads).map(|thread| first(thread).unwrap_or(Next::NOTHING)).collect();
        for (thread, next) in next.iter().enumerate() {
            self.pool.ahead(thread).set(next);
        }
        next
    }
}
