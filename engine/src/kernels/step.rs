//! Attention with the rows of a step, on all threads.

#![expect(unsafe_code, reason = "tasks write to one place, each its own rows and heads")]

mod plan;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::attention::{Block, Next, Pair, Room, Row, SEGMENT_PAGES, Sight, clear, gathered_len};
use super::isa::call;
use super::pool::Pointer;
use super::rotary::Turn;
use super::{Attention, Cache, Floats, Geometry, Isa, Kernels, PAGE_TOKENS, Page, Places, Turns};
use plan::{Heads, Plan, Task};

/// The rows of a step, as attention sees them.
pub(crate) struct Step<'a> {
    /// Nobody else uses it meanwhile, or only steps that this one was divided into, too.
    cache: &'a Cache,
    /// Where each row's key and value go.
    places: Places,
    /// The last position that each row attends to: its own, or the sequence's last where rows see what follows them.
    positions: Vec<usize>,
    /// Each row's sequence.
    sequences: Vec<usize>,
    /// The pages of each sequence. Those before a layer's window are not read.
    pages: Vec<&'a [Page]>,
    /// The turns that layers choose from.
    turns: Vec<Turns>,
    /// The rows, sequence by sequence, position by position.
    order: Vec<usize>,
    /// Which rows are the only ones of their sequence, and write to a page that is no other sequence's: nobody else waits
    /// for what they keep.
    alone: Vec<bool>,
    /// Whether no row writes to a page that is another sequence's, too.
    separate: bool,
    /// How threads share attention, by the layers' windows.
    plans: Vec<(Option<usize>, Plan)>,
}

impl<'a> Step<'a> {
    /// Rows by their places, the last positions that they attend to, and their sequences; and each sequence's pages.
    pub(crate) fn new(
        cache: &'a mut Cache,
        places: Places,
        (positions, sequences): (Vec<usize>, Vec<usize>),
        pages: Vec<&'a [Page]>,
        turns: Vec<Turns>,
    ) -> Self {
        assert!(
            positions.len() == places.len() && sequences.len() == places.len(),
            "rows without a position or a sequence"
        );
        let (mut rows, mut holders) = (vec![0_usize; pages.len()], Vec::new());
        sequences.iter().for_each(|sequence| rows[*sequence] += 1);
        for page in pages.iter().copied().flatten() {
            holders.resize(holders.len().max(*page as usize + 1), 0_usize);
            holders[*page as usize] += 1;
        }
        let has_own_page = |row: usize| {
            let page = places.at(row).page;
            pages[sequences[row]].get(positions[row] / PAGE_TOKENS) == Some(&page)
                && holders[page as usize] == 1
        };
        let alone = (0..places.len()).map(|row| rows[sequences[row]] == 1 && has_own_page(row)).collect();
        let separate = (0..places.len()).all(has_own_page);
        let order = in_order(&positions, &sequences);
        let plans = Vec::new();
        Self { cache, places, positions, sequences, pages, turns, order, alone, separate, plans }
    }

    /// The step of these rows alone, which come in order, once all keys and values have been kept.
    pub(crate) fn pick(self, rows: &[usize]) -> Self {
        self.of(rows)
    }

    /// Whether it may be computed in such parts at the same time: none of them sees what another writes.
    pub(crate) fn divides(&self, parts: &[Vec<usize>]) -> bool {
        let (mut taken, mut owners) = (vec![false; self.places.len()], vec![None; self.pages.len()]);
        let rows = parts.iter().enumerate().flat_map(|(part, rows)| rows.iter().map(move |row| (part, *row)));
        let mut is_owner = |part: usize, row: usize| *owners[self.sequences[row]].get_or_insert(part) == part;
        let mut is_new = |row: usize| !std::mem::replace(&mut taken[row], true);
        self.separate && rows.into_iter().all(|(part, row)| is_new(row) && is_owner(part, row))
    }

    /// Steps of some of the rows each, which come in order.
    ///
    /// # Panics
    /// It does not divide so.
    pub(crate) fn divide(self, parts: &[Vec<usize>]) -> Vec<Self> {
        assert!(self.divides(parts), "parts of which one sees what another writes");
        parts.iter().map(|rows| self.of(rows)).collect()
    }

    fn of(&self, rows: &[usize]) -> Self {
        let positions: Vec<usize> = rows.iter().map(|row| self.positions[*row]).collect();
        let sequences: Vec<usize> = rows.iter().map(|row| self.sequences[*row]).collect();
        let order = in_order(&positions, &sequences);
        Self {
            cache: self.cache,
            places: Places::new(rows.iter().map(|row| self.places.at(*row)).collect()),
            positions,
            sequences,
            pages: self.pages.clone(),
            turns: self.turns.iter().map(|turns| turns.pick(rows, self.places.len())).collect(),
            order,
            alone: rows.iter().map(|row| self.alone[*row]).collect(),
            separate: self.separate,
            plans: Vec::new(),
        }
    }

    /// Has a plan for layers of this window, all of the same heads; gives its number.
    fn plan(&mut self, attention: &Attention<'_>, heads: Heads, threads: usize) -> usize {
        let found = self.plans.iter().position(|(window, _)| *window == attention.window);
        found.unwrap_or_else(|| {
            self.plans.push((attention.window, Plan::new(self, attention, heads, threads)));
            self.plans.len() - 1
        })
    }

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

    /// A row's key and value of one head.
    fn pair<'b>(
        &'b self,
        attention: &Attention<'_>,
        row: usize,
        (key, value): (&'b [f32], &'b [f32]),
    ) -> Pair<'b> {
        Pair { place: self.places.at(row), key, value, turn: self.turn(attention, row) }
    }
}

/// The rows, sequence by sequence, position by position.
fn in_order(positions: &[usize], sequences: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by_key(|row| (sequences[*row], positions[*row]));
    order
}

impl Kernels {
    /// Keeps the rows' keys and values of a layer. What a page holds is one sequence's own until it is full.
    pub(crate) fn remember(&mut self, attention: &Attention<'_>, step: &Step<'_>, pairs: (&Floats, &Floats)) {
        self.keep(attention, step, (&step.order, pairs));
    }

    fn keep(
        &mut self,
        attention: &Attention<'_>,
        step: &Step<'_>,
        (rows, (keys, values)): (&[usize], (&Floats, &Floats)),
    ) {
        let (isa, cache) = (self.isa, step.cache);
        let Geometry { heads, head_len, .. } = cache.geometry;
        assert!(keys.len == heads * head_len && values.len == keys.len, "keys of another size");
        step.check(attention, head_len);
        let share = self.pool.share(rows.len());
        self.pool.run(rows.len().div_ceil(share), &|task| {
            for row in &rows[task * share..rows.len().min((task + 1) * share)] {
                let heads =
                    keys.row(*row).chunks_exact(head_len).zip(values.row(*row).chunks_exact(head_len));
                for (head, pair) in heads.enumerate() {
                    // `Places` are distinct, so each row has its place to itself, and nobody reads.
                    call!(isa, remember(cache, attention, head, &step.pair(attention, *row, pair)));
                }
            }
        });
    }

    /// Attends with every row's queries in a layer; before that, keeps the rows' keys and values, where they come along.
    pub(crate) fn attend(
        &mut self,
        attention: &Attention<'_>,
        step: &mut Step<'_>,
        (queries, pairs, out): (&Floats, Option<(&Floats, &Floats)>, &mut Floats),
    ) {
        let (isa, cache) = (self.isa, step.cache);
        let Geometry { heads, head_len, .. } = cache.geometry;
        let width = queries.len / heads;
        assert!(width.is_multiple_of(head_len) && out.len == queries.len, "queries of another size");
        assert!(out.data.len() >= step.places.len() * out.len, "too few rows");
        step.check(attention, head_len);
        if let Some(pairs) = pairs {
            // Rows that are alone keep theirs when they attend, and need not reach for their page twice.
            let rows: Vec<usize> = step.order.iter().copied().filter(|row| !step.alone[*row]).collect();
            self.keep(attention, step, (&rows, pairs));
        }
        let heads = (heads, width / head_len, head_len);
        let plan = step.plan(attention, heads, self.pool.threads());
        let (step, plan) = (&*step, &step.plans[plan].1);
        self.gathered.resize(self.gathered.len().max(plan.len), 0.0);
        let gathered = Pointer(self.gathered.as_mut_ptr());
        let out = Pointer(out.data.as_mut_ptr());
        let rooms = &self.rooms;
        let work = Work { isa, attention, step, plan, heads, queries, pairs, gathered, out };
        self.pool.run(plan.runs.len(), &|run| work.run(run, rooms));
    }
}

/// What all tasks share.
struct Work<'a> {
    isa: Isa,
    attention: &'a Attention<'a>,
    step: &'a Step<'a>,
    plan: &'a Plan,
    heads: Heads,
    queries: &'a Floats,
    /// Keys and values of the rows that are alone, if they are still to be kept.
    pairs: Option<(&'a Floats, &'a Floats)>,
    /// Room for the results of shared segments.
    gathered: Pointer<f32>,
    out: Pointer<f32>,
}

impl Work<'_> {
    /// Does a run of tasks; nobody else does the same.
    fn run(&self, run: usize, rooms: &Mutex<Vec<Room>>) {
        let free = || rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = free().pop().unwrap_or_default();
        let tasks = &self.plan.tasks[self.plan.runs[run].clone()];
        // The run after this one is the thread's next, if no other thread has taken it.
        let later = self.plan.runs.get(run + 1).map(|run| &self.plan.tasks[run.start]);
        for (number, task) in tasks.iter().enumerate() {
            self.attend(task, tasks.get(number + 1).or(later), &mut room);
        }
        free().push(room);
    }

    /// Does a task; fetches what the next one begins with.
    fn attend(&self, task: &Task, next: Option<&Task>, room: &mut Room) {
        let (_, group, head_len) = self.heads;
        let rows = &self.step.order[task.rows.clone()];
        room.begin(rows.len() * group);
        for row in rows {
            let queries = self.queries(task, *row);
            let sight = self.step.sight(self.attention, *row);
            let row = Row { queries, sight, turn: self.step.turn(self.attention, *row) };
            call!(self.isa, take(room, self.attention, head_len, &row));
        }
        if let Some(task) = next {
            let rows = &self.step.order[task.rows.clone()];
            rows.iter().for_each(|row| call!(self.isa, fetch(self.queries(task, *row))));
        }
        let block = self.block(task, next);
        let size = rows.len() * group * gathered_len(head_len);
        // Writers: rows that are not alone have been kept; those that are keep theirs in a page that only they attend to. What a
        // step that was divided writes elsewhere, nobody sees here.
        let Some(shared) = task.shared.map(|shared| &self.plan.shared[shared]) else {
            let mut own = std::mem::take(&mut room.gathered);
            own.resize(own.len().max(size), 0.0);
            clear(&mut own[..size], head_len);
            call!(self.isa, attend(&block, room, &mut own[..size]));
            self.put(task, &mut own[..size]);
            room.gathered = own;
            return;
        };
        let start = shared.start + (task.pages.start / SEGMENT_PAGES - shared.first) * size;
        // SAFETY: The plan gave each segment of each head a place of its own within `len`.
        let own = unsafe { std::slice::from_raw_parts_mut(self.gathered.at(start), size) };
        clear(own, head_len);
        call!(self.isa, attend(&block, room, own));
        if shared.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // For the next layer.
            shared.left.store(shared.segments, Ordering::Relaxed);
            let len = shared.segments * size;
            // SAFETY: As above, and all tasks that share these segments have ended: each counted down, releasing what it
            // wrote, and this one was the last.
            let all = unsafe { std::slice::from_raw_parts_mut(self.gathered.at(shared.start), len) };
            self.put(task, all);
        }
    }

    fn block(&self, task: &Task, next: Option<&Task>) -> Block<'_> {
        let row = self.step.order[task.rows.start];
        let is_last = self.step.positions[row] / PAGE_TOKENS + 1 == task.pages.end;
        let last = self.pairs.filter(|_| self.step.alone[row] && is_last).map(|(keys, values)| {
            let head = task.head * self.heads.2..(task.head + 1) * self.heads.2;
            let pair = (&keys.row(row)[head.clone()], &values.row(row)[head]);
            self.step.pair(self.attention, row, pair)
        });
        Block {
            cache: self.step.cache,
            attention: self.attention,
            head: task.head,
            pages: self.pages(task),
            numbers: task.pages.clone(),
            last,
            next: next.map(|task| self.first_page(task)),
        }
    }

    /// The pages of a task's sequence.
    fn pages(&self, task: &Task) -> &[Page] {
        self.step.pages[self.step.sequences[self.step.order[task.rows.start]]]
    }

    /// The page that a task begins with.
    fn first_page(&self, task: &Task) -> Next<u8> {
        let rows = &self.step.order[task.rows.clone()];
        let sights = rows.iter().map(|row| self.step.sight(self.attention, *row));
        let sight = sights.reduce(Sight::union).unwrap_or_default();
        let keys = self.step.cache.keys(self.pages(task)[task.pages.start], self.attention.layer, task.head);
        Next { keys, tokens: sight.within(task.pages.start * PAGE_TOKENS) }
    }

    /// The queries of a row that share a task's head of keys.
    fn queries(&self, task: &Task, row: usize) -> &[f32] {
        let len = self.heads.1 * self.heads.2;
        &self.queries.row(row)[task.head * len..][..len]
    }

    /// Writes the results of a task's rows and heads.
    fn put(&self, task: &Task, segments: &mut [f32]) {
        let (_, group, head_len) = self.heads;
        let (rows, len) = (&self.step.order[task.rows.clone()], gathered_len(head_len));
        call!(self.isa, conclude(segments, rows.len() * group, head_len));
        for (row, gathered) in rows.iter().zip(segments.chunks_exact(group * len)) {
            let start = row * self.queries.len + task.head * group * head_len;
            // SAFETY: The row is one of `out`, which is as wide as the queries; only this task, or the last of those that
            // share its rows and head, writes there.
            let to = unsafe { std::slice::from_raw_parts_mut(self.out.at(start), group * head_len) };
            for (to, from) in to.chunks_exact_mut(head_len).zip(gathered.chunks_exact(len)) {
                to.copy_from_slice(&from[len - head_len..]);
            }
        }
    }
}
