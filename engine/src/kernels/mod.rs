//! The arithmetic of a model, on all threads, by the best instructions that the CPU has.
//!
//! This is the only room with `unsafe` (but for mapping the file). Its doors are safe: [`Kernels`] checks shapes before
//! it hands out work. A kernel is a type that implements `arch::Arch`; it is held to `portable` bit by bit.

mod adapter;
mod ahead;
mod arch;
mod arena;
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
mod multiply;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panel;
mod peaks;
mod pool;
mod portable;
mod rotary;
mod rows;
mod sharing;
mod step;
#[cfg(test)]
mod tests;
mod vector;
mod whole;

use std::sync::Mutex;

use canon::Fault;

use arena::Arena;
use attention::Room;
use isa::call;
use pool::Pool;

use crate::gguf::Tensor;

pub(crate) use adapter::{Delta, DeltaShape};
pub(crate) use attention::{Attention, HEAD_LEN_MAX};
pub use cache::KvType;
pub(crate) use cache::{Cache, Geometry, PAGE_TOKENS, Page, Place, Places};
pub use heap::{give_memory_back, return_large_buffers};
pub(crate) use isa::Isa;
pub(crate) use lanes::Activation;
pub(crate) use limits::Ceilings;
pub(crate) use matrix::Matrix;
pub(crate) use multiply::{Following, Product};
pub(crate) use panel::Mode;
pub(crate) use rotary::{Turning, Turns};
pub(crate) use rows::{Floats, Input};
pub(crate) use sharing::ROWS_PER_TEAM_MIN;
pub(crate) use step::Step;

/// The threads, and the instructions that they use.
pub(crate) struct Kernels {
    pool: Pool,
    isa: Isa,
    /// For each thread, if there are several, kernels that are its own.
    own: Vec<Self>,
    /// Where weights lie.
    arena: Arena,
    /// What attention gathers where threads share a sequence, kept from step to step.
    gathered: Vec<f32>,
    /// Room for the queries of attention, of as many threads as have ever attended at once.
    rooms: Mutex<Vec<Room>>,
}

/// What is done to rows before products. Integers are kept of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preparation<'a> {
    /// The weights and the epsilon of a norm: rows are divided by their root mean square (whose square grows by the
    /// epsilon) and multiplied by the weights.
    pub(crate) norm: Option<(&'a [f32], f32)>,
    /// Whether floats are kept, too: for products that take them.
    pub(crate) keeps_floats: bool,
}

impl Preparation<'_> {
    /// Rows as they are, floats and integers.
    pub(crate) const KEPT: Self = Self { norm: None, keeps_floats: true };
}

impl Kernels {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn new(threads: usize, isa: Isa) -> Result<Self, Fault> {
        let (pool, arena) = (Pool::new(threads)?, Arena::default());
        let each = if threads > 1 { threads } else { 0 };
        let own = (0..each).map(|_| Self::new(1, isa)).collect::<Result<_, Fault>>()?;
        Ok(Self { pool, isa, own, arena, gathered: Vec::new(), rooms: Mutex::default() })
    }

    /// The threads.
    pub(crate) const fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// How many threads take part.
    pub(crate) fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Calls `work` with each of the parts, of which there are no more than threads: each on a thread of its own, if it is free,
    /// with kernels that no other thread waits for.
    pub(crate) fn apart<T: Send>(&mut self, parts: &mut [T], work: &(dyn Fn(&mut Self, &mut T) + Sync)) {
        assert!(parts.len() <= self.own.len(), "more parts than threads");
        let mut pairs: Vec<_> = self.own.iter_mut().zip(parts).collect();
        self.pool.split(&mut pairs, 1, &|_, pairs| {
            pairs.iter_mut().for_each(|(kernels, part)| work(kernels, part));
        });
    }

    /// Repacks a tensor.
    ///
    /// # Errors
    /// A scale is infinite or no number, or the system has no memory to give.
    pub(crate) fn pack(&mut self, tensor: &Tensor<'_>) -> Result<Matrix, Fault> {
        Matrix::pack(tensor, &mut self.pool, &mut self.arena)
    }

    /// Prepares rows for products: `from` gives a row by its number.
    pub(crate) fn prepare<'a>(
        &mut self,
        from: &(dyn Fn(usize) -> &'a [f32] + Sync),
        Preparation { norm, keeps_floats }: Preparation<'_>,
        to: &mut [Input],
    ) {
        let (isa, share) = (self.isa, self.pool.share(to.len()));
        self.pool.split(to, share, &|start, rows| {
            for (at, row) in rows.iter_mut().enumerate() {
                let from = from(start + at);
                assert_eq!(from.len(), row.len(), "a row of another length");
                let Input { floats, has_floats, blocks } = row;
                *has_floats = keeps_floats;
                match (norm, keeps_floats) {
                    (Some((weights, epsilon)), false) => {
                        call!(isa, quantise_normalised(from, weights, epsilon, blocks));
                    }
                    (None, false) => call!(isa, quantise(from, blocks)),
                    (Some((weights, epsilon)), true) => {
                        call!(isa, normalise(from, weights, epsilon, floats));
                        call!(isa, quantise(floats, blocks));
                    }
                    (None, true) => {
                        floats.copy_from_slice(from);
                        call!(isa, quantise(floats, blocks));
                    }
                }
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
}
