//! Attention with the rows of a step, on all threads.

#![expect(unsafe_code, reason = "tasks write to one place, each its own rows and heads")]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::attention::{Block, Row, SEGMENT_PAGES, Sight, clear, gathered_len};
use super::isa::call;
use super::pool::{Pointer, TASKS_PER_THREAD};
use super::rotary::Turn;
use super::{Attention, Cache, Floats, Geometry, Isa, Kernels, Page, Places, Turns};

/// Queries that one task takes over a page, so that widening it is a small part of the work.
const QUERIES_PER_TASK: usize = 48;

/// The rows of a step, as attention sees them.
pub(crate) struct Step<'a> {
    /// Where each row's key and value go.
    pub(crate) places: Places,
    /// The last position that each row attends to: its own, or the sequence's last where rows see what follows them.
    pub(crate) positions: Vec<usize>,
    /// Each row's sequence.
    pub(crate) sequences: Vec<usize>,
    /// The pages of each sequence. Those before a layer's window are not read.
    pub(crate) pages: Vec<&'a [Page]>,
    /// The turns that layers choose from.
    pub(crate) turns: Vec<Turns>,
}

impl Step<'_> {
    fn turn(&self, attention: &Attention<'_>, row: usize) -> Option<Turn<'_>> {
        attention.turns.map(|turns| self.turns[turns].of(row, self.places.len()))
    }

    fn sight(&self, attention: &Attention<'_>, row: usize) -> Sight {
        let end = self.positions[row] + 1;
        Sight { start: end - attention.window.unwrap_or(end).min(end), end }
    }

    fn check(&self, attention: &Attention<'_>, head_len: usize) {
        let fits = |turns: usize| self.turns[turns].angles.len() * 2 <= self.places.len() * head_len;
        assert!(attention.turns.is_none_or(fits), "more angles than pairs");
        let norms = [attention.query_norm, attention.key_norm];
        assert!(norms.iter().flatten().all(|norm| norm.0.len() == head_len), "a norm of another length");
        assert!(attention.window != Some(0), "a window without its own position");
    }
}

/// What a task does: rows of one sequence, with one head of keys.
struct Task {
    /// Which of the rows, in the order of the plan.
    rows: Range<usize>,
    head: usize,
    segments: Range<usize>,
    /// Where several tasks share the segments: which of the shared.
    shared: Option<usize>,
}

/// Rows whose segments several tasks share.
struct Shared {
    /// Where the results begin.
    start: usize,
    /// The first segment, and how many there are.
    first: usize,
    segments: usize,
    /// How many tasks have yet to end.
    left: AtomicUsize,
}

/// The tasks of a layer's attention.
struct Plan {
    /// The rows, sequence by sequence, position by position.
    order: Vec<usize>,
    tasks: Vec<Task>,
    shared: Vec<Shared>,
    /// How many floats the results of all shared segments take.
    len: usize,
}

/// How many heads of keys there are, heads of queries for each, and numbers in a head.
type Heads = (usize, usize, usize);

impl Plan {
    fn new(step: &Step<'_>, attention: &Attention<'_>, heads: Heads, threads: usize) -> Self {
        let rows = step.places.len();
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|row| (step.sequences[*row], step.positions[*row]));
        let tasks_min = if threads > 1 { threads * TASKS_PER_THREAD } else { 1 };
        let rows_max = (QUERIES_PER_TASK / heads.1).min((rows * heads.0).div_ceil(tasks_min)).max(1);
        let mut blocks = Vec::new();
        let mut all = 0;
        for rows in order.chunk_by(|a, b| step.sequences[*a] == step.sequences[*b]) {
            for rows in rows.chunks(rows_max) {
                let sights = rows.iter().map(|row| step.sight(attention, *row));
                let pages = sights.reduce(Sight::union).unwrap_or_default().pages();
                all += rows.len() * pages.len() * heads.0;
                blocks.push((rows.len(), pages));
            }
        }
        let mut plan = Self { order, tasks: Vec::new(), shared: Vec::new(), len: 0 };
        let mut start = 0;
        for (rows, pages) in blocks {
            // Where one task would be more than its part of all work, its segments are tasks of their own.
            let alone = threads == 1 || rows * pages.len() <= all / tasks_min;
            let segments = pages.start / SEGMENT_PAGES..pages.end.div_ceil(SEGMENT_PAGES);
            for head in 0..heads.0 {
                plan.push((start..start + rows, head), segments.clone(), alone, heads);
            }
            start += rows;
        }
        plan
    }

    fn push(
        &mut self,
        (rows, head): (Range<usize>, usize),
        segments: Range<usize>,
        alone: bool,
        heads: Heads,
    ) {
        if alone || segments.len() == 1 {
            self.tasks.push(Task { rows, head, segments, shared: None });
            return;
        }
        let (first, count, shared) = (segments.start, segments.len(), self.shared.len());
        for segment in segments {
            let task =
                Task { rows: rows.clone(), head, segments: segment..segment + 1, shared: Some(shared) };
            self.tasks.push(task);
        }
        self.shared.push(Shared { start: self.len, first, segments: count, left: AtomicUsize::new(count) });
        self.len += count * rows.len() * heads.1 * gathered_len(heads.2);
    }
}

impl Kernels {
    /// Keeps the rows' keys and values of a layer.
    pub(crate) fn remember(
        &mut self,
        cache: &mut Cache,
        attention: &Attention<'_>,
        step: &Step<'_>,
        (keys, values): (&Floats, &Floats),
    ) {
        let isa = self.isa;
        let Geometry { heads, head_len, .. } = cache.geometry;
        assert!(keys.len == heads * head_len && values.len == keys.len, "keys of another size");
        step.check(attention, head_len);
        let rows = step.places.len();
        let share = self.pool.share(rows);
        let writer = cache.writer(attention.layer);
        self.pool.run(rows.div_ceil(share), &|task| {
            for row in task * share..rows.min((task + 1) * share) {
                let how = (attention.key_norm, step.turn(attention, row));
                // `Places` are distinct, so each row has its place to itself.
                call!(isa, remember(&writer, step.places.at(row), how, (keys.row(row), values.row(row))));
            }
        });
    }

    /// Attends with every row's queries in a layer.
    pub(crate) fn attend(
        &mut self,
        cache: &Cache,
        attention: &Attention<'_>,
        step: &Step<'_>,
        (queries, out): (&Floats, &mut Floats),
    ) {
        let isa = self.isa;
        let Geometry { heads, head_len, .. } = cache.geometry;
        let width = queries.len / heads;
        assert!(width.is_multiple_of(head_len) && out.len == queries.len, "queries of another size");
        assert!(out.data.len() >= step.places.len() * out.len, "too few rows");
        step.check(attention, head_len);
        let heads = (heads, width / head_len, head_len);
        let plan = Plan::new(step, attention, heads, self.pool.threads());
        self.gathered.resize(self.gathered.len().max(plan.len), 0.0);
        let gathered = Pointer(self.gathered.as_mut_ptr());
        let work = Work { isa, cache, attention, step, plan, heads, queries, gathered };
        let out = Pointer(out.data.as_mut_ptr());
        // The last rows first: they see most, and a long task must not come last.
        self.pool.run(work.plan.tasks.len(), &|task| work.run(work.plan.tasks.len() - 1 - task, &out));
    }
}

/// What all tasks share.
struct Work<'a> {
    isa: Isa,
    cache: &'a Cache,
    attention: &'a Attention<'a>,
    step: &'a Step<'a>,
    plan: Plan,
    heads: Heads,
    queries: &'a Floats,
    /// Room for the results of shared segments.
    gathered: Pointer<f32>,
}

impl Work<'_> {
    /// Does a task; nobody else does the same.
    fn run(&self, task: usize, out: &Pointer<f32>) {
        let task = &self.plan.tasks[task];
        let rows = &self.plan.order[task.rows.clone()];
        let block = self.block(task, rows);
        let size = rows.len() * self.heads.1 * gathered_len(self.heads.2);
        let Some(shared) = task.shared.map(|shared| &self.plan.shared[shared]) else {
            let mut own = vec![0.0; size];
            clear(&mut own, self.heads.2);
            call!(self.isa, attend(&block, task.segments.clone(), &mut own));
            self.put(task, &mut own, out);
            return;
        };
        let start = shared.start + (task.segments.start - shared.first) * size;
        // SAFETY: The plan gave each segment of each head a place of its own within `len`.
        let own = unsafe { std::slice::from_raw_parts_mut(self.gathered.at(start), size) };
        clear(own, self.heads.2);
        call!(self.isa, attend(&block, task.segments.clone(), own));
        if shared.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let len = shared.segments * size;
            // SAFETY: As above, and all tasks that share these segments have ended: each counted down, releasing what it
            // wrote, and this one was the last.
            let all = unsafe { std::slice::from_raw_parts_mut(self.gathered.at(shared.start), len) };
            self.put(task, all, out);
        }
    }

    fn block(&self, task: &Task, rows: &[usize]) -> Block<'_> {
        let width = self.heads.1 * self.heads.2;
        let row = |row: &usize| Row {
            queries: &self.queries.row(*row)[task.head * width..][..width],
            sight: self.step.sight(self.attention, *row),
            turn: self.step.turn(self.attention, *row),
        };
        Block {
            cache: self.cache,
            attention: self.attention,
            head: task.head,
            pages: self.step.pages[self.step.sequences[rows[0]]],
            rows: rows.iter().map(row).collect(),
        }
    }

    /// Writes the results of a task's rows and heads.
    fn put(&self, task: &Task, segments: &mut [f32], out: &Pointer<f32>) {
        let (_, group, head_len) = self.heads;
        let (rows, len) = (&self.plan.order[task.rows.clone()], gathered_len(head_len));
        call!(self.isa, conclude(segments, rows.len() * group, head_len));
        for (row, gathered) in rows.iter().zip(segments.chunks_exact(group * len)) {
            let start = row * self.queries.len + task.head * group * head_len;
            // SAFETY: The row is one of `out`, which is as wide as the queries; only this task, or the last of those that
            // share its rows and head, writes there.
            let to = unsafe { std::slice::from_raw_parts_mut(out.at(start), group * head_len) };
            for (to, from) in to.chunks_exact_mut(head_len).zip(gathered.chunks_exact(len)) {
                to.copy_from_slice(&from[len - head_len..]);
            }
        }
    }
}
