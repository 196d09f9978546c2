//! The "K" types, with 256 numbers to a block. Source: `ggml-common.h` (`block_q4_K` and its neighbours).

use half::f16;

use super::Unpacked;

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Twelve bytes hold eight scales and eight minimums of six bits each.
fn scales_and_minimums(out: &mut Unpacked, block: &[u8]) {
    let (scale, minimum, packed) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
    for at in 0..8 {
        let (s, m) = if at < 4 {
            (packed[at] & 63, packed[at + 4] & 63)
        } else {
            let high = |byte: u8| (byte >> 6) << 4;
            ((packed[at + 4] & 15) | high(packed[at - 4]), (packed[at + 4] >> 4) | high(packed[at]))
        };
        out.scales[at] = scale * f32::from(s);
        out.minimums[at] = -(minimum * f32::from(m));
    }
}

/// Each 32 bytes hold 64 quants: the first 32 in the low nibbles, the others in the high ones.
fn nibbles(out: &mut Unpacked, bytes: &[u8]) {
    for (bytes, quants) in bytes.chunks_exact(32).zip(out.quants.chunks_exact_mut(64)) {
        for (at, byte) in bytes.iter().enumerate() {
            quants[at] = byte & 0x0f;
            quants[at + 32] = byte >> 4;
        }
    }
}

pub(super) fn q4(out: &mut Unpacked, block: &[u8]) {
    scales_and_minimums(out, block);
    nibbles(out, &block[16..144]);
}

pub(super) fn q5(out: &mut Unpacked, block: &[u8]) {
    scales_and_minimums(out, block);
    nibbles(out, &block[48..176]);
    for (group, quants) in out.quants.chunks_exact_mut(32).enumerate() {
        for (quant, byte) in quants.iter_mut().zip(&block[16..48]) {
            *quant |= ((byte >> group) & 1) << 4;
        }
    }
}

pub(super) fn q6(out: &mut Unpacked, block: &[u8]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half_at(block, 208);
    for (at, quant) in out.quants.iter_mut().enumerate() {
        let (half, within) = (at / 128, at % 128);
        let nibble = (low[half * 64 + within % 64] >> (within / 64 * 4)) & 15;
        let upper = (high[half * 32 + within % 32] >> (within / 32 * 2)) & 3;
        *quant = nibble | (upper << 4);
    }
    for (to, from) in out.scales.iter_mut().zip(scales) {
        *to = scale * f32::from(from.cast_signed());
    }
}
