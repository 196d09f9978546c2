//! Weights, repacked once for the dot-product instructions.
//!
//! Sixteen rows make a tile. In it a vector of 64 bytes holds, for each of the sixteen rows, four neighbouring
//! columns: one instruction multiplies them by the same four activations and adds the products to sixteen sums, so no
//! sum is ever taken across lanes. Quants below 16 are packed two to a byte. Nothing is rounded: a 4-bit tile with
//! 16-bit scales has exactly the bytes of its blocks in the file.

use std::ops::Range;

use canon::Fault;
use half::{bf16, f16};

use super::lanes::LANES;
use super::panel::TILES;
use super::pool::Pool;
use crate::gguf::{Tensor, TensorType};
use crate::quant::{Form, Unpacked};

/// A vector of AVX-512, and a line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

const LINE_BYTES: usize = 64;

/// A weight matrix.
pub(crate) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) kind: Storage,
    /// Added to each row's product; whole tiles.
    pub(super) bias: Option<Vec<f32>>,
    lines: Vec<Line>,
    lines_per_tile: usize,
}

/// How a matrix keeps its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Column after column: sixteen floats of this width.
    Floats(Width),
    /// Scales, minimums and quants of all groups, each group with those of sixteen rows.
    Quants(Form),
}

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    F32,
    F16,
    BF16,
}

/// Sixteen rows of a quantised matrix.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// Of each group, sixteen floats of 16 or 32 bits.
    pub(super) scales: &'a [u8],
    /// As the scales, or empty.
    pub(super) minimums: &'a [u8],
    /// Of each group, 64 bytes for four columns, or for eight where two quants share a byte: the first half of the
    /// group's columns in the low nibbles, the second in the high ones.
    pub(super) quants: &'a [Line],
}

/// Neighbouring tiles of a quantised matrix.
#[derive(Clone)]
pub(super) struct Tiles<'a> {
    /// Tile after tile: scales, minimums and quants.
    pub(super) lines: &'a [Line],
    /// How many lines a tile has.
    pub(super) lines_per_tile: usize,
    /// Where the others of its parts begin.
    pub(super) sections: Sections,
    /// How far from what is read, in bytes, lies what memory is asked for meanwhile, while these groups are read; it may be
    /// any place.
    pub(super) ahead: (isize, Range<usize>),
    /// How many groups of columns there are.
    pub(super) groups: usize,
}

impl<'a> Tiles<'a> {
    /// The tile of this number.
    #[inline(always)]
    pub(super) fn tile(&self, tile: usize) -> Tile<'a> {
        let lines = &self.lines[tile * self.lines_per_tile..][..self.lines_per_tile];
        Tile {
            scales: as_bytes(&lines[..self.sections.minimums]),
            minimums: as_bytes(&lines[self.sections.minimums..self.sections.quants]),
            quants: &lines[self.sections.quants..],
        }
    }
}

/// Where a tile's parts begin, in lines; the scales come first.
#[derive(Clone, Copy)]
pub(super) struct Sections {
    pub(super) minimums: usize,
    pub(super) quants: usize,
    end: usize,
}

impl Sections {
    fn of(form: Form, columns: usize) -> Self {
        let groups = columns / form.group_len;
        let scales = (groups * LANES * scale_bytes(form)).div_ceil(LINE_BYTES);
        let quants = scales * if form.has_minimums { 2 } else { 1 };
        Self { minimums: scales, quants, end: quants + columns * LANES * form.bits / 8 / LINE_BYTES }
    }
}

const fn scale_bytes(form: Form) -> usize {
    if form.half_scales { 2 } else { 4 }
}

impl Matrix {
    /// Repacks a tensor on all threads.
    ///
    /// # Errors
    /// A scale is infinite or no number.
    pub(crate) fn pack(tensor: &Tensor<'_>, pool: &mut Pool) -> Result<Self, Fault> {
        let (rows, columns) = (tensor.rows(), tensor.columns());
        let floats =
            |width, bytes: usize| (Storage::Floats(width), (columns * bytes * LANES).div_ceil(LINE_BYTES));
        let (kind, lines_per_tile) = match (Form::of(tensor.kind), tensor.kind) {
            (Some(form), _) => (Storage::Quants(form), Sections::of(form, columns).end),
            (None, TensorType::F16) => floats(Width::F16, 2),
            (None, TensorType::BF16) => floats(Width::BF16, 2),
            (None, _) => floats(Width::F32, 4),
        };
        let tiles = rows.div_ceil(LANES).next_multiple_of(TILES);
        let mut lines = vec![Line([0; 64]); tiles * lines_per_tile];
        let finite = std::sync::atomic::AtomicBool::new(true);
        // A task takes some megabytes, so that threads that wait for the disk overlap.
        pool.split(&mut lines, lines_per_tile, &|start, tile| {
            let row = start / lines_per_tile * LANES;
            let packed = match kind {
                Storage::Floats(_) => pack_floats(tensor, row, tile),
                Storage::Quants(form) => pack_quants(tensor, form, row, tile),
            };
            if !packed {
                finite.store(false, std::sync::atomic::Ordering::Relaxed);
            }
        });
        if !finite.into_inner() {
            return Err(Fault::malformed(
                format!("tensor {}", tensor.name),
                "holds infinities or no numbers",
            ));
        }
        Ok(Self { rows, columns, kind, bias: None, lines, lines_per_tile })
    }

    /// The same matrix, with a bias for each row.
    pub(crate) fn with_bias(mut self, mut bias: Vec<f32>) -> Self {
        bias.resize(self.tiles() * LANES, 0.0);
        self.bias = Some(bias);
        self
    }

    /// How many tiles it has, the last of which may be empty.
    pub(super) const fn tiles(&self) -> usize {
        self.rows.div_ceil(LANES).next_multiple_of(TILES)
    }

    fn lines(&self, tile: usize) -> &[Line] {
        &self.lines[tile * self.lines_per_tile..][..self.lines_per_tile]
    }

    /// A tile of floats, as bytes: `columns` times sixteen floats.
    pub(super) fn float_tile(&self, tile: usize) -> &[u8] {
        as_bytes(self.lines(tile))
    }

    /// So many tiles from one on.
    fn tiles_at(&self, form: Form, tile: usize, count: usize) -> Tiles<'_> {
        let (sections, lines_per_tile) = (Sections::of(form, self.columns), self.lines_per_tile);
        let lines = &self.lines[tile * lines_per_tile..][..count * lines_per_tile];
        Tiles { lines, lines_per_tile, sections, ahead: (0, 0..0), groups: self.columns / form.group_len }
    }

    /// The tiles that are taken together, from one on.
    pub(super) fn pair(&self, tile: usize) -> Tiles<'_> {
        let Storage::Quants(form) = self.kind else { unreachable!("tiles of floats are not taken so") };
        self.tiles_at(form, tile, TILES)
    }

    /// Where a tile begins, or would.
    pub(super) fn place(&self, tile: usize) -> *const Line {
        self.lines.as_ptr().wrapping_add(tile * self.lines_per_tile)
    }

    /// What its weights take.
    pub(super) const fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    pub(super) const fn lines_per_tile(&self) -> usize {
        self.lines_per_tile
    }

    /// Whether products take rows as they are, and not their integers.
    pub(crate) const fn takes_floats(&self) -> bool {
        matches!(self.kind, Storage::Floats(_))
    }

    /// Decodes one row, exactly; `to` has a place for each column.
    pub(crate) fn decode_row(&self, row: usize, to: &mut [f32]) {
        let (tile, lane) = (row / LANES, row % LANES);
        match self.kind {
            Storage::Floats(width) => {
                let bytes = self.float_tile(tile);
                for (column, to) in to.iter_mut().enumerate() {
                    *to = float(bytes, column * LANES + lane, width);
                }
            }
            Storage::Quants(form) => {
                let tile = self.tiles_at(form, tile, 1).tile(0);
                let width = if form.half_scales { Width::F16 } else { Width::F32 };
                for (group, to) in to.chunks_exact_mut(form.group_len).enumerate() {
                    let at = group * LANES + lane;
                    let scale = float(tile.scales, at, width);
                    let minimum = if form.has_minimums { float(tile.minimums, at, width) } else { 0.0 };
                    for (column, to) in to.iter_mut().enumerate() {
                        let quant = f32::from(tile.quant(form, group, column, lane)) - f32::from(form.offset);
                        *to = scale * quant + minimum;
                    }
                }
            }
        }
    }
}

impl Tile<'_> {
    /// The quant of a row at a column of a group.
    fn quant(&self, form: Form, group: usize, column: usize, lane: usize) -> u8 {
        if form.bits == 4 {
            let half = form.group_len / 2;
            let line = group * half / 4 + column % half / 4;
            self.quants[line].0[lane * 4 + column % 4] >> (column / half * 4) & 15
        } else {
            self.quants[(group * form.group_len + column) / 4].0[lane * 4 + column % 4]
        }
    }
}

#[inline(always)]
pub(super) fn float(bytes: &[u8], at: usize, width: Width) -> f32 {
    match width {
        Width::F32 => {
            f32::from_le_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
        }
        Width::F16 => f16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]).to_f32(),
        Width::BF16 => bf16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]).to_f32(),
    }
}

/// Whether every number is finite.
fn pack_floats(tensor: &Tensor<'_>, first: usize, tile: &mut [Line]) -> bool {
    let size = tensor.kind.block_bytes();
    let width = match tensor.kind {
        TensorType::F16 => Width::F16,
        TensorType::BF16 => Width::BF16,
        _ => Width::F32,
    };
    let bytes = as_bytes_mut(tile);
    let rows = tensor.bytes.chunks_exact(tensor.columns() * size).skip(first).take(LANES);
    let mut finite = true;
    for (lane, row) in rows.enumerate() {
        for (column, number) in row.chunks_exact(size).enumerate() {
            finite &= float(number, 0, width).is_finite();
            bytes[(column * LANES + lane) * size..][..size].copy_from_slice(number);
        }
    }
    finite
}

/// Whether every scale is finite.
fn pack_quants(tensor: &Tensor<'_>, form: Form, first: usize, tile: &mut [Line]) -> bool {
    let sections = Sections::of(form, tensor.columns());
    let (scales, rest) = tile.split_at_mut(sections.minimums);
    let (minimums, quants) = rest.split_at_mut(sections.quants - sections.minimums);
    let (scales, minimums) = (as_bytes_mut(scales), as_bytes_mut(minimums));
    let row_bytes = tensor.columns() / tensor.kind.block_len() * tensor.kind.block_bytes();
    let groups_per_block = tensor.kind.block_len() / form.group_len;
    let lines_per_group = form.group_len * LANES * form.bits / 8 / LINE_BYTES;
    let mut unpacked = Unpacked::default();
    let mut finite = true;
    for (lane, row) in tensor.bytes.chunks_exact(row_bytes).skip(first).take(LANES).enumerate() {
        for (block, bytes) in row.chunks_exact(tensor.kind.block_bytes()).enumerate() {
            unpacked.fill(tensor.kind, bytes);
            for at in 0..groups_per_block {
                let group = block * groups_per_block + at;
                finite &= unpacked.scales[at].is_finite() && unpacked.minimums[at].is_finite();
                put_scale(scales, group * LANES + lane, unpacked.scales[at], form);
                if form.has_minimums {
                    put_scale(minimums, group * LANES + lane, unpacked.minimums[at], form);
                }
                let lines = &mut quants[group * lines_per_group..][..lines_per_group];
                put_quants(lines, lane, &unpacked.quants[at * form.group_len..][..form.group_len], form.bits);
            }
        }
    }
    finite
}

fn put_scale(bytes: &mut [u8], at: usize, scale: f32, form: Form) {
    if form.half_scales {
        // It came from sixteen bits, so it goes back unchanged.
        bytes[at * 2..][..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    } else {
        bytes[at * 4..][..4].copy_from_slice(&scale.to_le_bytes());
    }
}

fn put_quants(lines: &mut [Line], lane: usize, quants: &[u8], bits: usize) {
    let fours = quants.as_chunks::<4>().0;
    let (low, high) = fours.split_at(lines.len());
    for (at, line) in lines.iter_mut().enumerate() {
        let mut four = low[at];
        if bits == 4 {
            for (byte, high) in four.iter_mut().zip(high[at]) {
                *byte |= high << 4;
            }
        }
        line.0[lane * 4..][..4].copy_from_slice(&four);
    }
}

fn as_bytes(lines: &[Line]) -> &[u8] {
    as_arrays(lines).as_flattened()
}

fn as_bytes_mut(lines: &mut [Line]) -> &mut [u8] {
    as_arrays_mut(lines).as_flattened_mut()
}

#[expect(unsafe_code, reason = "a line is its bytes")]
const fn as_arrays(lines: &[Line]) -> &[[u8; 64]] {
    // SAFETY: `Line` is `repr(C)` around the array, of its size, and more aligned.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len()) }
}

#[expect(unsafe_code, reason = "a line is its bytes")]
const fn as_arrays_mut(lines: &mut [Line]) -> &mut [[u8; 64]] {
    // SAFETY: As above; any bytes are a line.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len()) }
}
