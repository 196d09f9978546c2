//! Attention without a direction: every token of a text looks at all of them.

use std::ops::Range;

use crate::kernels::Floats;

/// Sums that are taken side by side, so that the compiler can keep them in one register.
const LANES: usize = 16;

/// A layer's queries, keys and values, a row for each token.
pub(super) struct Heads<'a> {
    pub(super) queries: &'a Floats,
    pub(super) keys: &'a Floats,
    pub(super) values: &'a Floats,
    /// Numbers in a head.
    pub(super) len: usize,
}

impl Heads<'_> {
    /// Writes what `row` makes of the rows of its text, in all heads.
    pub(super) fn attend(&self, row: usize, text: Range<usize>, out: &mut [f32]) {
        let scale = 1.0 / (self.len as f32).sqrt();
        let mut weights = vec![0.0; text.len()];
        for (head, out) in out.chunks_exact_mut(self.len).enumerate() {
            let part = head * self.len..(head + 1) * self.len;
            let query = &self.queries.row(row)[part.clone()];
            for (weight, other) in weights.iter_mut().zip(text.clone()) {
                *weight = dot(query, &self.keys.row(other)[part.clone()]) * scale;
            }
            soften(&mut weights);
            out.fill(0.0);
            for (weight, other) in weights.iter().zip(text.clone()) {
                for (out, value) in out.iter_mut().zip(&self.values.row(other)[part.clone()]) {
                    *out += weight * value;
                }
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Turns scores into weights that are one together.
fn soften(scores: &mut [f32]) {
    let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - peak).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|weight| *weight /= sum);
}
