//! Sequences that threads take through all layers apart from one another.
//!
//! Threads that share each product wait for the slowest of them some two hundred times a step, and longer where they have no
//! cache in common. But sequences need nothing of each other. So where rows are many, each thread has sequences of its own, and
//! waits once. What it cannot do then is take over from a thread that is held up: parts have to be as much work, and once
//! one took much longer than another, threads share products for a while.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::scratch::Room;
use super::{Batch, Model};
use crate::kernels::{Kernels, ROWS_PER_TEAM_MIN, Step};

/// What a row takes beside its attention, in tokens that it attends to: with the default model some 500 and 1 microseconds.
const ROW_TOKENS: usize = 500;
/// By what part the most work may be more than the mean: as much is gained at least.
const EXCESS_MAX: usize = 32;
/// By what part of the shortest time the longest may be longer.
const DELAY_MAX: u32 = 4;
/// For how many steps threads share products after one was held up.
const STEPS_SHARED: usize = 64;

/// What threads need for it.
#[derive(Default)]
pub(super) struct Apart {
    rooms: Vec<Room>,
    /// For how many steps threads still share products.
    shared: usize,
}

/// What a thread does.
struct Part<'a> {
    batch: Batch<'a>,
    /// Taken by the thread.
    step: Option<Step<'a>>,
    room: &'a mut Room,
    took: Duration,
}

impl Apart {
    /// Which rows of the step each thread has; none where threads share products.
    pub(super) fn shares(
        &mut self,
        step: &Step<'_>,
        batch: &Batch<'_>,
        threads: usize,
    ) -> Option<Vec<Vec<usize>>> {
        if self.shared > 0 {
            self.shared -= 1;
            return None;
        }
        even(batch, threads).filter(|shares| step.divides(shares))
    }
}

/// Sequences of equal work for each thread; none where rows are few, or cannot be shared so.
fn even(batch: &Batch<'_>, threads: usize) -> Option<Vec<Vec<usize>>> {
    // Each thread reads all weights, as a team does that shares products.
    if threads < 2 || batch.rows.len() < threads * ROWS_PER_TEAM_MIN {
        return None;
    }
    let mut sequences = vec![(0, Vec::new()); batch.pages.len()];
    for (number, row) in batch.rows.iter().enumerate() {
        let (work, rows) = &mut sequences[row.sequence];
        *work += ROW_TOKENS + row.position;
        rows.push(number);
    }
    let all: usize = sequences.iter().map(|(work, _)| work).sum();
    // The largest first, each to whoever has least.
    sequences.sort_by_key(|(work, _)| Reverse(*work));
    let mut shares = vec![(0, Vec::new()); threads];
    for (work, rows) in sequences {
        if let Some(least) = shares.iter_mut().min_by_key(|(work, _)| *work) {
            least.0 += work;
            least.1.extend(rows);
        }
    }
    let most = all / threads * (EXCESS_MAX + 1) / EXCESS_MAX;
    let within = shares.into_iter().map(|(work, mut rows)| {
        rows.sort_unstable();
        (work <= most).then_some(rows)
    });
    within.collect()
}

impl Model {
    /// As [`Self::layers`], but each thread takes its share of the rows through all of them.
    pub(super) fn layers_apart<'a>(
        &self,
        kernels: &mut Kernels,
        (step, batch, shares): (Step<'a>, &Batch<'a>, &[Vec<usize>]),
        (apart, to): (&mut Apart, &mut Room),
    ) {
        apart.rooms.resize_with(shares.len().max(apart.rooms.len()), || Room::new(&self.config));
        let each = shares.iter().zip(step.divide(shares)).zip(&mut apart.rooms);
        let mut parts: Vec<_> = each
            .map(|((rows, step), room)| Part {
                batch: batch.pick(rows),
                step: Some(step),
                room,
                took: Duration::ZERO,
            })
            .collect();
        kernels.apart(&mut parts, &|kernels, part| {
            let start = Instant::now();
            if let Some(step) = part.step.take() {
                self.layers(kernels, step, &part.batch, part.room);
            }
            part.took = start.elapsed();
        });
        let times = || parts.iter().map(|part| part.took);
        if let (Some(longest), Some(shortest)) = (times().max(), times().min())
            && longest - shortest > shortest / DELAY_MAX
        {
            apart.shared = STEPS_SHARED;
        }
        // Which of the rows that want logits each row is.
        let mut ranks = vec![0; batch.rows.len()];
        batch.wanted().enumerate().for_each(|(rank, row)| ranks[row] = rank);
        to.resize(batch.wanted().count());
        let len = to.hidden.len;
        for (rows, part) in shares.iter().zip(&parts) {
            for (number, row) in rows.iter().filter(|row| batch.rows[**row].logits).enumerate() {
                to.hidden.data[ranks[*row] * len..][..len].copy_from_slice(part.room.hidden.row(number));
            }
        }
    }
}

#[cfg(test)]
mod tests;
