//! Weights, repacked once for the dot-product instructions.
//!
//! Sixteen rows make a tile. In it a vector of 64 bytes holds, for each of the sixteen rows, four neighbouring
//! columns: one instruction multiplies them by the same four activations and adds the products to sixteen sums, so no
//! sum is ever taken across lanes. Quants below 16 are packed two to a byte. Nothing is rounded: a 4-bit tile with
//! 16-bit scales has exactly the bytes of its blocks in the file, and some for units where its scales are [`whole`].
//!
//! Tiles come in pairs, whose numbers lie in the order in which a kernel reads them, group after group: memory is fastest
//! where it is read on and on, and CPUs fetch ahead what is read so.

use std::ptr;
use std::sync::{Mutex, PoisonError};

use canon::Fault;
use half::{bf16, f16};

use super::ahead::{Asking, fetch};
use super::arena::{Arena, Lines};
use super::lanes::LANES;
use super::panel::TILES;
use super::pool::Pool;
use super::whole::{self, Units};
use crate::gguf::{Tensor, TensorType};
use crate::quant::{Form, Unpacked};

/// A vector of AVX-512, and a line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

const LINE_BYTES: usize = 64;
/// How many pairs of tiles ahead a kernel asks for units: those of a line of the cache further.
const UNITS_AHEAD: usize = 1 + LINE_BYTES / size_of::<Units>();

/// A weight matrix.
pub(crate) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) kind: Storage,
    /// Added to each row's product; whole tiles.
    pub(super) bias: Option<Vec<f32>>,
    lines: Lines,
    lines_per_pair: usize,
    /// Of each pair of tiles, if its form can be whole; zeros if it is not.
    units: Vec<Units>,
}

/// How a matrix keeps its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Column after column: sixteen floats of this width.
    Floats(Width),
    /// Group after group, each as [`Places`] says.
    Quants(Form),
}

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    F32,
    F16,
    BF16,
}

/// A pair of tiles of a quantised matrix.
#[derive(Clone)]
pub(super) struct Tiles<'a> {
    pub(super) lines: &'a [Line],
    /// What memory is asked for meanwhile.
    pub(super) asking: Asking,
    /// How many groups of columns there are.
    pub(super) groups: usize,
    /// Those of its rows, if their scales are [`whole`].
    pub(super) units: Option<&'a Units>,
}

/// Where the numbers of a group lie in a pair of tiles: the scales of both, the minimums of both, then the first line of
/// quants of each, the second of each, and so on.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// What a scale, or a minimum, takes.
    scale_bytes: usize,
    /// Where minimums begin, in lines.
    minimums: usize,
    /// Where quants begin.
    quants: usize,
    /// How many lines of quants each tile has: four columns a line, or eight where two quants share a byte, the first half of
    /// the group's columns in the low nibbles, the second in the high ones.
    pub(super) quants_each: usize,
    /// How many lines the group takes, of both tiles.
    pub(super) all: usize,
}

impl Places {
    pub(super) const fn of(form: Form) -> Self {
        let scale_bytes = if form.half_scales { 2 } else { 4 };
        let minimums = TILES * LANES * scale_bytes / LINE_BYTES;
        let quants = if form.has_minimums { 2 * minimums } else { minimums };
        let quants_each = form.group_len * LANES * form.bits / 8 / LINE_BYTES;
        Self { scale_bytes, minimums, quants, quants_each, all: quants + TILES * quants_each }
    }

    /// The byte of the pair at which a tile's scales begin.
    #[inline(always)]
    pub(super) const fn scales(self, group: usize, tile: usize) -> usize {
        group * self.all * LINE_BYTES + tile * LANES * self.scale_bytes
    }

    /// The line of the pair that has a tile's factors, where scales are whole.
    #[inline(always)]
    pub(super) const fn factors(self, group: usize, tile: usize) -> usize {
        group * self.all + tile
    }

    /// The byte at which a tile's minimums begin.
    #[inline(always)]
    pub(super) const fn minimums(self, group: usize, tile: usize) -> usize {
        self.scales(group, tile) + self.minimums * LINE_BYTES
    }

    /// The line of the pair that is this line of a tile's quants.
    #[inline(always)]
    pub(super) const fn quants(self, group: usize, line: usize, tile: usize) -> usize {
        group * self.all + self.quants + line * TILES + tile
    }
}

impl Matrix {
    /// Repacks a tensor on all threads.
    ///
    /// # Errors
    /// A scale is infinite or no number, or the system has no memory to give.
    pub(super) fn pack(tensor: &Tensor<'_>, pool: &mut Pool, arena: &mut Arena) -> Result<Self, Fault> {
        let (rows, columns) = (tensor.rows(), tensor.columns());
        let floats = |width, bytes: usize| {
            (Storage::Floats(width), TILES * (columns * bytes * LANES).div_ceil(LINE_BYTES))
        };
        let (kind, lines_per_pair) = match (Form::of(tensor.kind), tensor.kind) {
            (Some(form), _) => (Storage::Quants(form), columns / form.group_len * Places::of(form).all),
            (None, TensorType::F16) => floats(Width::F16, 2),
            (None, TensorType::BF16) => floats(Width::BF16, 2),
            (None, _) => floats(Width::F32, 4),
        };
        let pairs = rows.div_ceil(TILES * LANES);
        let mut lines = arena.lines(pairs * lines_per_pair)?;
        let can_be_whole = matches!(kind, Storage::Quants(form) if whole::form_of(form).is_some());
        let units = Mutex::new(vec![Units::default(); if can_be_whole { pairs } else { 0 }]);
        let finite = std::sync::atomic::AtomicBool::new(true);
        // A task takes some megabytes, so that threads that wait for the disk overlap.
        pool.split(&mut lines, lines_per_pair, &|start, pair| {
            let row = start / lines_per_pair * TILES * LANES;
            let packed = match kind {
                Storage::Floats(_) => pack_floats(tensor, row, pair),
                Storage::Quants(form) => pack_quants(tensor, form, row, pair),
            };
            if let (true, Storage::Quants(form)) = (can_be_whole && packed, kind)
                && let Some(made) = whole::make(pair, form)
            {
                units.lock().unwrap_or_else(PoisonError::into_inner)[start / lines_per_pair] = made;
            }
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
        let units = units.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { rows, columns, kind, bias: None, lines, lines_per_pair, units })
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

    /// The pair of tiles that begins with this one.
    fn lines(&self, tile: usize) -> &[Line] {
        &self.lines[tile / TILES * self.lines_per_pair..][..self.lines_per_pair]
    }

    /// A tile of floats, as bytes: `columns` times sixteen floats.
    pub(super) fn float_tile(&self, tile: usize) -> &[u8] {
        let lines_each = self.lines_per_pair / TILES;
        as_bytes(&self.lines(tile)[tile % TILES * lines_each..][..lines_each])
    }

    /// The tiles that are taken together, from an even one on.
    pub(super) fn pair(&self, tile: usize) -> Tiles<'_> {
        let Storage::Quants(form) = self.kind else { unreachable!("tiles of floats are not taken so") };
        // One row would wait for the units of the pairs that follow, as for their weights.
        if let Some(later) = self.units.get(tile / TILES + UNITS_AHEAD) {
            fetch(ptr::from_ref(later).cast());
        }
        let groups = self.columns / form.group_len;
        Tiles { lines: self.lines(tile), asking: Asking::NOTHING, groups, units: self.units(tile) }
    }

    /// The units of the rows of a pair, if its scales are whole.
    fn units(&self, tile: usize) -> Option<&Units> {
        self.units.get(tile / TILES).filter(|units| units[0][0] > 0)
    }

    /// Where a pair of tiles begins, or would.
    pub(super) fn place(&self, tile: usize) -> *const Line {
        self.lines.as_ptr().wrapping_add(tile / TILES * self.lines_per_pair)
    }

    /// What its weights take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.lines[..]) + size_of_val(self.units.as_slice())
    }

    pub(super) const fn lines_per_pair(&self) -> usize {
        self.lines_per_pair
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
                let (places, pair, units) = (Places::of(form), self.lines(tile), self.units(tile));
                let form = units.and_then(|_| whole::form_of(form)).unwrap_or(form);
                let width = if form.half_scales { Width::F16 } else { Width::F32 };
                for (group, to) in to.chunks_exact_mut(form.group_len).enumerate() {
                    let number = |start: usize| float(&as_bytes(pair)[start..], lane, width);
                    let [scale, minimum] = match units {
                        Some(units) => {
                            let factors = whole::factors(&pair[places.factors(group, tile % TILES)], lane);
                            factors.map(|factor| f32::from(factor) * whole::unit(units[tile % TILES][lane]))
                        }
                        None => [
                            number(places.scales(group, tile % TILES)),
                            if form.has_minimums {
                                number(places.minimums(group, tile % TILES))
                            } else {
                                0.0
                            },
                        ],
                    };
                    for (column, to) in to.iter_mut().enumerate() {
                        // Where two quants share a byte, lines come round again for the second half of columns.
                        let line = places.quants(group, column / 4 % places.quants_each, tile % TILES);
                        let byte = pair[line].0[lane * 4 + column % 4];
                        let quant = match form.bits {
                            4 => byte >> (column / 4 / places.quants_each * 4) & 15,
                            _ => byte,
                        };
                        *to = scale * (f32::from(quant) - f32::from(form.offset)) + minimum;
                    }
                }
            }
        }
    }
}

impl Tiles<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        as_bytes(self.lines)
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
fn pack_floats(tensor: &Tensor<'_>, first: usize, pair: &mut [Line]) -> bool {
    let size = tensor.kind.block_bytes();
    let width = match tensor.kind {
        TensorType::F16 => Width::F16,
        TensorType::BF16 => Width::BF16,
        _ => Width::F32,
    };
    let mut finite = true;
    let lines_each = pair.len() / TILES;
    let mut rows = tensor.bytes.chunks_exact(tensor.columns() * size).skip(first);
    for tile in pair.chunks_exact_mut(lines_each) {
        let bytes = as_bytes_mut(tile);
        for (lane, row) in rows.by_ref().take(LANES).enumerate() {
            for (column, number) in row.chunks_exact(size).enumerate() {
                finite &= float(number, 0, width).is_finite();
                bytes[(column * LANES + lane) * size..][..size].copy_from_slice(number);
            }
        }
    }
    finite
}

/// Whether every scale is finite.
fn pack_quants(tensor: &Tensor<'_>, form: Form, first: usize, pair: &mut [Line]) -> bool {
    let places = Places::of(form);
    let row_bytes = tensor.columns() / tensor.kind.block_len() * tensor.kind.block_bytes();
    let groups_per_block = tensor.kind.block_len() / form.group_len;
    let mut unpacked = Unpacked::default();
    let mut finite = true;
    for (row, bytes) in tensor.bytes.chunks_exact(row_bytes).skip(first).take(TILES * LANES).enumerate() {
        let (tile, lane) = (row / LANES, row % LANES);
        for (block, bytes) in bytes.chunks_exact(tensor.kind.block_bytes()).enumerate() {
            unpacked.fill(tensor.kind, bytes);
            for at in 0..groups_per_block {
                let group = block * groups_per_block + at;
                finite &= unpacked.scales[at].is_finite() && unpacked.minimums[at].is_finite();
                let bytes = as_bytes_mut(pair);
                put_scale(&mut bytes[places.scales(group, tile)..], lane, unpacked.scales[at], form);
                if form.has_minimums {
                    put_scale(&mut bytes[places.minimums(group, tile)..], lane, unpacked.minimums[at], form);
                }
                let quants = &unpacked.quants[at * form.group_len..][..form.group_len];
                for (column, four) in quants.as_chunks::<4>().0.iter().enumerate() {
                    let line = &mut pair[places.quants(group, column % places.quants_each, tile)];
                    // What comes round again goes to the high nibbles.
                    let shift = column / places.quants_each * 4;
                    for (to, quant) in line.0[lane * 4..].iter_mut().zip(four) {
                        *to |= quant << shift;
                    }
                }
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

pub(super) fn as_bytes(lines: &[Line]) -> &[u8] {
    as_arrays(lines).as_flattened()
}

pub(super) fn as_bytes_mut(lines: &mut [Line]) -> &mut [u8] {
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
