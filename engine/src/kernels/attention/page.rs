//! A bundle of queries over one page: scores, weights, and the sums of values by them.
//!
//! What a query gathers is made by the same operations in the same order whatever bundle it is in: each score dimension
//! by dimension from the first, each sum of values token by token. A token out of a query's sight has the weight zero,
//! and adding nothing changes no sum.

#![expect(clippy::needless_range_loop, reason = "loops over several arrays of registers, which unroll")]

use std::ops::Range;

use super::bundle::QUERY_STRIDE;
use super::{Bundle, PARTS};
use crate::kernels::cache::PAGE_TOKENS;
use crate::kernels::lanes::{LANES, Lanes, bend, exp, exponential};
use crate::kernels::vector::Vector;

/// A page's keys and values of one head.
pub(crate) struct Sheet<'a, T> {
    /// The position of its first token.
    pub(super) start: usize,
    /// Keys, dimension by dimension.
    pub(super) keys: &'a [T],
    /// Values, token by token.
    pub(super) values: &'a [T],
    /// Where the page that follows has its keys, and then its values: they are fetched in time.
    pub(super) next: *const T,
    pub(super) softcap: Option<f32>,
}

/// How numbers are kept.
pub(crate) trait Number: Copy {
    /// Whether they come from memory far away.
    const FAR: bool;

    /// # Safety
    /// The CPU has the instruction set, and `from` has sixteen numbers.
    unsafe fn load<A: Vector>(from: *const Self) -> A::Floats;
}

impl Number for f32 {
    const FAR: bool = false;

    #[inline(always)]
    unsafe fn load<A: Vector>(from: *const Self) -> A::Floats {
        // SAFETY: The caller's promise.
        unsafe { A::load(&*from.cast()) }
    }
}

impl Number for u16 {
    const FAR: bool = true;

    #[inline(always)]
    unsafe fn load<A: Vector>(from: *const Self) -> A::Floats {
        // SAFETY: The caller's promise.
        unsafe { A::load_half(&*from.cast()) }
    }
}

/// Adds a page to what the queries of a bundle have gathered.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(crate) unsafe fn over_page<A: Vector, T: Number, const N: usize>(
    sheet: &Sheet<'_, T>,
    bundle: &mut Bundle,
) {
    let head_len = bundle.head_len;
    assert!(
        bundle.size == N
            && sheet.keys.len() == head_len * PAGE_TOKENS
            && sheet.values.len() == sheet.keys.len(),
        "a bundle or a page of another size"
    );
    let mut weights = [[[0.0; LANES]; PARTS]; N];
    let mut shrinks = [1.0; N];
    // SAFETY: The caller's promise; sizes were just checked, and a bundle's own fit its size.
    unsafe {
        if A::SUMS / N >= PARTS {
            scores::<A, T, N, PARTS>(sheet, bundle, &mut weights);
        } else {
            scores::<A, T, N, 1>(sheet, bundle, &mut weights);
        }
        let (mut first, mut end) = (PAGE_TOKENS, 0);
        for query in 0..N {
            let seen = bundle.sights[query].within(sheet.start);
            (first, end) = (first.min(seen.start), end.max(seen.end));
            weigh::<A>(sheet.softcap, &seen, (bundle, query), (&mut weights[query], &mut shrinks[query]));
        }
        let tokens = first..end;
        let mut chunk = 0;
        let chunks = head_len / LANES;
        while A::SUMS / N >= 4 && chunk + 4 <= chunks {
            values::<A, T, N, 4>(sheet, (&weights, &shrinks, &tokens), bundle, chunk);
            chunk += 4;
        }
        while A::SUMS / N >= 2 && chunk + 2 <= chunks {
            values::<A, T, N, 2>(sheet, (&weights, &shrinks, &tokens), bundle, chunk);
            chunk += 2;
        }
        while chunk < chunks {
            values::<A, T, N, 1>(sheet, (&weights, &shrinks, &tokens), bundle, chunk);
            chunk += 1;
        }
    }
}

/// The products of each query with the keys, `P` parts of the page at a time.
///
/// # Safety
/// The CPU has the instruction set; there are keys of a page, and queries as long.
#[inline(always)]
unsafe fn scores<A: Vector, T: Number, const N: usize, const P: usize>(
    sheet: &Sheet<'_, T>,
    bundle: &Bundle,
    to: &mut [[Lanes; PARTS]; N],
) {
    // SAFETY: The caller's promise: dimensions are below the length of a head, parts within the page.
    unsafe {
        for first in (0..PARTS).step_by(P) {
            let mut sums = [[A::splat(0.0); P]; N];
            let mut key = sheet.keys.as_ptr().add(first * LANES);
            let mut query = bundle.queries.as_ptr().cast::<f32>();
            let mut next = sheet.next.wrapping_add(first * LANES);
            for _ in 0..bundle.head_len {
                let mut numbers = [A::splat(0.0); P];
                for part in 0..P {
                    numbers[part] = T::load::<A>(key.add(part * LANES));
                }
                for at in 0..N {
                    let number = A::splat(*query.add(at * QUERY_STRIDE));
                    for part in 0..P {
                        sums[at][part] = A::mul_add(numbers[part], number, sums[at][part]);
                    }
                }
                if T::FAR {
                    A::fetch(next.cast());
                    next = next.wrapping_add(PAGE_TOKENS);
                }
                key = key.add(PAGE_TOKENS);
                query = query.add(1);
            }
            for at in 0..N {
                for part in 0..P {
                    A::store(sums[at][part], &mut to[at][first + part]);
                }
            }
        }
    }
}

/// As many zeros or ones, in bits, as a page has tokens: from the right place on, they hide what is out of sight.
static BITS: [u32; 3 * PAGE_TOKENS] = {
    let mut bits = [0; 3 * PAGE_TOKENS];
    let mut at = PAGE_TOKENS;
    while at < 2 * PAGE_TOKENS {
        bits[at] = u32::MAX;
        at += 1;
    }
    bits
};
/// The same, for scores: they keep what they are, or become the least that there is.
static DEPTHS: [f32; 3 * PAGE_TOKENS] = {
    let mut depths = [f32::NEG_INFINITY; 3 * PAGE_TOKENS];
    let mut at = PAGE_TOKENS;
    while at < 2 * PAGE_TOKENS {
        depths[at] = 0.0;
        at += 1;
    }
    depths
};

/// Hides the lanes of a part that are not among `seen`, and lowers them by `DEPTHS` where that is asked for.
///
/// # Safety
/// The CPU has the instruction set; `part` and `seen` are within a page.
#[inline(always)]
unsafe fn hide<A: Vector>(numbers: A::Floats, part: usize, seen: &Range<usize>, lower: bool) -> A::Floats {
    let mut numbers = numbers;
    for from in [PAGE_TOKENS - seen.start, 2 * PAGE_TOKENS - seen.end] {
        // SAFETY: At most 2 pages' tokens are before it, and a part follows.
        unsafe {
            let at = from + part * LANES;
            numbers = A::and(numbers, A::load(&*BITS.as_ptr().add(at).cast()));
            if lower {
                numbers = A::add(numbers, A::load(&*DEPTHS.as_ptr().add(at).cast()));
            }
        }
    }
    numbers
}

/// Turns a query's scores into weights relative to its highest score so far, and says by what earlier ones shrink.
///
/// # Safety
/// The CPU has the instruction set; `seen` is within a page.
#[inline(always)]
unsafe fn weigh<A: Vector>(
    softcap: Option<f32>,
    seen: &Range<usize>,
    (bundle, query): (&mut Bundle, usize),
    (scores, shrink): (&mut [Lanes; PARTS], &mut f32),
) {
    let whole = *seen == (0..PAGE_TOKENS);
    // SAFETY: The caller's promise.
    unsafe {
        let mut parts = [A::splat(0.0); PARTS];
        for part in 0..PARTS {
            parts[part] = A::load(&scores[part]);
            if let Some(cap) = softcap {
                parts[part] = bend::<A>(parts[part], cap);
            }
            if !whole {
                parts[part] = hide::<A>(parts[part], part, seen, true);
            }
        }
        let mut high = parts[0];
        for part in 1..PARTS {
            high = A::max(high, parts[part]);
        }
        let peak = &mut bundle.peaks[query];
        if A::any_above(high, A::splat(*peak)) {
            let high = A::largest(high);
            *shrink = exp(*peak - high);
            *peak = high;
        }
        let peak = A::splat(*peak);
        for part in 0..PARTS {
            parts[part] = exponential::<A>(A::sub(parts[part], peak));
            if !whole {
                parts[part] = hide::<A>(parts[part], part, seen, false);
            }
            A::store(parts[part], &mut scores[part]);
        }
        let mut sum = parts[0];
        for part in 1..PARTS {
            sum = A::add(sum, parts[part]);
        }
        let total = &mut bundle.totals[query];
        A::store(A::mul_add(A::load(total), A::splat(*shrink), sum), total);
    }
}

/// Adds values, by their weights, to the shrunk sums of each query, in `C` chunks of sixteen dimensions.
///
/// # Safety
/// The CPU has the instruction set; there are values of a page, the tokens are within it, and the chunks within a head.
#[inline(always)]
unsafe fn values<A: Vector, T: Number, const N: usize, const C: usize>(
    sheet: &Sheet<'_, T>,
    (weights, shrinks, tokens): (&[[Lanes; PARTS]; N], &[f32; N], &Range<usize>),
    bundle: &mut Bundle,
    chunk: usize,
) {
    let head_len = bundle.head_len;
    // SAFETY: The caller's promise.
    unsafe {
        let all = bundle.sums.as_mut_ptr().cast::<f32>().add(chunk * LANES);
        let mut sums = [[A::splat(0.0); C]; N];
        for at in 0..N {
            for part in 0..C {
                let sum = A::load(&*all.add(at * head_len + part * LANES).cast());
                sums[at][part] = A::mul(sum, A::splat(shrinks[at]));
            }
        }
        let mut value = sheet.values.as_ptr().add(tokens.start * head_len + chunk * LANES);
        let mut next = sheet.next.wrapping_add(sheet.keys.len() + chunk * LANES);
        let mut weight = weights.as_ptr().cast::<f32>().add(tokens.start);
        for _ in tokens.clone() {
            let mut numbers = [A::splat(0.0); C];
            for part in 0..C {
                numbers[part] = T::load::<A>(value.add(part * LANES));
            }
            for at in 0..N {
                let weight = A::splat(*weight.add(at * PAGE_TOKENS));
                for part in 0..C {
                    sums[at][part] = A::mul_add(numbers[part], weight, sums[at][part]);
                }
            }
            if T::FAR {
                for line in 0..C.div_ceil(2) {
                    A::fetch(next.wrapping_add(line * 2 * LANES).cast());
                }
                next = next.wrapping_add(head_len);
            }
            value = value.add(head_len);
            weight = weight.add(1);
        }
        for at in 0..N {
            for part in 0..C {
                A::store(sums[at][part], &mut *all.add(at * head_len + part * LANES).cast());
            }
        }
    }
}
