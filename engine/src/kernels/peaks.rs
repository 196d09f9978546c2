//! The largest product of each row, which is all that the likeliest token needs: of some fifty thousand logits none is
//! written, nor read again.

use std::sync::{Mutex, PoisonError};

use super::isa::call;
use super::multiply::Following;
use super::panel::Search;
use super::{Input, Kernels, Matrix};

/// A row's largest product: of equals the first. What is no number is passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    pub(crate) number: f32,
    /// Which product it is.
    pub(crate) at: usize,
}

impl Peak {
    /// Below any that counts.
    const NONE: Self = Self { number: f32::NEG_INFINITY, at: 0 };

    /// Takes the largest of some products that follow those before, if it is larger.
    #[cold]
    pub(super) fn raise(&mut self, products: &[f32], start: usize) {
        for (at, product) in products.iter().enumerate() {
            if *product > self.number {
                *self = Self { number: *product, at: start + at };
            }
        }
    }

    /// The higher of the two: some products are found before others that precede them.
    fn higher(self, other: Self) -> Self {
        let is_first = other.number == self.number && other.at < self.at;
        if other.number > self.number || is_first { other } else { self }
    }
}

impl Kernels {
    /// Whether [`Self::peaks`] does with this matrix.
    pub(crate) fn has_peaks(matrix: &Matrix) -> bool {
        !matrix.takes_floats() && matrix.bias.is_none()
    }

    /// The largest product of each row and a matrix; none where all are minus infinity or no numbers. Memory is asked for the
    /// weights that follow.
    pub(crate) fn peaks(
        &mut self,
        input: &[Input],
        matrix: &Matrix,
        following: Following<'_>,
    ) -> Vec<Option<Peak>> {
        assert!(Self::has_peaks(matrix), "a matrix whose products are written");
        let isa = self.isa;
        let peaks = Mutex::new(vec![Peak::NONE; input.len()]);
        self.share(input, &[[matrix].into_iter().collect()], following, &|share| {
            let mut own = vec![Peak::NONE; share.rows.len()];
            let search = Search { matrix, blocks: share.blocks, part: share.part(0) };
            call!(isa, peaks(&search, share.tiles.clone(), share.rows, &mut own));
            let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
            for (peak, own) in peaks[share.rows.clone()].iter_mut().zip(own) {
                *peak = peak.higher(own);
            }
        });
        let peaks = peaks.into_inner().unwrap_or_else(PoisonError::into_inner);
        peaks.into_iter().map(|peak| (peak.number > Peak::NONE.number).then_some(peak)).collect()
    }
}

#[cfg(test)]
mod tests;
