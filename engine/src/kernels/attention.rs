//! Attention of one row over the pages of its sequence, page by page from the first, with a running maximum (Milakov
//! and Gimelshein, "Online normalizer calculation for softmax"). The order depends on the row's position alone.

#![expect(unsafe_code, reason = "instruction sets that may be absent, and pages that several threads write")]

use super::cache::{Cache, PAGE_TOKENS, Page, Place, Writer};
use super::lanes::{LANES, Lanes, exp, largest, rotate, sum};
use super::panel::Arch;

/// The longest head.
pub(crate) const HEAD_LEN_MAX: usize = 256;
/// Query heads that are taken together over one head of keys.
const HEADS: usize = 4;
/// Registers of scores of a page.
const PARTS: usize = PAGE_TOKENS / LANES;

/// A row that attends: its queries attend to every position up to its own.
pub(crate) struct Query<'a> {
    pub(crate) layer: usize,
    /// The head of keys and values.
    pub(crate) head: usize,
    /// The sequence's pages.
    pub(crate) pages: &'a [Page],
    pub(crate) position: usize,
    /// The angles of its position, as cosine and sine.
    pub(crate) turns: &'a [(f32, f32)],
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
    let scale = 1.0 / (head_len as f32).sqrt();
    let mut heads = [[0.0f32; HEAD_LEN_MAX]; H];
    for (head, from) in heads.iter_mut().zip(queries.chunks_exact(head_len)) {
        head[..head_len].copy_from_slice(from);
        rotate(head, query.turns);
        head[..head_len].iter_mut().for_each(|number| *number *= scale);
    }
    let mut peaks = [f32::NEG_INFINITY; H];
    let mut totals = [0.0f32; H];
    out.fill(0.0);
    for (number, page) in query.pages.iter().enumerate().take(query.position / PAGE_TOKENS + 1) {
        let tokens = PAGE_TOKENS.min(query.position + 1 - number * PAGE_TOKENS);
        // SAFETY: The caller's promise.
        let mut scores = unsafe { scores::<A, H>(cache.keys(*page, query.layer, query.head), &heads) };
        let mut shrinks = [1.0; H];
        for head in 0..H {
            (peaks[head], shrinks[head]) = soften(&mut scores[head], tokens, peaks[head]);
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
                cache.values(*page, query.layer, query.head),
                &scores,
                tokens,
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

/// Turns scores into weights relative to the highest score so far. Gives that, and by what earlier weights shrink.
#[inline(always)]
fn soften(scores: &mut [Lanes; PARTS], tokens: usize, peak: f32) -> (f32, f32) {
    let mut high = peak;
    for (part, scores) in scores.iter_mut().enumerate() {
        for (lane, score) in scores.iter_mut().enumerate() {
            *score = if part * LANES + lane < tokens { *score } else { f32::NEG_INFINITY };
        }
        high = high.max(largest(scores));
    }
    for (part, scores) in scores.iter_mut().enumerate() {
        for (lane, score) in scores.iter_mut().enumerate() {
            let weight = exp(*score - high);
            *score = if part * LANES + lane < tokens { weight } else { 0.0 };
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
    tokens: usize,
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
        for (token, numbers) in values.chunks_exact(head_len).enumerate().take(tokens) {
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

/// Rotates a row's keys and keeps them with its values, in all heads.
///
/// # Safety
/// The CPU has the instruction set, and nobody else writes to this place.
#[inline(always)]
pub(super) unsafe fn remember<A: Arch>(
    writer: &Writer<'_>,
    place: Place,
    turns: &[(f32, f32)],
    (keys, values): (&[f32], &[f32]),
) {
    let head_len = writer.head_len();
    for (head, (key, value)) in keys.chunks_exact(head_len).zip(values.chunks_exact(head_len)).enumerate() {
        let mut rotated = [0.0; HEAD_LEN_MAX];
        rotated[..head_len].copy_from_slice(key);
        rotate(&mut rotated, turns);
        let (mut narrow_key, mut narrow_value) = ([0; HEAD_LEN_MAX], [0; HEAD_LEN_MAX]);
        // SAFETY: The caller's promise.
        unsafe {
            narrow::<A>(&rotated[..head_len], &mut narrow_key);
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
