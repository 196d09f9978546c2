//! Attention over the pages of a sequence, page by page from the first in sight, with a running maximum (Milakov and
//! Gimelshein, "Online normalizer calculation for softmax").
//!
//! Pages come in segments of fixed length; a query begins each anew, and what it gathers is folded segment by segment
//! ("Flash-Decoding"), so that threads may share a long sequence. The order depends on the row's position alone: never on
//! the rows that it is taken with, nor on how segments are shared.

#![expect(unsafe_code, reason = "instruction sets that may be absent, and pages that several threads write")]

mod bundle;
mod page;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::arch::Arch;
use super::cache::{Cache, PAGE_TOKENS, Page, Place, Writer};
use super::lanes::{LANES, normalise};
use super::rotary::{Turn, rotate};
use super::vector::Vector;
use bundle::{Line, TOTAL, fold};

pub(super) use bundle::{Bundle, Sight, clear, gathered_len};
pub(super) use page::{Number, Sheet, over_page};

/// The longest head.
pub(crate) const HEAD_LEN_MAX: usize = 256;
/// The largest 16-bit float.
const HALF_MAX: f32 = 65504.0;
/// Registers of scores of a page.
const PARTS: usize = PAGE_TOKENS / LANES;
/// How many pages a segment has: 256 tokens.
pub(super) const SEGMENT_PAGES: usize = 8;

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

/// A row that attends.
pub(super) struct Row<'a> {
    /// Its queries, of all heads that share the head of keys.
    pub(super) queries: &'a [f32],
    pub(super) sight: Sight,
    pub(super) turn: Option<Turn<'a>>,
}

/// Rows of one sequence that attend together, with the heads of queries that share a head of keys.
pub(super) struct Block<'a> {
    pub(super) cache: &'a Cache,
    pub(super) attention: &'a Attention<'a>,
    /// The head of keys and values.
    pub(super) head: usize,
    /// The sequence's pages.
    pub(super) pages: &'a [Page],
    pub(super) rows: Vec<Row<'a>>,
}

/// Folds what the block's queries gather over some segments into `to`, query by query, row by row.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn attend<A: Vector>(block: &Block<'_>, segments: Range<usize>, to: &mut [f32]) {
    let head_len = block.cache.geometry.head_len;
    // SAFETY: The caller's promise.
    let mut bundles = unsafe { bundles::<A>(block) };
    // Where several bundles want the same page, it is widened once.
    let lines = if bundles.len() > 1 { 2 * head_len * PAGE_TOKENS / LANES } else { 0 };
    let mut wide = vec![Line([0.0; LANES]); lines];
    for segment in segments {
        for number in segment * SEGMENT_PAGES..(segment + 1) * SEGMENT_PAGES {
            if !bundles.iter().any(|bundle| bundle.sees(number)) {
                continue;
            }
            let sheet = sheet(block, number);
            // SAFETY: The caller's promise; there is room for both parts of a page, if there are several bundles.
            unsafe {
                if let [bundle] = &mut bundles[..] {
                    over::<A, u16>(&sheet, bundle);
                    continue;
                }
                let sheet = widen::<A>(&sheet, &mut wide);
                for bundle in bundles.iter_mut().filter(|bundle| bundle.sees(number)) {
                    over::<A, f32>(&sheet, bundle);
                }
            }
        }
        let pieces = to.chunks_mut(A::QUERIES * gathered_len(head_len));
        bundles.iter_mut().zip(pieces).for_each(|(bundle, to)| bundle.settle(to));
    }
}

/// The queries of a block, prepared.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn bundles<A: Vector>(block: &Block<'_>) -> Vec<Bundle> {
    let Attention { query_norm, scale, .. } = *block.attention;
    let head_len = block.cache.geometry.head_len;
    let group = block.rows[0].queries.len() / head_len;
    let count = block.rows.len() * group;
    let mut bundles = Vec::with_capacity(count.div_ceil(A::QUERIES));
    let mut head = [0.0; HEAD_LEN_MAX];
    for start in (0..count).step_by(A::QUERIES) {
        let bundle = bundles.push_mut(Bundle::new(head_len, A::QUERIES.min(count - start)));
        for query in start..count.min(start + A::QUERIES) {
            let row = &block.rows[query / group];
            let from = &row.queries[query % group * head_len..][..head_len];
            // SAFETY: The caller's promise.
            unsafe { prepare::<A>(from, query_norm, row.turn, &mut head[..head_len]) };
            head[..head_len].iter_mut().for_each(|number| *number *= scale);
            bundle.push(&head[..head_len], row.sight);
        }
    }
    bundles
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

/// A page of the block's head.
fn sheet<'a>(block: &Block<'a>, number: usize) -> Sheet<'a, u16> {
    let pair = |page| block.cache.pair(page, block.attention.layer, block.head);
    let (keys, values) = pair(block.pages[number]);
    // The next page may be one that nobody has provided yet.
    let next = block.pages.get(number + 1).filter(|page| block.cache.has(**page));
    let next = next.map_or(std::ptr::null(), |page| pair(*page).0.as_ptr());
    Sheet { start: number * PAGE_TOKENS, keys, values, next, softcap: block.attention.softcap }
}

/// A page in 32 bits.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn widen<'a, A: Vector>(sheet: &Sheet<'_, u16>, to: &'a mut [Line]) -> Sheet<'a, f32> {
    let (keys, values) = to.split_at_mut(sheet.keys.len() / LANES);
    for (from, to) in [(sheet.keys, &mut *keys), (sheet.values, &mut *values)] {
        for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to) {
            // SAFETY: The caller's promise.
            unsafe { A::store(A::load_half(from), &mut to.0) };
        }
    }
    let (keys, values) = (Line::floats(keys), Line::floats(values));
    Sheet { start: sheet.start, keys, values, next: std::ptr::null(), softcap: sheet.softcap }
}

/// [`over_page`] by the size of the bundle.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn over<A: Vector, T: Number>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
    // SAFETY: The caller's promise.
    unsafe {
        match bundle.size {
            1 => A::over_page::<T, 1>(sheet, bundle),
            2 => A::over_page::<T, 2>(sheet, bundle),
            3 => A::over_page::<T, 3>(sheet, bundle),
            4 => A::over_page::<T, 4>(sheet, bundle),
            6 => A::over_page::<T, 6>(sheet, bundle),
            8 if A::QUERIES >= 8 => A::over_page::<T, 8>(sheet, bundle),
            12 if A::QUERIES >= 12 => A::over_page::<T, 12>(sheet, bundle),
            size => unreachable!("a bundle of {size}"),
        }
    }
}

/// Folds what each query has gathered in later segments into what it has of the first, and divides by its weights.
#[inline(always)]
pub(super) fn conclude(segments: &mut [f32], queries: usize, head_len: usize) {
    let len = gathered_len(head_len);
    let (first, later) = segments.split_at_mut(queries * len);
    for segment in later.chunks_exact(queries * len) {
        first.chunks_exact_mut(len).zip(segment.chunks_exact(len)).for_each(|(to, from)| fold(to, from));
    }
    for gathered in first.chunks_exact_mut(len) {
        let inverse = 1.0 / gathered[TOTAL];
        gathered[LANES..].iter_mut().for_each(|number| *number *= inverse);
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

/// Numbers beyond what sixteen bits hold become the largest that they do, and what is no number one of them: a page never
/// holds what would spoil a sum in which it has the weight zero.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn narrow<A: Arch>(from: &[f32], to: &mut [u16; HEAD_LEN_MAX]) {
    for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0) {
        // SAFETY: The caller's promise.
        unsafe {
            let held = A::max(A::load(from), A::splat(-HALF_MAX));
            A::store_half(A::min(held, A::splat(HALF_MAX)), to);
        }
    }
}
