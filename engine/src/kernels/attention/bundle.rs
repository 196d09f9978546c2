//! Queries that are taken together over the pages that they see, and what they have gathered.

use std::ops::Range;

use super::HEAD_LEN_MAX;
use crate::kernels::cache::PAGE_TOKENS;
use crate::kernels::lanes::{LANES, Lanes, exp, sum};

/// The most queries of a bundle.
const QUERIES_MAX: usize = 12;
/// How many queries a bundle may have room for: there is code for each.
const SIZES: [usize; 7] = [1, 2, 3, 4, 6, 8, QUERIES_MAX];

/// Positions that a query sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Sight {
    /// The tokens in sight of the page that begins at `start`; none are `32..32` or `0..0`.
    #[inline(always)]
    pub(super) fn within(self, start: usize) -> Range<usize> {
        let clip = |position: usize| position.saturating_sub(start).min(PAGE_TOKENS);
        clip(self.start)..clip(self.end)
    }

    /// The pages in sight.
    pub(crate) const fn pages(self) -> Range<usize> {
        self.start / PAGE_TOKENS..self.end.div_ceil(PAGE_TOKENS)
    }

    /// What both see, and what is between.
    pub(crate) fn union(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) Lanes);

/// Queries that are taken together.
pub(crate) struct Bundle {
    pub(super) head_len: usize,
    /// How many queries there is room for. Those beyond the real ones are zero and see nothing.
    pub(super) size: usize,
    /// How many there are.
    count: usize,
    /// The queries, dimension by dimension, prepared: normalised, turned and scaled.
    pub(super) queries: Vec<Line>,
    pub(super) sights: [Sight; QUERIES_MAX],
    /// What all of them see, and what is between.
    pub(super) sight: Sight,
    /// The highest score of each query.
    pub(super) peaks: [f32; QUERIES_MAX],
    /// The sums of its weights, in each lane.
    pub(super) totals: [Lanes; QUERIES_MAX],
    /// The sums of values by its weights, query by query.
    pub(super) sums: Vec<Line>,
}

impl Line {
    /// The floats of lines.
    pub(super) const fn floats(lines: &[Self]) -> &[f32] {
        // SAFETY: A line is sixteen floats and nothing else.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
    }
}

impl Bundle {
    /// With room for `count` queries, at most as many as the instruction set takes together.
    pub(super) fn new(head_len: usize, count: usize) -> Self {
        let size = SIZES.into_iter().find(|size| *size >= count).unwrap_or(QUERIES_MAX);
        let lines = vec![Line([0.0; LANES]); size * head_len / LANES];
        Self {
            head_len,
            size,
            count: 0,
            queries: lines.clone(),
            sights: [Sight::default(); QUERIES_MAX],
            sight: Sight { start: usize::MAX, end: 0 },
            peaks: [f32::NEG_INFINITY; QUERIES_MAX],
            totals: [[0.0; LANES]; QUERIES_MAX],
            sums: lines,
        }
    }

    /// Takes a query that has been prepared.
    #[inline(always)]
    pub(super) fn push(&mut self, query: &[f32], sight: Sight) {
        assert!(
            self.count < self.size && query.len() == self.head_len,
            "a query too many, or of another length"
        );
        for (dimension, number) in query.iter().enumerate() {
            let to = dimension * self.size + self.count;
            self.queries[to / LANES].0[to % LANES] = *number;
        }
        self.sights[self.count] = sight;
        self.sight = self.sight.union(sight);
        self.count += 1;
    }

    /// Whether any query sees the page of this number in the sequence.
    pub(super) fn sees(&self, page: usize) -> bool {
        self.sight.pages().contains(&page)
    }

    /// Adds what has been gathered to that of earlier segments (see [`fold`]) and begins anew.
    #[inline(always)]
    pub(super) fn settle(&mut self, to: &mut [f32]) {
        let mut gathered = [0.0; LANES + HEAD_LEN_MAX];
        let (chunks, len) = (self.head_len / LANES, gathered_len(self.head_len));
        for (at, to) in to.chunks_exact_mut(len).enumerate().take(self.count) {
            gathered[0] = self.peaks[at];
            gathered[TOTAL] = sum(&self.totals[at]);
            let sums = &mut self.sums[at * chunks..][..chunks];
            for (line, to) in sums.iter_mut().zip(gathered[LANES..].as_chunks_mut::<LANES>().0) {
                *to = line.0;
                line.0 = [0.0; LANES];
            }
            fold(to, &gathered[..len]);
        }
        self.peaks = [f32::NEG_INFINITY; QUERIES_MAX];
        self.totals = [[0.0; LANES]; QUERIES_MAX];
    }
}

/// Where the sum of weights is among what a query has gathered. Its highest score is first; the sums of values begin with
/// the second line.
pub(super) const TOTAL: usize = 1;

/// How many floats hold what a query has gathered.
pub(crate) const fn gathered_len(head_len: usize) -> usize {
    LANES + head_len
}

/// Makes it what queries have gathered that have seen nothing.
pub(crate) fn clear(gathered: &mut [f32], head_len: usize) {
    gathered.fill(0.0);
    gathered.chunks_exact_mut(gathered_len(head_len)).for_each(|query| query[0] = f32::NEG_INFINITY);
}

/// Adds what a query has gathered of one segment to what it has of those before.
#[inline(always)]
pub(crate) fn fold(to: &mut [f32], from: &[f32]) {
    let (before, after) = (to[0], from[0]);
    if after == f32::NEG_INFINITY {
        return;
    }
    if before == f32::NEG_INFINITY {
        to.copy_from_slice(from);
        return;
    }
    let high = before.max(after);
    let (shrink, factor) = (exp(before - high), exp(after - high));
    to[0] = high;
    for (to, from) in to[1..].iter_mut().zip(&from[1..]) {
        *to = from.mul_add(factor, *to * shrink);
    }
}
