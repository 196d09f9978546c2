use std::ops::Range;

/// How a tensor's numbers are stored. The names are ggml's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "these are the names that everyone knows the types by")]
pub enum TensorType {
    /// 32-bit IEEE.
    F32,
    /// 16-bit IEEE.
    F16,
    /// The upper half of a 32-bit IEEE number.
    BF16,
    /// 32 numbers of 4 bits, one scale.
    Q4_0,
    /// 32 numbers of 4 bits, scale and minimum.
    Q4_1,
    /// 32 numbers of 5 bits, one scale.
    Q5_0,
    /// 32 numbers of 5 bits, scale and minimum.
    Q5_1,
    /// 32 numbers of 8 bits, one scale.
    Q8_0,
    /// 256 numbers of 4 bits; each 32 have a scale and a minimum of 6 bits.
    Q4_K,
    /// 256 numbers of 5 bits; each 32 have a scale and a minimum of 6 bits.
    Q5_K,
    /// 256 numbers of 6 bits; each 16 have a scale of 8 bits.
    Q6_K,
    /// 32 numbers of a table of 16, one scale.
    IQ4_NL,
    /// 256 numbers of a table of 16; each 32 have a scale of 6 bits.
    IQ4_XS,
}

impl TensorType {
    /// Every type that is read.
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
    ];

    /// The type's number in a GGUF file (`ggml_type` in ggml.h).
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
            Self::IQ4_NL => 20,
            Self::IQ4_XS => 23,
            Self::BF16 => 30,
        }
    }

    pub(super) fn of(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// How many numbers make a block.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4_NL => 32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K | Self::IQ4_XS => 256,
        }
    }

    /// How many bytes a block takes.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 | Self::IQ4_NL => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
            Self::IQ4_XS => 136,
        }
    }
}

/// A tensor: its name, its shape, and its bytes in the file.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: &'a str,
    /// How its numbers are stored.
    pub kind: TensorType,
    /// How many numbers along each dimension, the fastest first.
    pub shape: &'a [usize],
    /// Its blocks, row after row.
    pub bytes: &'a [u8],
}

impl Tensor<'_> {
    /// Numbers in a row: the fastest dimension.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// How many rows there are, over all other dimensions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// A tensor's place, checked against its file.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) kind: TensorType,
    pub(super) shape: Vec<usize>,
    /// Which of the model's files.
    pub(super) file: usize,
    /// From the file's beginning.
    pub(super) bytes: Range<usize>,
}
