//! Rows of numbers: what goes into a product, and what comes out.

/// How many activations share a scale.
pub(crate) const BLOCK_LEN: usize = 32;

/// A row that goes into products: as it is, for floating-point weights, and in 8-bit integers, for quantised ones.
///
/// Blocks of 32 share a scale, as in ggml's Q8_0, but the scale keeps 32 bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// The row itself.
    pub(super) floats: Vec<f32>,
    /// Its integers, four to a word, as the dot-product instructions take them.
    pub(super) words: Vec<[i8; 4]>,
    /// Each block's scale.
    pub(super) scales: Vec<f32>,
    /// The sum of each sixteen integers, negated.
    pub(super) negated_sums_16: Vec<i32>,
    /// The sum of each block's integers, negated.
    pub(super) negated_sums_32: Vec<i32>,
    /// The sum of each block's numbers after rounding: scale times sum of integers.
    pub(super) sums: Vec<f32>,
}

impl Input {
    /// Room for a row of `len`.
    pub(crate) fn new(len: usize) -> Self {
        // Rows that are not whole blocks only ever meet floating-point weights.
        let blocks = if len.is_multiple_of(BLOCK_LEN) { len / BLOCK_LEN } else { 0 };
        Self {
            floats: vec![0.0; len],
            words: vec![[0; 4]; blocks * BLOCK_LEN / 4],
            scales: vec![0.0; blocks],
            negated_sums_16: vec![0; blocks * 2],
            negated_sums_32: vec![0; blocks],
            sums: vec![0.0; blocks],
        }
    }

    /// The row itself.
    pub(crate) fn floats(&self) -> &[f32] {
        &self.floats
    }

    /// How many floats it has.
    pub(super) fn len(&self) -> usize {
        self.floats.len()
    }
}

/// Rows of floats, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floats {
    /// The rows.
    pub(crate) data: Vec<f32>,
    /// How many floats a row has.
    pub(crate) len: usize,
}

impl Floats {
    /// No rows yet, of `len` floats each.
    pub(crate) const fn new(len: usize) -> Self {
        Self { data: Vec::new(), len }
    }

    /// Makes it `rows` rows, whatever they hold.
    pub(crate) fn resize(&mut self, rows: usize) {
        self.data.resize(rows * self.len, 0.0);
    }

    /// The row of this number.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.len..][..self.len]
    }
}
