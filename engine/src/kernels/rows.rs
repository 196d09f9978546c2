//! Rows of numbers: what goes into a product, and what comes out.

use std::ops::{Deref, DerefMut};

use super::lanes::{LANES, Lanes};
use super::whole;
#[cfg(target_arch = "x86_64")]
use crate::quant::Form;

/// How many activations share a scale.
pub(crate) const BLOCK_LEN: usize = 32;

/// The offsets of quants of four bits and of eight.
const OFFSETS: [i32; 2] = [whole::OFFSET as i32, 128];

/// The largest integer of an activation; its negative is the smallest.
const QUANT_MAX: f32 = 127.0;

/// A row that goes into products: as it is, for floating-point weights, and in 8-bit integers, for quantised ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(super) floats: Vec<f32>,
    /// Whether the floats are the row's; otherwise they are those of another.
    pub(super) has_floats: bool,
    pub(super) blocks: Vec<Block>,
}

/// The blocks of rows of one length, found once for a product, whose kernels are called thousands of times: while each call
/// made its own array of rows, the CPU waited for what was stored as words to be read as vectors.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    rows: &'a [&'a [Block]],
    /// What each row has a number for; none if it is not whole blocks.
    pub(super) columns: usize,
}

/// Activations that share a scale, as in ggml's `Q8_0`, but the scale keeps 32 bits. A block fills a line of the cache, so
/// that a kernel needs one address for all that it reads of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Block {
    /// The integers, four to a word, as the dot-product instructions take them.
    pub(super) words: [[i8; 4]; BLOCK_LEN / 4],
    pub(super) scale: f32,
    /// The sum of the numbers after rounding: scale times sum of integers.
    pub(super) sum: f32,
    /// The sum of the integers, negated.
    pub(super) negated_sum: i32,
    /// The same of each half.
    pub(super) negated_sums: [i32; 2],
    /// The sum of the integers, negated, times the most frequent offsets, which is what sums of products begin with: kernels
    /// have not the time to multiply.
    pub(super) starts: [i32; OFFSETS.len()],
    /// The sum of the integers as the upper half of a word, and the first of the starts as the lower.
    pub(super) halves: i32,
}

impl Input {
    /// Room for a row of `len`.
    pub(crate) fn new(len: usize) -> Self {
        // Rows that are not whole blocks only ever meet floating-point weights.
        let blocks = if len.is_multiple_of(BLOCK_LEN) { len / BLOCK_LEN } else { 0 };
        Self { floats: vec![0.0; len], has_floats: true, blocks: vec![Block::default(); blocks] }
    }

    /// The row itself.
    ///
    /// # Panics
    /// It was prepared without.
    pub(crate) fn floats(&self) -> &[f32] {
        assert!(self.has_floats, "a row without its floats");
        &self.floats
    }

    /// It, as quantised matrices take it.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// What the part of it takes that is multiplied with most weights.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.blocks[..])
    }

    /// How many floats it has.
    pub(super) fn len(&self) -> usize {
        self.floats.len()
    }
}

impl<'a> Blocks<'a> {
    /// # Panics
    /// Rows differ in length.
    pub(super) fn new(rows: &'a [&'a [Block]]) -> Self {
        let len = rows.first().map_or(0, |row| row.len());
        assert!(rows.iter().all(|row| row.len() == len), "rows of several lengths");
        Self { rows, columns: len * BLOCK_LEN }
    }

    /// So many rows from one on.
    #[inline(always)]
    pub(super) fn after<const R: usize>(self, row: usize) -> &'a [&'a [Block]; R] {
        self.rows[row..].first_chunk().expect("rows of the step")
    }
}

impl Block {
    /// Notes the scale, and the sums of the integers of each half.
    #[inline(always)]
    pub(super) const fn settle(&mut self, scale: f32, [low, high]: [i32; 2]) {
        self.scale = scale;
        self.sum = scale * (low + high) as f32;
        self.negated_sum = -(low + high);
        self.negated_sums = [-low, -high];
        self.starts = [OFFSETS[0] * self.negated_sum, OFFSETS[1] * self.negated_sum];
        self.halves = (low + high) << 16 | self.starts[0] & 0xffff;
    }

    /// The scale of a block whose largest number is `peak`, and what numbers are multiplied by.
    #[inline(always)]
    pub(super) fn scales(peak: f32) -> (f32, f32) {
        (peak / QUANT_MAX, if peak > 0.0 { QUANT_MAX / peak } else { 0.0 })
    }

    /// What the sum of a group's products begins with, so that quants are less by the offset.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) const fn start(&self, group: usize, form: Form) -> i32 {
        match form.offset as i32 {
            0 => 0,
            offset if offset == OFFSETS[0] => self.starts[0],
            offset if offset == OFFSETS[1] => self.starts[1],
            offset => offset * self.negated_sum_of(group, form.group_len),
        }
    }

    /// The sum of a group's integers, negated: of the whole block, or of the half that the group is.
    #[inline(always)]
    pub(super) const fn negated_sum_of(&self, group: usize, group_len: usize) -> i32 {
        if group_len == BLOCK_LEN { self.negated_sum } else { self.negated_sums[group % 2] }
    }
}

/// Four integers of a row, as one.
///
/// # Safety
/// The word is within the row.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the innermost load of every kernel")]
#[inline(always)]
pub(super) unsafe fn four_of(row: &[Block], word: usize) -> i32 {
    const WORDS: usize = BLOCK_LEN / 4;
    // SAFETY: The caller's promise; a row has whole blocks.
    let four = unsafe { *row.get_unchecked(word / WORDS).words.get_unchecked(word % WORDS) };
    let [a, b, c, d] = four;
    i32::from_ne_bytes([a.cast_unsigned(), b.cast_unsigned(), c.cast_unsigned(), d.cast_unsigned()])
}

/// Rows of floats, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floats {
    /// The rows.
    pub(crate) data: Aligned,
    /// How many floats a row has.
    pub(crate) len: usize,
}

impl Floats {
    /// No rows yet, of `len` floats each.
    pub(crate) fn new(len: usize) -> Self {
        Self { data: Aligned::default(), len }
    }

    /// Makes it `rows` rows, whatever they hold.
    pub(crate) fn resize(&mut self, rows: usize) {
        self.data.resize(rows * self.len);
    }

    /// The row of this number.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.len..][..self.len]
    }
}

/// Floats from the beginning of a line of the cache on, so that no vector of rows of whole lines lies across two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line(Lanes);

impl Aligned {
    /// Makes it so many, whatever they are.
    fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(LANES), Line([0.0; LANES]));
        self.len = len;
    }
}

#[expect(unsafe_code, reason = "lines are their floats")]
impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: A line is its floats and nothing else, and there are lines for all.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

#[expect(unsafe_code, reason = "lines are their floats")]
impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: As above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl From<&[f32]> for Aligned {
    fn from(floats: &[f32]) -> Self {
        let mut aligned = Self::default();
        aligned.resize(floats.len());
        aligned.copy_from_slice(floats);
        aligned
    }
}

impl From<Vec<f32>> for Aligned {
    fn from(floats: Vec<f32>) -> Self {
        Self::from(&floats[..])
    }
}
