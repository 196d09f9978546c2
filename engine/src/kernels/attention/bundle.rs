//! Queries that are taken together over the pages that they see, and what they have gathered.

use std::ops::Range;

use super::HEAD_LEN_MAX;
use super::weights::{LOWEST, power};
use crate::kernels::cache::PAGE_TOKENS;
use crate::kernels::lanes::{LANES, Lanes, sum};

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
    pub(crate) fn within(self, start: usize) -> Range<usize> {
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

/// From one query of a bundle to the next, in floats: the longest head, and a line, so that queries do not all fall into
/// the same few sets of the CPU's cache.
pub(super) const QUERY_STRIDE: usize = HEAD_LEN_MAX + LANES;

/// Queries that are taken together.
pub(crate) struct Bundle {
    pub(super) head_len: usize,
    /// How many queries there is room for. Those beyond the real ones are zero and see nothing.
    pub(super) size: usize,
    /// How many there are.
    count: usize,
    /// The queries, prepared: normalised, turned and scaled; each [`QUERY_STRIDE`] after the one before.
    pub(super) queries: Vec<Line>,
    pub(super) sights: [Sight; QUERIES_MAX],
    /// What all of them see, and what is between.
    pub(super) sight: Sight,
    /// The highest score of each query.
    pub(super) peaks: Line,
    /// The sums of its weights, in each lane.
    pub(super) totals: [Line; QUERIES_MAX],
    /// The sums of values by its weights, query by query.
    pub(super) sums: Vec<Line>,
}

impl Line {
    /// The floats of lines.
    pub(super) const fn floats(lines: &[Self]) -> &[f32] {
        // SAFETY: A line is sixteen floats and nothing else.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
    }

    /// The same, to write to.
    const fn floats_mut(lines: &mut [Self]) -> &mut [f32] {
        // SAFETY: As above.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self {
            head_len: 0,
            size: 0,
            count: 0,
            queries: Vec::new(),
            sights: [Sight::default(); QUERIES_MAX],
            sight: Sight { start: usize::MAX, end: 0 },
            peaks: Line([LOWEST; LANES]),
            totals: [Line([0.0; LANES]); QUERIES_MAX],
            sums: Vec::new(),
        }
    }
}

impl Bundle {
    /// Begins anew, with room for `count` queries, at most as many as the instruction set takes together.
    pub(super) fn renew(&mut self, head_len: usize, count: usize) {
        let size = SIZES.into_iter().find(|size| *size >= count).unwrap_or(QUERIES_MAX);
        (self.head_len, self.size, self.count) = (head_len, size, 0);
        let stride = QUERY_STRIDE / LANES;
        self.queries.resize(self.queries.len().max(size * stride), Line([0.0; LANES]));
        for query in count..size {
            self.queries[query * stride..][..head_len / LANES].fill(Line([0.0; LANES]));
        }
        self.sums.clear();
        self.sums.resize(size * head_len / LANES, Line([0.0; LANES]));
        self.sights = [Sight::default(); QUERIES_MAX];
        self.sight = Sight { start: usize::MAX, end: 0 };
        self.peaks = Line([LOWEST; LANES]);
        self.totals = [Line([0.0; LANES]); QUERIES_MAX];
    }

    /// Whether it has no room for another query.
    pub(super) const fn is_full(&self) -> bool {
        self.count == self.size
    }

    /// Takes a query; gives the place where it is to be written, prepared.
    pub(super) fn push(&mut self, sight: Sight) -> &mut [f32] {
        assert!(self.count < self.size, "a query too many");
        self.sights[self.count] = sight;
        self.sight = self.sight.union(sight);
        self.count += 1;
        let start = (self.count - 1) * QUERY_STRIDE / LANES;
        Line::floats_mut(&mut self.queries[start..][..self.head_len / LANES])
    }

    /// Whether any query sees the page of this number in the sequence.
    pub(super) fn sees(&self, page: usize) -> bool {
        self.sight.pages().contains(&page)
    }

    /// Adds what has been gathered to that of earlier segments (see [`fold`]) and begins anew.
    #[inline(always)]
    pub(super) fn settle(&mut self, to: &mut [f32]) {
        let (chunks, len) = (self.head_len / LANES, gathered_len(self.head_len));
        for (at, to) in to.chunks_exact_mut(len).enumerate().take(self.count) {
            let sums = &mut self.sums[at * chunks..][..chunks];
            fold(to, (self.peaks.0[at], sum(&self.totals[at].0)), Line::floats(sums));
            sums.fill(Line([0.0; LANES]));
        }
        self.peaks = Line([LOWEST; LANES]);
        self.totals = [Line([0.0; LANES]); QUERIES_MAX];
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
    gathered.chunks_exact_mut(gathered_len(head_len)).for_each(|query| query[0] = LOWEST);
}

/// Adds what a query has gathered of one segment, its highest score and its weights first, to what it has of those
/// before.
#[inline(always)]
pub(crate) fn fold(to: &mut [f32], (peak, total): (f32, f32), sums: &[f32]) {
    if peak == LOWEST {
        return;
    }
    let (head, to) = to.split_at_mut(LANES);
    let all = to.as_chunks_mut::<LANES>().0.iter_mut().zip(sums.as_chunks::<LANES>().0);
    let before = head[0];
    if before == LOWEST {
        (head[0], head[TOTAL]) = (peak, total);
        all.for_each(|(to, from)| *to = *from);
        return;
    }
    let high = before.max(peak);
    let (shrink, factor) = (power(before - high), power(peak - high));
    for (to, from) in all {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from.mul_add(factor, *to * shrink);
        }
    }
    (head[0], head[TOTAL]) = (high, total.mul_add(factor, head[TOTAL] * shrink));
}
