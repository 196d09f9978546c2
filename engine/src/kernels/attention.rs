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
mod weights;

use std::ops::Range;

use super::arch::Arch;
use super::cache::{Cache, Kept, KvType, PAGE_TOKENS, Page, Place};
use super::lanes::{LANES, ROUNDER, normalise};
use super::rotary::{Turn, rotate};
use super::vector::Vector;
use bundle::{Line, TOTAL, fold};
use page::{fetch_scales, scales};
use weights::SCORE_UNIT;

pub(super) use bundle::{Bundle, Sight, clear, gathered_len};
pub(super) use page::{Next, Number, Sheet, over_page};

/// The longest head.
pub(crate) const HEAD_LEN_MAX: usize = 256;
/// The largest 16-bit float.
const HALF_MAX: f32 = 65504.0;
/// The largest 8-bit integer that is kept; its negative is the smallest.
const QUANT_MAX: f32 = 127.0;
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

/// A token's key and value of one head.
pub(super) struct Pair<'a> {
    pub(super) place: Place,
    pub(super) key: &'a [f32],
    pub(super) value: &'a [f32],
    pub(super) turn: Option<Turn<'a>>,
}

/// What rows of one sequence attend to together, with the heads of queries that share a head of keys.
pub(super) struct Block<'a> {
    pub(super) cache: &'a Cache,
    pub(super) attention: &'a Attention<'a>,
    /// The head of keys and values.
    pub(super) head: usize,
    /// The sequence's pages.
    pub(super) pages: &'a [Page],
    /// Which of them are attended to.
    pub(super) numbers: Range<usize>,
    /// What is still to be kept in the last of them.
    pub(super) last: Option<Pair<'a>>,
    /// What the block that comes after this one begins with.
    pub(super) next: Option<Next<u8>>,
}

/// Room for a block's queries and what they gather, kept from block to block.
#[derive(Default)]
pub(super) struct Room {
    bundles: Vec<Bundle>,
    /// How many bundles are in use.
    count: usize,
    /// Queries that are still to come.
    missing: usize,
    /// A page in 32 bits.
    wide: Vec<Line>,
    /// What the queries have gathered, where no other task attends with them.
    pub(super) gathered: Vec<f32>,
}

impl Room {
    /// Begins anew: rows with so many queries in all follow.
    pub(super) const fn begin(&mut self, queries: usize) {
        (self.count, self.missing) = (0, queries);
    }
}

/// Takes a row's queries.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn take<A: Vector>(
    room: &mut Room,
    attention: &Attention<'_>,
    head_len: usize,
    row: &Row<'_>,
) {
    for query in row.queries.chunks_exact(head_len) {
        if room.count == 0 || room.bundles[room.count - 1].is_full() {
            if room.bundles.len() == room.count {
                room.bundles.push(Bundle::default());
            }
            room.bundles[room.count].renew(head_len, A::QUERIES.min(room.missing));
            room.count += 1;
        }
        room.missing -= 1;
        let to = room.bundles[room.count - 1].push(row.sight);
        // SAFETY: The caller's promise.
        unsafe { prepare::<A>(query, attention.query_norm, row.turn, to) };
        to.iter_mut().for_each(|number| *number *= attention.scale * SCORE_UNIT);
    }
}

/// Folds what the queries in the room gather over the block's pages into `to`, query by query, row by row.
///
/// # Safety
/// The CPU has the instruction set, and nobody else writes to these pages' head.
#[inline(always)]
pub(super) unsafe fn attend<A: Vector>(block: &Block<'_>, room: &mut Room, to: &mut [f32]) {
    // SAFETY: The caller's promise.
    unsafe {
        match block.cache.geometry.kv {
            KvType::F16 => attend_to::<A, u16>(block, room, to),
            KvType::Int8 => attend_to::<A, i8>(block, room, to),
        }
    }
}

/// # Safety
/// As for [`attend`].
#[inline(always)]
unsafe fn attend_to<A: Vector, T: Number>(block: &Block<'_>, room: &mut Room, to: &mut [f32]) {
    let head_len = block.cache.geometry.head_len;
    let bundles = &mut room.bundles[..room.count];
    let sight = bundles.iter().map(|bundle| bundle.sight).reduce(Sight::union).unwrap_or_default();
    // Where several bundles want the same page, it is widened once.
    let widens = A::WIDENS && bundles.len() > 1;
    let lines = if widens { 2 * head_len * PAGE_TOKENS / LANES } else { 0 };
    room.wide.resize(room.wide.len().max(lines), Line([0.0; LANES]));
    for number in block.numbers.clone() {
        if number + 1 == block.numbers.end
            && let Some(last) = &block.last
        {
            // SAFETY: The caller's promise.
            unsafe { remember::<A>(block.cache, block.attention, block.head, last) };
        }
        // SAFETY: The caller's promise; there is room for both parts of a page, if there are several bundles.
        unsafe {
            let sheet = sheet::<T>(block, number, sight);
            let seeing = bundles.iter_mut().filter(|bundle| bundle.sees(number));
            if widens {
                let sheet = widen::<A, T>(&sheet, &mut room.wide[..lines]);
                seeing.for_each(|bundle| over::<A, f32>(&sheet, bundle));
            } else {
                seeing.for_each(|bundle| over::<A, T>(&sheet, bundle));
            }
        }
        if (number + 1).is_multiple_of(SEGMENT_PAGES) || number + 1 == block.numbers.end {
            let pieces = to.chunks_mut(A::QUERIES * gathered_len(head_len));
            bundles.iter_mut().zip(pieces).for_each(|(bundle, to)| bundle.settle(to));
        }
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

/// A page of the block's head; `sight` is what all queries see.
///
/// # Safety
/// Nobody else writes to it.
#[inline(always)]
unsafe fn sheet<'a, T: Number>(block: &Block<'a>, number: usize, sight: Sight) -> Sheet<'a, T> {
    let (layer, head) = (block.attention.layer, block.head);
    // SAFETY: The caller's promise; numbers are of a type that any bits are.
    let Kept { keys, values, scales } = unsafe { block.cache.kept(block.pages[number], layer, head) };
    let next = if number + 1 < block.numbers.end {
        let keys = block.cache.keys(block.pages[number + 1], layer, head).cast_const().cast();
        Next { keys, tokens: sight.within((number + 1) * PAGE_TOKENS) }
    } else {
        // Where nothing follows, what is here already costs least.
        block.next.clone().map_or(Next { keys: keys.as_ptr(), tokens: 0..0 }, Next::cast)
    };
    Sheet { start: number * PAGE_TOKENS, keys, values, scales, next, softcap: block.attention.softcap }
}

/// A page in 32 bits.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn widen<'a, A: Vector, T: Number>(sheet: &Sheet<'_, T>, to: &'a mut [Line]) -> Sheet<'a, f32> {
    let (keys, values) = to.split_at_mut(sheet.keys.len() / LANES);
    let head_len = sheet.keys.len() / PAGE_TOKENS;
    fetch::<A, T>(&sheet.next, head_len);
    // SAFETY: The caller's promise; sixteen numbers are loaded at a time.
    unsafe {
        let by = scales::<A>(sheet.scales.map(|[keys, _]| keys));
        let parts = sheet.keys.chunks_exact(head_len * LANES).zip(keys.chunks_exact_mut(head_len));
        for ((from, to), by) in parts.zip(by) {
            for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to) {
                A::store(T::load::<A>(from.as_ptr(), by), &mut to.0);
            }
        }
        let mut by_token = [Line([1.0; LANES]); PARTS];
        let by = scales::<A>(sheet.scales.map(|[_, values]| values));
        by_token.iter_mut().zip(by).for_each(|(to, from)| A::store(from, &mut to.0));
        let tokens = sheet.values.chunks_exact(head_len).zip(values.chunks_exact_mut(head_len / LANES));
        for ((from, to), by) in tokens.zip(Line::floats(&by_token)) {
            for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to) {
                A::store(T::load::<A>(from.as_ptr(), A::splat(*by)), &mut to.0);
            }
        }
    }
    let (keys, values) = (Line::floats(keys), Line::floats(values));
    let next = Next { keys: keys.as_ptr(), tokens: 0..0 };
    Sheet { start: sheet.start, keys, values, scales: None, next, softcap: sheet.softcap }
}

/// Has a page brought to the CPU.
fn fetch<A: Vector, T: Number>(next: &Next<T>, head_len: usize) {
    fetch_scales::<A, T>(next);
    let bytes = |numbers: usize| numbers * size_of::<T>();
    let rows = next.tokens.start * head_len..next.tokens.end * head_len;
    let all = head_len * PAGE_TOKENS;
    for part in [0..next.keys_wanted(head_len), all + rows.start..all + rows.end] {
        for at in (bytes(part.start)..bytes(part.end)).step_by(size_of::<Line>()) {
            A::fetch(next.keys.cast::<u8>().wrapping_add(at));
        }
    }
}

/// Has floats brought to the CPU.
#[inline(always)]
pub(super) fn fetch_floats<A: Vector>(floats: &[f32]) {
    floats.chunks(LANES).for_each(|line| A::fetch(line.as_ptr().cast()));
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
        for (to, from) in first.chunks_exact_mut(len).zip(segment.chunks_exact(len)) {
            fold(to, (from[0], from[TOTAL]), &from[LANES..]);
        }
    }
    for gathered in first.chunks_exact_mut(len) {
        let inverse = 1.0 / gathered[TOTAL];
        for line in gathered[LANES..].as_chunks_mut::<LANES>().0 {
            line.iter_mut().for_each(|number| *number *= inverse);
        }
    }
}

/// Normalises and turns a key and keeps it with its value.
///
/// # Safety
/// The CPU has the instruction set, and [`Cache::put`] may write there.
#[inline(always)]
pub(super) unsafe fn remember<A: Arch>(
    cache: &Cache,
    attention: &Attention<'_>,
    head: usize,
    pair: &Pair<'_>,
) {
    let head_len = cache.geometry.head_len;
    let (mut turned, at) = ([0.0; HEAD_LEN_MAX], (attention.layer, head));
    // SAFETY: The caller's promise.
    unsafe {
        prepare::<A>(pair.key, attention.key_norm, pair.turn, &mut turned[..head_len]);
        let turned = &turned[..head_len];
        match cache.geometry.kv {
            KvType::F16 => {
                let (mut key, mut value) = ([0; HEAD_LEN_MAX], [0; HEAD_LEN_MAX]);
                narrow::<A>(turned, &mut key);
                narrow::<A>(pair.value, &mut value);
                cache.put(pair.place, at, (&key[..head_len], &value[..head_len]), [0; 2]);
            }
            KvType::Int8 => {
                let (mut key, mut value) = ([0; HEAD_LEN_MAX], [0; HEAD_LEN_MAX]);
                let scales = [quantise::<A>(turned, &mut key), quantise::<A>(pair.value, &mut value)];
                cache.put(pair.place, at, (&key[..head_len], &value[..head_len]), scales);
            }
        }
    }
}

/// Rounds a head to 8-bit integers, and gives the scale that makes them what they were, a 16-bit float. As in [`narrow`],
/// no integer and no scale is beyond what it holds, whatever the numbers are.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn quantise<A: Arch>(from: &[f32], to: &mut [i8; HEAD_LEN_MAX]) -> u16 {
    // SAFETY: The caller's promise.
    unsafe {
        let mut peaks = A::splat(0.0);
        for from in from.as_chunks::<LANES>().0 {
            let x = A::load(from);
            peaks = A::max(A::max(x, A::sub(A::splat(0.0), x)), peaks);
        }
        let (mut scales, mut wide) = ([0; LANES], [0.0; LANES]);
        A::store_half(A::splat((A::largest(peaks) / QUANT_MAX).min(HALF_MAX)), &mut scales);
        A::store(A::load_half(&scales), &mut wide);
        let inverse = A::splat(if wide[0] > 0.0 { 1.0 / wide[0] } else { 0.0 });
        for (from, to) in from.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0) {
            // The scale was rounded, so that a number may come to a little more than the largest.
            let x = A::max(A::mul(A::load(from), inverse), A::splat(-QUANT_MAX));
            A::store(A::add(A::min(x, A::splat(QUANT_MAX)), A::splat(ROUNDER)), &mut wide);
            // The low byte of the sum is the nearest integer, ties to even, in two's complement.
            to.iter_mut().zip(wide).for_each(|(to, x)| *to = (x.to_bits() as u8).cast_signed());
        }
        scales[0]
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
