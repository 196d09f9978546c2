//! Products of the rows of a step, on all threads.

use std::ops::Range;

use smallvec::SmallVec;

use super::ahead::{Next, Part};
use super::isa::call;
use super::panel::{Destination, Gate, TILES, Work};
use super::pool::{Pointer, TASKS_PER_THREAD};
use super::rows::BLOCK_LEN;
use super::{Activation, Floats, Input, Kernels, Matrix, Mode};

/// Rows that a task takes through its tiles, so that they stay in the cache next to the core: a multiple of what kernels
/// take together.
const ROWS_PER_TASK: usize = 60;

/// What there is a few of in every product. None of it goes to the allocator: a product of one row takes some microseconds,
/// and the other threads wait meanwhile.
type Few<T> = SmallVec<[T; 4]>;

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

/// Pairs of tiles of one product.
struct Piece {
    product: usize,
    tiles: Range<usize>,
}

/// The tiles of products that are taken together, one product after the other, and how they are shared among threads.
struct Layout {
    /// How many pairs of tiles each product has.
    pairs: Few<usize>,
    threads: usize,
    /// How many parts the run of each thread has.
    parts: usize,
}

impl Layout {
    fn new(pairs: Few<usize>, threads: usize) -> Self {
        let parts = if threads == 1 { 1 } else { TASKS_PER_THREAD };
        Self { pairs, threads, parts }
    }

    /// The pieces of some parts.
    fn pieces(&self, parts: Range<usize>) -> impl Iterator<Item = Piece> {
        let all: usize = self.pairs.iter().sum();
        let [start, end] = [parts.start, parts.end].map(|part| all * part / (self.threads * self.parts));
        let products = self.pairs.iter().enumerate().scan(0, move |first, (product, pairs)| {
            let within = |pair: usize| pair.saturating_sub(*first).min(*pairs) * TILES;
            let tiles = within(start)..within(end);
            *first += pairs;
            Some(Piece { product, tiles })
        });
        products.filter(|piece| !piece.tiles.is_empty())
    }

    /// The pieces that a thread begins with.
    fn run(&self, thread: usize) -> impl Iterator<Item = Piece> {
        self.pieces(thread * self.parts..(thread + 1) * self.parts)
    }
}

/// What of a thread's run stays in its caches, while the rest comes and goes: the smaller of the two.
#[derive(Clone, Copy)]
enum Staying {
    Weights,
    Rows,
}

impl Staying {
    fn of(input: &[Input], products: &[Few<&Matrix>], threads: usize) -> Self {
        let weights: usize = products.iter().flatten().map(|matrix| matrix.bytes()).sum();
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
fn blocks(rows: usize) -> Few<Range<usize>> {
    let count = ((rows + ROWS_PER_TASK / 2) / ROWS_PER_TASK).max(1);
    let end = |block| if block == count { rows } else { block * ROWS_PER_TASK };
    (0..count).map(|block| end(block)..end(block + 1)).collect()
}

/// What a task is given of one product.
struct Share<'a> {
    product: usize,
    tiles: Range<usize>,
    rows: &'a Range<usize>,
    /// The tile at which the thread's part of the product ends, and what it reads then.
    end: usize,
    next: Next,
}

impl Share<'_> {
    /// The thread's part of one of the product's matrices.
    fn part(&self, step: usize) -> Part {
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
                    let work = Work { matrix: step.0, input, to: &to };
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
        let blocks: Few<_> = to.iter_mut().map(|row| Pointer(row.blocks.as_mut_ptr())).collect();
        self.share(input, &[Few::from_slice(&matrices)], following, &|share| {
            let parts = [share.part(0), share.part(1)];
            let gate = Gate { activation, input, matrices, parts, to: &blocks };
            // Tasks differ in rows or tiles, so each has its blocks to itself.
            call!(isa, gate(&gate, share.tiles.clone(), share.rows));
        });
    }

    /// Shares products among the threads: of each the matrices, which are gone through side by side.
    fn share(
        &mut self,
        input: &[Input],
        products: &[Few<&Matrix>],
        following: Following<'_>,
        work: &(dyn Fn(&Share<'_>) + Sync),
    ) {
        let threads = self.pool.threads();
        let pairs = products.iter().map(|matrices| matrices[0].tiles() / TILES).collect();
        let (layout, blocks) = (Layout::new(pairs, threads), blocks(input.len()));
        let runs: Few<Few<_>> = (0..threads).map(|thread| layout.run(thread).collect()).collect();
        let next = self.expect(following);
        let staying = Staying::of(input, products, threads);
        let counts = (layout.parts, blocks.len());
        self.pool.run(threads * layout.parts * blocks.len(), &|task| {
            let (thread, part, block) = staying.task(task, counts);
            for Piece { product, tiles } in layout.pieces(part..part + 1) {
                // Where the thread's run goes on, and what follows it.
                let mut later = runs[thread].iter().skip_while(|piece| piece.product != product);
                let end = later.next().map_or(0, |piece| piece.tiles.end);
                let then =
                    later.next().map(|piece| Next::of(products[piece.product].iter().copied(), &piece.tiles));
                let next = then.unwrap_or(next[thread]);
                work(&Share { product, tiles, rows: &blocks[block], end, next });
            }
        });
    }

    /// Where each thread begins with the products that follow, which it asks for while it waits.
    fn expect(&self, following: Following<'_>) -> Few<Next> {
        let threads = self.pool.threads();
        let following = following.products();
        let pairs = following.iter().map(|matrices| matrices[0].tiles() / TILES).collect();
        let layout = Layout::new(pairs, threads);
        let first = |thread| {
            let piece = layout.run(thread).next()?;
            Some(Next::of(following[piece.product].iter().copied(), &piece.tiles))
        };
        let next: Few<_> = (0..threads).map(|thread| first(thread).unwrap_or(Next::NOTHING)).collect();
        for (thread, next) in next.iter().enumerate() {
            self.pool.ahead(thread).set(next);
        }
        next
    }
}
