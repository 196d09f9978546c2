//! What the bytes of a tensor mean, exactly.
//!
//! Every quantised type is unpacked into one form: unsigned integers in groups that share a scale, and either a fixed
//! offset (`scale * (quant - offset)`) or a minimum (`scale * quant + minimum`). Both this module's decoding and the
//! kernels' repacking start from it, so they cannot differ. Held to the reference decoder (the Python package `gguf`)
//! by golden blocks.

mod k;
mod legacy;
mod table;
#[cfg(test)]
mod tests;

use half::{bf16, f16};

use crate::gguf::TensorType;

/// The most numbers that a block holds.
pub(crate) const BLOCK_LEN_MAX: usize = 256;
/// The most groups that a block holds.
pub(crate) const GROUPS_MAX: usize = 16;

/// The form of a quantised type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// How many numbers share a scale.
    pub(crate) group_len: usize,
    /// 4 where every quant is below 16, else 8.
    pub(crate) bits: usize,
    /// What is subtracted from each quant.
    pub(crate) offset: u8,
    /// Whether each group has a minimum.
    pub(crate) has_minimums: bool,
    /// Whether scales and minimums are 16-bit floats, exactly.
    pub(crate) half_scales: bool,
}

impl Form {
    /// How many bits a group takes, with its scale and its minimum.
    pub(crate) const fn group_bits(self) -> usize {
        let scale = if self.half_scales { 16 } else { 32 };
        self.group_len * self.bits + scale * (1 + self.has_minimums as usize)
    }

    /// The form of `kind`, unless it is a floating-point type.
    pub(crate) const fn of(kind: TensorType) -> Option<Self> {
        let legacy = Self { group_len: 32, bits: 4, offset: 0, has_minimums: false, half_scales: true };
        Some(match kind {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => return None,
            TensorType::Q4_0 => Self { offset: 8, ..legacy },
            TensorType::Q4_1 => Self { has_minimums: true, ..legacy },
            TensorType::Q5_0 => Self { bits: 8, offset: 16, ..legacy },
            TensorType::Q5_1 => Self { bits: 8, has_minimums: true, ..legacy },
            TensorType::Q8_0 => Self { bits: 8, offset: 128, ..legacy },
            TensorType::Q4_K => Self { has_minimums: true, half_scales: false, ..legacy },
            TensorType::Q5_K => Self { bits: 8, has_minimums: true, half_scales: false, ..legacy },
            TensorType::Q6_K => Self { bits: 8, group_len: 16, offset: 32, half_scales: false, ..legacy },
            // The numbers of the table are whole and within eight bits, so they are unpacked as such.
            TensorType::IQ4_NL => Self { bits: 8, offset: 128, ..legacy },
            TensorType::IQ4_XS => Self { bits: 8, offset: 128, half_scales: false, ..legacy },
        })
    }
}

/// A block in the one form. What the type does not use is left as it was.
pub(crate) struct Unpacked {
    pub(crate) quants: [u8; BLOCK_LEN_MAX],
    pub(crate) scales: [f32; GROUPS_MAX],
    pub(crate) minimums: [f32; GROUPS_MAX],
}

impl Default for Unpacked {
    fn default() -> Self {
        Self { quants: [0; BLOCK_LEN_MAX], scales: [0.0; GROUPS_MAX], minimums: [0.0; GROUPS_MAX] }
    }
}

impl Unpacked {
    /// Unpacks a block of a quantised type; `block` has [`TensorType::block_bytes`].
    pub(crate) fn fill(&mut self, kind: TensorType, block: &[u8]) {
        match kind {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => {}
            TensorType::Q4_0 => legacy::q4_0(self, block),
            TensorType::Q4_1 => legacy::q4_1(self, block),
            TensorType::Q5_0 => legacy::q5_0(self, block),
            TensorType::Q5_1 => legacy::q5_1(self, block),
            TensorType::Q8_0 => legacy::q8_0(self, block),
            TensorType::Q4_K => k::q4(self, block),
            TensorType::Q5_K => k::q5(self, block),
            TensorType::Q6_K => k::q6(self, block),
            TensorType::IQ4_NL => table::nl(self, block),
            TensorType::IQ4_XS => table::xs(self, block),
        }
    }
}

/// Decodes whole blocks; `numbers` has room for exactly what `bytes` hold.
pub(crate) fn decode(kind: TensorType, bytes: &[u8], numbers: &mut [f32]) {
    let pairs = |bytes| numbers_of_two(bytes);
    match kind {
        TensorType::F32 => {
            let words = bytes.as_chunks().0.iter();
            numbers.iter_mut().zip(words).for_each(|(number, word)| *number = f32::from_le_bytes(*word));
        }
        TensorType::F16 => {
            numbers.iter_mut().zip(pairs(bytes)).for_each(|(to, bits)| *to = f16::from_bits(bits).to_f32());
        }
        TensorType::BF16 => {
            numbers.iter_mut().zip(pairs(bytes)).for_each(|(to, bits)| *to = bf16::from_bits(bits).to_f32());
        }
        quantised => {
            if let Some(form) = Form::of(quantised) {
                decode_quantised(quantised, form, bytes, numbers);
            }
        }
    }
}

fn numbers_of_two(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair))
}

fn decode_quantised(kind: TensorType, form: Form, bytes: &[u8], numbers: &mut [f32]) {
    let mut unpacked = Unpacked::default();
    let blocks = bytes.chunks_exact(kind.block_bytes());
    for (block, numbers) in blocks.zip(numbers.chunks_exact_mut(kind.block_len())) {
        unpacked.fill(kind, block);
        let groups =
            unpacked.quants.chunks_exact(form.group_len).zip(numbers.chunks_exact_mut(form.group_len));
        for (at, (quants, numbers)) in groups.enumerate() {
            let (scale, minimum) = (unpacked.scales[at], unpacked.minimums[at]);
            for (quant, number) in quants.iter().zip(numbers) {
                // Products of an 11-bit and an 8-bit significand are exact; only a minimum makes this round.
                *number = scale * (f32::from(*quant) - f32::from(form.offset)) + minimum;
            }
        }
    }
}
