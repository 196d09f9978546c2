//! How threads share the attention of a layer: in tasks, and in runs of them.

use std::ops::Range;
use std::sync::atomic::AtomicUsize;

use super::Step;
use crate::kernels::attention::{Attention, SEGMENT_PAGES, Sight, gathered_len};
use crate::kernels::pool::{TASKS_PER_THREAD, run_of};

/// Queries that one task takes over a page, so that widening it is a small part of the work.
const QUERIES_PER_TASK: usize = 48;
/// Runs of tasks for each thread. Within a run, what a task reads is fetched while the one before it is computed.
const RUNS_PER_THREAD: usize = 8;

/// What a task does: rows of one sequence, with one head of keys.
pub(super) struct Task {
    /// Which of the rows, in the order of the step.
    pub(super) rows: Range<usize>,
    pub(super) head: usize,
    /// Which of the sequence's pages.
    pub(super) pages: Range<usize>,
    /// Where several tasks share the pages: which of the shared.
    pub(super) shared: Option<usize>,
}

/// Rows whose segments several tasks share.
pub(super) struct Shared {
    /// Where the results begin.
    pub(super) start: usize,
    /// The first segment, and how many there are.
    pub(super) first: usize,
    pub(super) segments: usize,
    /// How many tasks have yet to end.
    pub(super) left: AtomicUsize,
}

/// The tasks of a layer's attention.
pub(super) struct Plan {
    pub(super) tasks: Vec<Task>,
    /// Tasks that one thread does in turn.
    pub(super) runs: Vec<Range<usize>>,
    pub(super) shared: Vec<Shared>,
    /// How many floats the results of all shared segments take.
    pub(super) len: usize,
}

/// How many heads of keys there are, heads of queries for each, and numbers in a head.
pub(super) type Heads = (usize, usize, usize);

impl Plan {
    pub(super) fn new(step: &Step<'_>, attention: &Attention<'_>, heads: Heads, threads: usize) -> Self {
        let rows = step.places.len();
        let tasks_min = if threads > 1 { threads * TASKS_PER_THREAD } else { 1 };
        let rows_max = (QUERIES_PER_TASK / heads.1).min((rows * heads.0).div_ceil(tasks_min)).max(1);
        let mut blocks = Vec::new();
        let mut all = 0;
        for rows in step.order.chunk_by(|a, b| step.sequences[*a] == step.sequences[*b]) {
            for rows in rows.chunks(rows_max) {
                let sights = rows.iter().map(|row| step.sight(attention, *row));
                let pages = sights.reduce(Sight::union).unwrap_or_default().pages();
                all += rows.len() * pages.len() * heads.0;
                blocks.push((rows.len(), pages));
            }
        }
        let tasks = Vec::with_capacity(blocks.len() * heads.0);
        let mut plan = Self { tasks, runs: Vec::new(), shared: Vec::new(), len: 0 };
        let mut start = 0;
        for (rows, pages) in blocks {
            // Where one task would be more than its part of all work, its segments are tasks of their own.
            let alone = threads == 1 || rows * pages.len() <= all / tasks_min;
            for head in 0..heads.0 {
                plan.push((start..start + rows, head), pages.clone(), alone, heads);
            }
            start += rows;
        }
        plan.run(all / (threads * RUNS_PER_THREAD));
        // The last rows see most, and a long task must not come last; but rows stay with their threads.
        for thread in 0..threads {
            let runs = run_of(thread, threads, plan.runs.len());
            plan.runs[runs].reverse();
        }
        plan
    }

    fn push(&mut self, (rows, head): (Range<usize>, usize), pages: Range<usize>, alone: bool, heads: Heads) {
        let segments = pages.start / SEGMENT_PAGES..pages.end.div_ceil(SEGMENT_PAGES);
        if alone || segments.len() == 1 {
            self.tasks.push(Task { rows, head, pages, shared: None });
            return;
        }
        let (first, count, shared) = (segments.start, segments.len(), self.shared.len());
        let len = rows.len() * heads.1 * gathered_len(heads.2);
        for segment in segments {
            let start = pages.start.max(segment * SEGMENT_PAGES);
            let pages = start..pages.end.min((segment + 1) * SEGMENT_PAGES);
            self.tasks.push(Task { rows: rows.clone(), head, pages, shared: Some(shared) });
        }
        self.shared.push(Shared { start: self.len, first, segments: count, left: AtomicUsize::new(count) });
        self.len += count * len;
    }

    /// Makes runs of tasks, each of at least so much work but the last.
    fn run(&mut self, work_min: usize) {
        let (mut start, mut work) = (0, 0);
        for (number, task) in self.tasks.iter().enumerate() {
            work += task.rows.len() * task.pages.len();
            if work >= work_min || number + 1 == self.tasks.len() {
                self.runs.push(start..number + 1);
                (start, work) = (number + 1, 0);
            }
        }
    }
}
