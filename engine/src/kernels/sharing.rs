//! How threads share the products of a step.
//!
//! Threads stand in teams. Each team takes rows of its own through all tiles, and its threads share the tiles. Rows that
//! stay with a team from product to product need not travel between cores, which costs most where these have no cache in
//! common; but every team reads all weights, so each must have many rows.

use std::ops::Range;

use smallvec::SmallVec;

use super::panel::TILES;
use super::pool::{TASKS_PER_THREAD, run_of};

/// Rows that a team has at least, if there is more than one: fifty multiplications for each byte of weights, for which a core
/// that does 300 a nanosecond asks memory for 6 GB/s. With 16, thirty-two answers on two threads were 2 to 4% slower: what
/// products lose to weights that are read twice is more than what rows gain.
pub(crate) const ROWS_PER_TEAM_MIN: usize = 32;
/// Rows that a task takes through its tiles, so that they stay in the cache next to the core: a multiple of what kernels
/// take together.
const ROWS_PER_TASK: usize = 60;

/// What there is a few of in every product. None of it goes to the allocator: a product of one row takes some microseconds,
/// and the other threads wait meanwhile.
pub(super) type Few<T> = SmallVec<[T; 4]>;

/// What of a thread's run stays in its caches, while the rest comes and goes: the smaller of the two.
#[derive(Clone, Copy)]
pub(super) enum Staying {
    Weights,
    Rows,
}

/// Threads in teams.
#[derive(Clone, Copy)]
pub(super) struct Teams {
    count: usize,
    /// The threads of each.
    threads: usize,
    /// The rows of all.
    rows: usize,
}

/// Pairs of tiles of one product.
pub(super) struct Piece {
    pub(super) product: usize,
    pub(super) tiles: Range<usize>,
}

/// A block of rows, and a part of the tiles of the thread that takes it first.
pub(super) struct Task {
    pub(super) thread: usize,
    pub(super) rows: Range<usize>,
    part: usize,
}

/// Products that are taken together, one after the other, and how they are shared.
pub(super) struct Sharing {
    teams: Teams,
    /// How many pairs of tiles each product has.
    pairs: Few<usize>,
    /// How many parts the tiles of each thread have.
    parts: usize,
}

impl Teams {
    /// As many as have rows enough, all of the same size.
    pub(super) fn of(rows: usize, threads: usize) -> Self {
        let fits = |count: &usize| threads.is_multiple_of(*count) && rows / count >= ROWS_PER_TEAM_MIN;
        let count = (2..=threads).rev().find(fits).unwrap_or(1);
        Self { count, threads: threads / count, rows }
    }

    /// What stays of so many bytes of weights and of rows.
    pub(super) const fn staying(self, weights: usize, rows: usize) -> Staying {
        if weights / self.threads < rows / self.count { Staying::Weights } else { Staying::Rows }
    }

    /// How many blocks each one's rows have.
    fn blocks(self) -> usize {
        let rows = self.rows.div_ceil(self.count);
        ((rows + ROWS_PER_TASK / 2) / ROWS_PER_TASK).max(1)
    }

    /// The rows of a block of a team: the last has the rest, so that it has not few of them.
    fn rows(self, team: usize, block: usize) -> Range<usize> {
        let Range { start, end } = run_of(team, self.count, self.rows);
        let edge = |block| if block == self.blocks() { end } else { start + block * ROWS_PER_TASK };
        edge(block)..edge(block + 1)
    }
}

impl Sharing {
    pub(super) fn new(teams: Teams, pairs: Few<usize>) -> Self {
        let parts = if teams.count * teams.threads == 1 { 1 } else { TASKS_PER_THREAD };
        Self { teams, pairs, parts }
    }

    /// How many tasks there are, as many for each thread.
    pub(super) fn tasks(&self) -> usize {
        self.teams.count * self.teams.threads * self.parts * self.teams.blocks()
    }

    pub(super) fn task(&self, number: usize, staying: Staying) -> Task {
        let blocks = self.teams.blocks();
        let (thread, number) = (number / (self.parts * blocks), number % (self.parts * blocks));
        let (part, block) = match staying {
            Staying::Weights => (number % self.parts, number / self.parts),
            Staying::Rows => (number / blocks, number % blocks),
        };
        Task { thread, rows: self.teams.rows(thread / self.teams.threads, block), part }
    }

    /// The tiles of a task.
    pub(super) fn pieces(&self, task: &Task) -> impl Iterator<Item = Piece> {
        let part = self.member(task.thread) * self.parts + task.part;
        self.pieces_of(run_of(part, self.teams.threads * self.parts, self.pairs.iter().sum()))
    }

    /// The tiles that a thread goes through with each block of rows.
    pub(super) fn run(&self, thread: usize) -> impl Iterator<Item = Piece> {
        self.pieces_of(run_of(self.member(thread), self.teams.threads, self.pairs.iter().sum()))
    }

    /// A thread's number in its team.
    const fn member(&self, thread: usize) -> usize {
        thread % self.teams.threads
    }

    /// Some of the pairs, which are counted from the first product's first on.
    fn pieces_of(&self, Range { start, end }: Range<usize>) -> impl Iterator<Item = Piece> {
        let products = self.pairs.iter().enumerate().scan(0, move |first, (product, pairs)| {
            let within = |pair: usize| pair.saturating_sub(*first).min(*pairs) * TILES;
            let tiles = within(start)..within(end);
            *first += pairs;
            Some(Piece { product, tiles })
        });
        products.filter(|piece| !piece.tiles.is_empty())
    }
}

#[cfg(test)]
mod tests;
