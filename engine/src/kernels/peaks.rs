//! The largest product of each row, which is all that the likeliest token needs: of some fifty thousand logits none is
//! written, nor read again.

use std::sync::{Mutex, PoisonError};

use super::isa::call;
use super::lanes::{LANES, Lanes};
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

/// The largest products of a row so far, of each lane, and the tiles that they are of.
#[derive(Clone)]
#[repr(align(64))]
pub(super) struct Tops {
    pub(super) numbers: Lanes,
    tiles: [u32; LANES],
}

impl Tops {
    const NONE: Self = Self { numbers: [f32::NEG_INFINITY; LANES], tiles: [0; LANES] };

    /// Takes a tile's products where they are larger; of a row that has `len` of them.
    #[cold]
    pub(super) fn raise(&mut self, products: &Lanes, tile: usize, len: usize) {
        let count = len.saturating_sub(tile * LANES).min(LANES);
        for (lane, product) in products.iter().enumerate().take(count) {
            if *product > self.numbers[lane] {
                (self.numbers[lane], self.tiles[lane]) = (*product, tile as u32);
            }
        }
    }

    fn peak(&self) -> Option<Peak> {
        let lanes = self.numbers.iter().zip(&self.tiles).enumerate();
        let peaks =
            lanes.map(|(lane, (number, tile))| Peak { number: *number, at: *tile as usize * LANES + lane });
        peaks.filter(|peak| peak.number > f32::NEG_INFINITY).reduce(Peak::higher)
    }
}

impl Peak {
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
        let peaks = Mutex::new(vec![None; input.len()]);
        self.share(input, &[[matrix].into_iter().collect()], following, &|share| {
            let mut tops = vec![Tops::NONE; share.rows.len()];
            let search = Search { matrix, blocks: share.blocks, part: share.part(0) };
            call!(isa, peaks(&search, share.tiles.clone(), share.rows, &mut tops));
            let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
            for (peak, tops) in peaks[share.rows.clone()].iter_mut().zip(&tops) {
                *peak = peak.take().into_iter().chain(tops.peak()).reduce(Peak::higher);
            }
        });
        peaks.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
