//! The arithmetic of a model, on all threads, by the best instructions that the CPU has.
//!
//! This is the only room with `unsafe` (but for mapping the file). Its doors are safe: [`Kernels`] checks shapes before
//! it hands out work. A kernel is a type that implements `arch::Arch`; it is held to `portable` bit by bit.

mod adapter;
mod arch;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cache;
mod floats;
mod heap;
mod isa;
mod lanes;
mod limits;
mod matrix;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panel;
mod pool;
mod portable;
mod rotary;
mod rows;
mod step;
#[cfg(test)]
mod tests;
mod vector;

use std::sync::Mutex;

use canon::Fault;

use attention::Room;
use isa::call;
use panel::{Destination, TILES};
use pool::{Pointer, Pool};

pub(crate) use adapter::{Delta, DeltaShape};
pub(crate) use attention::{Attention, HEAD_LEN_MAX};
pub(crate) use cache::{Cache, Geometry, PAGE_TOKENS, Page, Place, Places};
pub use heap::{give_memory_back, return_large_buffers};
pub(crate) use isa::Isa;
pub(crate) use lanes::Activation;
pub(crate) use limits::Ceilings;
pub(crate) use matrix::Matrix;
pub(crate) use panel::Mode;
pub(crate) use rotary::{Turning, Turns};
pub(crate) use rows::{Floats, Input};
pub(crate) use step::Step;

/// Rows that one task takes through its tiles, so that they stay in the cache next to the core.
const ROWS_PER_TASK: usize = 60;
/// For so many rows, the time of a product is to a good part that of reading its weights.
const ROWS_STREAMED_MAX: usize = 60;

/// The threads, and the instructions that they use.
pub(crate) struct Kernels {
    pool: Pool,
    isa: Isa,
    /// What attention gathers where threads share a sequence, kept from step to step.
    gathered: Vec<f32>,
    /// Room for the queries of attention, of as many threads as have ever attended at once.
    rooms: Mutex<Vec<Room>>,
}

/// Products that go to one place, one after the other: a matrix, and what becomes of its product.
pub(crate) struct Product<'a> {
    pub(crate) steps: &'a [(&'a Matrix, Mode)],
    pub(crate) to: &'a mut Floats,
}

impl Kernels {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn new(threads: usize, isa: Isa) -> Result<Self, Fault> {
        Ok(Self { pool: Pool::new(threads)?, isa, gathered: Vec::new(), rooms: Mutex::default() })
    }

    /// The threads.
    pub(crate) const fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// Prepares rows for products: `from` (a row by its number) is normalised, where there are weights to do it by.
    pub(crate) fn prepare<'a>(
        &mut self,
        from: &(dyn Fn(usize) -> &'a [f32] + Sync),
        norm: Option<(&[f32], f32)>,
        to: &mut [Input],
    ) {
        let (isa, share) = (self.isa, self.pool.share(to.len()));
        self.pool.split(to, share, &|start, rows| {
            for (at, row) in rows.iter_mut().enumerate() {
                let from = from(start + at);
                assert_eq!(from.len(), row.len(), "a row of another length");
                match norm {
                    Some((weights, epsilon)) => call!(isa, normalise(from, weights, epsilon, row)),
                    None => row.floats.copy_from_slice(from),
                }
                call!(isa, quantise(row));
            }
        });
    }

    /// Adds rows to others, normalised.
    pub(crate) fn add_normalised(
        &mut self,
        from: &Floats,
        (weights, epsilon): (&[f32], f32),
        to: &mut Floats,
    ) {
        let len = to.len;
        assert!(from.len == len && weights.len() == len, "rows of another length");
        let (isa, share) = (self.isa, self.pool.share(to.data.len() / len));
        self.pool.split(&mut to.data, share * len, &|start, rows| {
            for (from, to) in from.data[start..].chunks_exact(len).zip(rows.chunks_exact_mut(len)) {
                call!(isa, add_normalised(from, weights, epsilon, to));
            }
        });
    }

    /// Multiplies the rows with each product's matrices.
    pub(crate) fn multiply(&mut self, input: &[Input], products: &mut [Product<'_>]) {
        let isa = self.isa;
        let tiles = products.iter().map(|product| product.steps[0].0.tiles()).sum::<usize>();
        let blocks = input.len().div_ceil(ROWS_PER_TASK);
        // Weights for few rows come from memory, in pieces that are long enough to be fetched ahead.
        let pieces = if input.len() <= ROWS_STREAMED_MAX { self.pool.threads() } else { self.pool.tasks() };
        let share = (tiles * blocks).div_ceil(pieces).next_multiple_of(TILES);
        let mut tasks = Vec::new();
        for (number, product) in products.iter().enumerate() {
            let tiles = product.steps[0].0.tiles();
            for start in (0..input.len()).step_by(ROWS_PER_TASK) {
                let rows = start..input.len().min(start + ROWS_PER_TASK);
                let starts = (0..tiles).step_by(share);
                tasks.extend(starts.map(|start| (number, rows.clone(), start..tiles.min(start + share))));
            }
        }
        let bases: Vec<_> = products
            .iter_mut()
            .map(|product| {
                (
                    Pointer(product.to.data.as_mut_ptr()),
                    (product.to.data.len() / product.to.len, product.to.len),
                )
            })
            .collect();
        let steps: Vec<_> = products.iter().map(|product| product.steps).collect();
        self.pool.run(tasks.len(), &|task| {
            let (number, rows, tiles) = &tasks[task];
            let (base, shape) = &bases[*number];
            // Steps follow each other tile by tile, so that what one leaves for the next is still near.
            let len = if steps[*number].len() > 1 { TILES } else { tiles.len() };
            for start in tiles.clone().step_by(len.max(1)) {
                let tiles = start..tiles.end.min(start + len);
                for (matrix, mode) in steps[*number] {
                    let to = Destination::new(base, *shape, *mode, matrix);
                    // Tasks differ in product, rows or tiles, so each has its part of the destination to itself.
                    call!(isa, multiply(matrix, tiles.clone(), input, rows.clone(), &to));
                }
            }
        });
    }
}
