//! Random weights for tests.

use half::f16;

use crate::gguf::TensorType;

/// A stream of numbers from a seed (xorshift64*).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Between minus one and one.
    pub(crate) fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }
}

/// Blocks of random quants. Their scales are such that weights of every type lie within about a sixteenth of zero.
pub(crate) fn blocks(kind: TensorType, count: usize, noise: &mut Noise) -> Vec<u8> {
    let (halves, quant_max): (&[usize], f32) = match kind {
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => (&[], 1.0),
        TensorType::Q4_0 => (&[0], 8.0),
        TensorType::Q5_0 => (&[0], 16.0),
        TensorType::Q8_0 => (&[0], 128.0),
        TensorType::Q4_1 => (&[0, 2], 15.0),
        TensorType::Q5_1 => (&[0, 2], 31.0),
        TensorType::Q4_K => (&[0, 2], 15.0 * 63.0),
        TensorType::Q5_K => (&[0, 2], 31.0 * 63.0),
        TensorType::Q6_K => (&[208], 32.0 * 128.0),
        TensorType::IQ4_NL => (&[0], 127.0),
        TensorType::IQ4_XS => (&[0], 127.0 * 32.0),
    };
    let mut bytes = Vec::new();
    for _ in 0..count {
        let number = noise.float() / 16.0;
        match kind {
            TensorType::F32 => bytes.extend(number.to_le_bytes()),
            TensorType::F16 => bytes.extend(f16::from_f32(number).to_le_bytes()),
            TensorType::BF16 => bytes.extend(half::bf16::from_f32(number).to_le_bytes()),
            _ => {
                let mut block: Vec<u8> = (0..kind.block_bytes()).map(|_| noise.bits() as u8).collect();
                for at in halves {
                    let scale = f16::from_f32(noise.float() / 16.0 / quant_max);
                    block[*at..at + 2].copy_from_slice(&scale.to_le_bytes());
                }
                bytes.extend(block);
            }
        }
    }
    bytes
}
