//! Attention of one row over the pages of its sequence, page by page from the first, with a running maximum (Milakov
//! and Gimelshein, "Online normalizer calculation for softmax"). The order depends on the row's position alone.

#![expect(unsafe_code, reason = "instruction sets that may be absent, and pages that several threads write")]

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::arch::Arch;
use super::cache::{Cache, PAGE_TOKENS, Page, Place, Writer};
use super::lanes::{LANES, Lanes, exp, largest, normalise, sum};
use super::rotary::{Turn, rotate};

/// The longest head.
pub(crate) const HEAD_LEN_MAX: usize = 256;
/// Query heads that are taken together over one head of keys.
const HEADS: usize = 4;
/// Registers of scores of a page.
const PARTS: usize = PAGE_TOKENS / LANES;

/// How a layer attends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention<'a> {
    /// The number of the layer, from 0.
    pub(crate) layer: usize,
    /// What queries are multiplied by.
    pub(crate) scale: f32,
    /// Bends scores, so that none is beyond it: `cap * tanh(score / cap)`.
    pub(crate) softcap: Option<f32>,
    /// How many positions a row attends to at most, its own included; at least one.
    pub(crate) window: Option<usize>,
    /// The weights and the epsilon by which each head of queries is normalised before it turns.
    pub(crate) query_norm: Option<(&'a [f32], f32)>,
    /// The same of keys.
    pub(crate) key_norm: Option<(&'a [f32], f32)>,
    /// Which of the step's turns heads take, if any.
    pub(crate) turns: Option<usize>,
}

#[cfg(test)]
impl Attention<'_> {
    /// As in Llama: queries divided by the root of their length, everything before a row in sight, the first turns.
    pub(crate) fn plain(layer: usize, head_len: usize) -> Self {
        Self {
            layer,
            scale: 1.0 / (head_len as f32).sqrt(),
            softcap: None,
            window: None,
            query_norm: None,
            key_norm: None,
            turns: Some(0),
        }
    }
}

/// A row that attends: its queries attend to every position up to `last` that is in the window.
pub(crate) struct Query<'a> {
    pub(crate) attention: &'a Attention<'a>,
    /// The head of keys and values.
    pub(crate) head: usize,
    /// The sequence's pages.
    pub(crate) pages: &'a [Page],
    pub(crate) last: usize,
    pub(crate) turn: Option<Turn<'a>>,
}

impl Query<'_> {
    /// The positions in sight.
    fn sight(&self) -> Range<usize> {
        let end = self.last + 1;
        end - self.attention.window.unwrap_or(end).min(end)..end
    }
}

/// Normalises and turns a head: of queries, or of keys.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn prepare<A: Arch>(
    from: &[f32],
    norm: Option<(&[f32], f32)>,
    turn: Option<Turn<'_>>,
    to: &mut [f32],
) {
    match norm {
        // SAFETY: The caller's promise.
        Some((weights, epsilon)) => unsafe { normalise::<A>(from, weights, epsilon, to) },
        None => to.copy_from_slice(from),
    }
    if let Some(turn) = turn {
        rotate(to, turn);
    }
}

/// Attends with all query heads that share a head of keys; `out` has a place for each number of `queries`.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn attend<A: Arch>(cache: &Cache, query: &Query<'_>, queries: &[f32], out: &mut [f32]) {
    let head_len = cache.geometry.head_len;
    let pieces = queries.chunks(HEADS * head_len).zip(out.chunks_mut(HEADS * head_len));
    for (queries, out) in pieces {
        // SAFETY: The caller's promise.
        unsafe {
            match queries.len() / head_len {
                1 => some_heads::<A, 1>(cache, query, queries, out),
                2 => some_heads::<A, 2>(cache, query, queries, out),
                3 => some_heads::<A, 3>(cache, query, queries, out),
                _ => some_heads::<A, 4>(cache, query, queries, out),
            }
        }
    }
}

/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn some_heads<A: Arch, const H: usize>(
    cache: &Cache,
    query: &Query<'_>,
    queries: &[f32],
    out: &mut [f32],
) {
    let head_len = cache.geometry.head_len;
    let Query { attention, pages, .. } = *query;
    let mut heads = [[0.0f32; HEAD_LEN_MAX]; H];
    for (head, from) in heads.iter_mut().zip(queries.chunks_exact(head_len)) {
        // SAFETY: The caller's promise.
        unsafe { prepare::<A>(from, attention.query_norm, query.turn, &mut head[..head_len]) };
        head[..head_len].iter_mut().for_each(|number| *number *= attention.scale);
    }
    let mut peaks = [f32::NEG_INFINITY; H];
    let mut totals = [0.0f32; H];
    out.fill(0.0);
    let sight = query.sight();
    let first = sight.start / PAGE_TOKENS;
    for (at, page) in pages[first..sight.end.div_ceil(PAGE_TOKENS)].iter().enumerate() {
        let start = (first + at) * PAGE_TOKENS;
        let tokens = sight.start.max(start) - start..PAGE_TOKENS.min(sight.end - start);
        // SAFETY: The caller's promise.
        let mut scores = unsafe { scores::<A, H>(cache.keys(*page, attention.layer, query.head), &heads) };
        if let Some(cap) = attention.softcap {
            scores
                .as_flattened_mut()
                .as_flattened_mut()
                .iter_mut()
                .for_each(|score| *score = bend(*score, cap));
        }
        let mut shrinks = [1.0; H];
        for head in 0..H {
            (peaks[head], shrinks[head]) = soften(&mut scores[head], &tokens, peaks[head]);
            let mut lanes = scores[head][0];
            for part in &scores[head][1..] {
                for lane in 0..LANES {
                    lanes[lane] += part[lane];
                }
            }
            totals[head] = totals[head].mul_add(shrinks[head], sum(&lanes));
        }
        // SAFETY: The caller's promise.
        unsafe {
            add_values::<A, H>(
                cache.values(*page, attention.layer, query.head),
                &scores,
                &tokens,
                (&shrinks, out),
            );
        }
    }
    for (out, total) in out.chunks_exact_mut(head_len).zip(totals) {
        let inverse = 1.0 / total;
        out.iter_mut().for_each(|number| *number *= inverse);
    }
}

/// The products of each head with the keys of a page.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn scores<A: Arch, const H: usize>(
    keys: &[u16],
    heads: &[[f32; HEAD_LEN_MAX]; H],
) -> [[Lanes; PARTS]; H] {
    let mut scores = [[[0.0; LANES]; PARTS]; H];
    for (dimension, tokens) in keys.as_chunks::<PAGE_TOKENS>().0.iter().enumerate().take(HEAD_LEN_MAX) {
        for (part, tokens) in tokens.as_chunks::<LANES>().0.iter().enumerate() {
            // SAFETY: The caller's promise.
            let keys = unsafe { A::widen(tokens) };
            for head in 0..H {
                let query = heads[head][dimension];
                for lane in 0..LANES {
                    scores[head][part][lane] = keys[lane].mul_add(query, scores[head][part][lane]);
                }
            }
        }
    }
    scores
}

/// `cap * tanh(score / cap)`.
#[inline(always)]
fn bend(score: f32, cap: f32) -> f32 {
    cap * (1.0 - 2.0 / (exp(2.0 * (score / cap)) + 1.0))
}

/// Turns scores into weights relative to the highest score so far. Gives that, and by what earlier weights shrink.
#[inline(always)]
fn soften(scores: &mut [Lanes; PARTS], tokens: &Range<usize>, peak: f32) -> (f32, f32) {
    let mut high = peak;
    for (part, scores) in scores.iter_mut().enumerate() {
        for (lane, score) in scores.iter_mut().enumerate() {
            *score = if tokens.contains(&(part * LANES + lane)) { *score } else { f32::NEG_INFINITY };
        }
        high = high.max(largest(scores));
    }
    for (part, scores) in scores.iter_mut().enumerate() {
        for (lane, score) in scores.iter_mut().enumerate() {
            let weight = exp(*score - high);
            *score = if tokens.contains(&(part * LANES + lane)) { weight } else { 0.0 };
        }
    }
    (high, exp(peak - high))
}

/// Adds the page's values, by their weights, to the shrunk sums.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn add_values<A: Arch, const H: usize>(
    values: &[u16],
    weights: &[[Lanes; PARTS]; H],
    tokens: &Range<usize>,
    (shrinks, out): (&[f32; H], &mut [f32]),
) {
    let head_len = out.len() / H;
    for chunk in 0..head_len / LANES {
        let mut sums = [[0.0; LANES]; H];
        for head in 0..H {
            for lane in 0..LANES {
                sums[head][lane] = out[head * head_len + chunk * LANES + lane] * shrinks[head];
            }
        }
        for (token, numbers) in values.chunks_exact(head_len).enumerate().take(tokens.end).skip(tokens.start)
        {
            let mut from = [0; LANES];
            from.copy_from_slice(&numbers[chunk * LANES..][..LANES]);
            // SAFETY: The caller's promise.
            let numbers = unsafe { A::widen(&from) };
            for head in 0..H {
                let weight = weights[head][token / LANES][token % LANES];
                for lane in 0..LANES {
                    sums[head][lane] = numbers[lane].mul_add(weight, sums[head][lane]);
                }
            }
        }
        for head in 0..H {
            out[head * head_len + chunk * LANES..][..LANES].copy_from_slice(&sums[head]);
        }
    }
}

/// Normalises and turns a row's keys and keeps them with its values, in all heads.
///
/// # Safety
/// The CPU has the instruction set, and nobody else writes to this place.
#[inline(always)]
pub(super) unsafe fn remember<A: Arch>(
    writer: &Writer<'_>,
    place: Place,
    (norm, turn): (Option<(&[f32], f32)>, Option<Turn<'_>>),
    (keys, values): (&[f32], &[f32]),
) {
    let head_len = writer.head_len();
    for (head, (key, value)) in keys.chunks_exact(head_len).zip(values.chunks_exact(head_len)).enumerate() {
        let mut turned = [0.0; HEAD_LEN_MAX];
        // SAFETY: The caller's promise.
        unsafe { prepare::<A>(key, norm, turn, &mut turned[..head_len]) };
        let (mut narrow_key, mut narrow_value) = ([0; HEAD_LEN_MAX], [0; HEAD_LEN_MAX]);
        // SAFETY: The caller's promise.
        unsafe {
            narrow::<A>(&turned[..head_len], &mut narrow_key);
            narrow::<A>(value, &mut narrow_value);
            writer.put(place, head, &narrow_key[..head_len], &narrow_value[..head_len]);
        }
    }
}

/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn narrow<A: Arch>(from: &[f32], to: &mut [u16; HEAD_LEN_MAX]) {
    for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0) {
        // SAFETY: The caller's promise.
        *to = unsafe { A::narrow(from) };
    }
}
