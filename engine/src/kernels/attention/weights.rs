//! Weights of tokens from their scores, relative to the highest score so far.
//!
//! Scores are powers of two: what queries are multiplied by says so ([`SCORE_UNIT`]), and a weight is made in fewer steps.

#![expect(unsafe_code, reason = "instruction sets that may be absent")]
#![expect(clippy::needless_range_loop, reason = "loops over several arrays of registers, which unroll")]

use std::f32::consts::LOG2_E;
use std::ops::Range;

use super::bundle::Line;
use super::{Bundle, PARTS};
use crate::kernels::cache::PAGE_TOKENS;
use crate::kernels::lanes::{LANES, ROUNDER, bend, power_of_two};
use crate::kernels::vector::Vector;

/// What a natural score is multiplied by, so that two to its power is e to the natural one's.
pub(super) const SCORE_UNIT: f32 = LOG2_E;
/// The highest score of a query that has seen nothing.
pub(super) const LOWEST: f32 = f32::MIN;
/// Below it, powers of two leave the range of normal numbers.
const POWER_MIN: f32 = -126.0;
/// 2^x for |x| <= 1/2, the highest power first: fitted for the smallest relative error, which is below 1e-7, with 1 for
/// x = 0.
#[expect(clippy::approx_constant, reason = "fitted: it is not the logarithm of two")]
const SERIES: [f32; 6] = [0.001_326_472_7, 0.009_671_513, 0.055_507_336, 0.240_222_42, 0.693_147, 1.0];

/// Weights of a page's tokens for each query.
pub(super) type Weights<const N: usize> = [[Line; PARTS]; N];

/// 2 to the power of `x`, which is not above 126 and counts as -126 where it is less.
///
/// # Safety
/// The CPU has the instruction set.
#[inline(always)]
unsafe fn powers<A: Vector>(x: A::Floats) -> A::Floats {
    // SAFETY: The caller's promise.
    unsafe {
        let x = A::max(x, A::splat(POWER_MIN));
        let shifted = A::add(x, A::splat(ROUNDER));
        let rest = A::sub(x, A::sub(shifted, A::splat(ROUNDER)));
        let mut sum = A::splat(SERIES[0]);
        for factor in &SERIES[1..] {
            sum = A::mul_add(rest, sum, A::splat(*factor));
        }
        A::mul(sum, A::power_of_two(shifted))
    }
}

/// [`powers`] of one number.
#[inline(always)]
pub(super) fn power(x: f32) -> f32 {
    let x = x.max(POWER_MIN);
    let shifted = x + ROUNDER;
    let rest = x - (shifted - ROUNDER);
    let sum = SERIES[1..].iter().fold(SERIES[0], |sum, factor| rest.mul_add(sum, *factor));
    sum * power_of_two(shifted)
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

/// Turns each query's scores of a page into weights, and says by what earlier ones shrink.
///
/// # Safety
/// The CPU has the instruction set, and `N` is the size of the bundle.
#[inline(always)]
pub(super) unsafe fn weigh<A: Vector, const N: usize>(
    (start, softcap): (usize, Option<f32>),
    bundle: &mut Bundle,
    scores: &mut Weights<N>,
) -> Line {
    let whole: [bool; N] =
        std::array::from_fn(|query| bundle.sights[query].within(start) == (0..PAGE_TOKENS));
    let mut shrinks = Line([1.0; LANES]);
    // SAFETY: The caller's promise.
    unsafe {
        let (before, mut risen) = (bundle.peaks, false);
        for query in 0..N {
            let high = highest::<A>(
                softcap,
                (!whole[query]).then(|| bundle.sights[query].within(start)).as_ref(),
                &mut scores[query],
            );
            if A::any_above(high, A::splat(before.0[query])) {
                bundle.peaks.0[query] = A::largest(high);
                risen = true;
            }
        }
        if risen {
            A::store(powers::<A>(A::sub(A::load(&before.0), A::load(&bundle.peaks.0))), &mut shrinks.0);
        }
        for query in 0..N {
            let peak = A::splat(bundle.peaks.0[query]);
            let mut sum = A::splat(0.0);
            for part in 0..PARTS {
                let score = &mut scores[query][part].0;
                let mut weight = powers::<A>(A::sub(A::load(score), peak));
                if !whole[query] {
                    weight = hide::<A>(weight, part, &bundle.sights[query].within(start), false);
                }
                A::store(weight, score);
                sum = if part == 0 { weight } else { A::add(sum, weight) };
            }
            let total = &mut bundle.totals[query].0;
            A::store(A::mul_add(A::load(total), A::splat(shrinks.0[query]), sum), total);
        }
    }
    shrinks
}

/// The highest of a query's scores in each lane, after they are bent, and lowered where they are not among `seen`.
///
/// # Safety
/// The CPU has the instruction set; `seen` is within a page.
#[inline(always)]
unsafe fn highest<A: Vector>(
    softcap: Option<f32>,
    seen: Option<&Range<usize>>,
    scores: &mut [Line; PARTS],
) -> A::Floats {
    // SAFETY: The caller's promise.
    unsafe {
        let mut parts = [A::splat(0.0); PARTS];
        for part in 0..PARTS {
            parts[part] = A::load(&scores[part].0);
        }
        if softcap.is_some() || seen.is_some() {
            for part in 0..PARTS {
                if let Some(cap) = softcap {
                    parts[part] = bend::<A>(parts[part], cap * SCORE_UNIT);
                }
                if let Some(seen) = seen {
                    parts[part] = hide::<A>(parts[part], part, seen, true);
                }
                A::store(parts[part], &mut scores[part].0);
            }
        }
        let mut high = parts[0];
        for part in 1..PARTS {
            high = A::max(high, parts[part]);
        }
        high
    }
}
