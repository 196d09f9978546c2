//! A bundle of queries over one page: scores, weights, and the sums of values by them.
//!
//! What a query gathers is made by the same operations in the same order whatever bundle it is in: each score dimension
//! by dimension from the first, each sum of values token by token. A token out of a query's sight has the weight zero,
//! and adding nothing changes no sum.

#![expect(clippy::needless_range_loop, reason = "loops over several arrays of registers, which unroll")]

use std::ops::Range;

use super::bundle::{Line, QUERY_STRIDE};
use super::weights::{Weights, weigh};
use super::{Bundle, PARTS};
use crate::kernels::cache::{PAGE_TOKENS, Scales};
use crate::kernels::lanes::LANES;
use crate::kernels::vector::Vector;

/// A page's keys and values of one head.
pub(crate) struct Sheet<'a, T> {
    /// The position of its first token.
    pub(super) start: usize,
    /// Keys: those of sixteen tokens after the other, each dimension by dimension.
    pub(super) keys: &'a [T],
    /// Values, token by token.
    pub(super) values: &'a [T],
    /// What each token's key, and its value, is multiplied by, where they are integers.
    pub(super) scales: Option<[&'a Scales; 2]>,
    /// The page that follows: it is fetched in time.
    pub(super) next: Next<T>,
    pub(super) softcap: Option<f32>,
}

/// A page that will be wanted.
#[derive(Clone)]
pub(crate) struct Next<T> {
    /// Where its keys are, and then its values.
    pub(crate) keys: *const T,
    /// The tokens in sight.
    pub(crate) tokens: Range<usize>,
}

impl<T> Next<T> {
    /// How many of the numbers of its keys are wanted: those of sixteen tokens, or of all.
    pub(super) fn keys_wanted(&self, head_len: usize) -> usize {
        self.tokens.end.next_multiple_of(LANES) * head_len
    }

    /// The same page, of numbers of another type.
    pub(super) fn cast<U>(self) -> Next<U> {
        Next { keys: self.keys.cast(), tokens: self.tokens }
    }
}

/// How numbers are kept.
pub(crate) trait Number: Copy {
    /// Whether they come from memory far away.
    const FAR: bool;
    /// Whether each token has a scale.
    const SCALED: bool;

    /// Sixteen numbers, by their scales, if they have any.
    ///
    /// # Safety
    /// The CPU has the instruction set, and `from` has sixteen numbers.
    unsafe fn load<A: Vector>(from: *const Self, scale: A::Floats) -> A::Floats;
}

impl Number for f32 {
    const FAR: bool = false;
    const SCALED: bool = false;

    #[inline(always)]
    unsafe fn load<A: Vector>(from: *const Self, _: A::Floats) -> A::Floats {
        // SAFETY: The caller's promise.
        unsafe { A::load(&*from.cast()) }
    }
}

impl Number for u16 {
    const FAR: bool = true;
    const SCALED: bool = false;

    #[inline(always)]
    unsafe fn load<A: Vector>(from: *const Self, _: A::Floats) -> A::Floats {
        // SAFETY: The caller's promise.
        unsafe { A::load_half(&*from.cast()) }
    }
}

impl Number for i8 {
    const FAR: bool = true;
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn load<A: Vector>(from: *const Self, scale: A::Floats) -> A::Floats {
        // SAFETY: The caller's promise.
        unsafe { A::mul(A::load_bytes(&*from.cast()), scale) }
    }
}

/// The scales of a page's keys, or of its values.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn scales<A: Vector>(of: Option<&Scales>) -> [A::Floats; PARTS] {
    // SAFETY: The caller's promise.
    unsafe {
        let mut scales = [A::splat(1.0); PARTS];
        for (to, from) in scales.iter_mut().zip(of.iter().flat_map(|of| of.as_chunks().0)) {
            *to = A::load_half(from);
        }
        scales
    }
}

/// Has the scales of a page brought to the CPU: they are the lines before its keys.
#[inline(always)]
pub(super) fn fetch_scales<A: Vector, T: Number>(next: &Next<T>) {
    if T::SCALED {
        A::fetch(next.keys.cast::<Line>().wrapping_sub(1).cast());
        A::fetch(next.keys.cast::<Line>().wrapping_sub(2).cast());
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
            && sheet.scales.is_some() == T::SCALED
            && sheet.keys.len() == head_len * PAGE_TOKENS
            && sheet.values.len() == sheet.keys.len(),
        "a bundle or a page of another size"
    );
    let mut weights: Weights<N> = [[Line([0.0; LANES]); PARTS]; N];
    fetch_scales::<A, T>(&sheet.next);
    // SAFETY: The caller's promise; sizes were just checked, and a bundle's own fit its size.
    unsafe {
        let tokens = bundle.sight.within(sheet.start);
        // What nobody sees has no score: it is hidden anyhow.
        let parts = tokens.start / LANES..tokens.end.div_ceil(LANES);
        if A::SUMS / N >= PARTS && parts.len() == PARTS {
            scores::<A, T, N, PARTS>(sheet, bundle, parts, &mut weights);
        } else {
            scores::<A, T, N, 1>(sheet, bundle, parts, &mut weights);
        }
        let shrinks = weigh::<A, N>((sheet.start, sheet.softcap), bundle, &mut weights);
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

/// The products of each query with the keys of some parts of the page, `P` at a time.
///
/// # Safety
/// The CPU has the instruction set; there are keys of a page, and queries as long.
#[inline(always)]
unsafe fn scores<A: Vector, T: Number, const N: usize, const P: usize>(
    sheet: &Sheet<'_, T>,
    bundle: &Bundle,
    parts: Range<usize>,
    to: &mut Weights<N>,
) {
    // SAFETY: The caller's promise: dimensions are below the length of a head, parts within the page.
    unsafe {
        let scales = scales::<A>(sheet.scales.map(|[keys, _]| keys));
        let half_len = bundle.head_len * LANES;
        let (line, mut next) = (const { size_of::<Line>() / size_of::<T>() }, sheet.next.keys);
        let mut wanted = sheet.next.keys_wanted(bundle.head_len) / line;
        for first in parts.step_by(P) {
            let mut sums = [[A::splat(0.0); P]; N];
            let mut key = sheet.keys.as_ptr().add(first * half_len);
            let mut query = bundle.queries.as_ptr().cast::<f32>();
            for _ in 0..bundle.head_len {
                let mut numbers = [A::splat(0.0); P];
                for part in 0..P {
                    numbers[part] = T::load::<A>(key.add(part * half_len), scales[first + part]);
                }
                for at in 0..N {
                    let number = A::splat(*query.add(at * QUERY_STRIDE));
                    for part in 0..P {
                        sums[at][part] = A::mul_add(numbers[part], number, sums[at][part]);
                    }
                }
                if T::FAR && wanted > 0 {
                    A::fetch(next.cast());
                    next = next.wrapping_add(line);
                    wanted -= 1;
                }
                key = key.add(LANES);
                query = query.add(1);
            }
            for at in 0..N {
                for part in 0..P {
                    A::store(sums[at][part], &mut to[at][first + part].0);
                }
            }
        }
    }
}

/// Adds values, by their weights, to the shrunk sums of each query, in `C` chunks of sixteen dimensions.
///
/// # Safety
/// The CPU has the instruction set; there are values of a page, the tokens are within it, and the chunks within a head.
#[inline(always)]
unsafe fn values<A: Vector, T: Number, const N: usize, const C: usize>(
    sheet: &Sheet<'_, T>,
    (weights, shrinks, tokens): (&Weights<N>, &Line, &Range<usize>),
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
                sums[at][part] = A::mul(sum, A::splat(shrinks.0[at]));
            }
        }
        let mut scales_each = [[1.0; LANES]; PARTS];
        for (to, from) in scales_each.iter_mut().zip(scales::<A>(sheet.scales.map(|[_, values]| values))) {
            A::store(from, to);
        }
        let mut scale = scales_each.as_ptr().cast::<f32>().add(tokens.start);
        let mut value = sheet.values.as_ptr().add(tokens.start * head_len + chunk * LANES);
        let Next { keys: next, tokens: wanted } = &sheet.next;
        let mut next = next.wrapping_add(sheet.keys.len() + wanted.start * head_len + chunk * LANES);
        let mut wanted = wanted.len();
        let mut weight = weights.as_ptr().cast::<f32>().add(tokens.start);
        for _ in tokens.clone() {
            let mut numbers = [A::splat(0.0); C];
            for part in 0..C {
                numbers[part] = T::load::<A>(value.add(part * LANES), A::splat(*scale));
            }
            for at in 0..N {
                let weight = A::splat(*weight.add(at * PAGE_TOKENS));
                for part in 0..C {
                    sums[at][part] = A::mul_add(numbers[part], weight, sums[at][part]);
                }
            }
            if T::FAR && wanted > 0 {
                for line in 0..C.div_ceil(2) {
                    A::fetch(next.wrapping_add(line * 2 * LANES).cast());
                }
                next = next.wrapping_add(head_len);
                wanted -= 1;
            }
            value = value.add(head_len);
            weight = weight.add(1);
            scale = scale.add(1);
        }
        for at in 0..N {
            for part in 0..C {
                A::store(sums[at][part], &mut *all.add(at * head_len + part * LANES).cast());
            }
        }
    }
}
