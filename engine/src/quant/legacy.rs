//! The types with 32 numbers to a block. Source: `ggml-common.h` (`block_q4_0` and its neighbours).

use half::f16;

use super::Unpacked;

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Sixteen bytes hold 32 quants: the first sixteen in the low nibbles, the others in the high ones.
fn nibbles(out: &mut Unpacked, bytes: &[u8]) {
    for (at, byte) in bytes.iter().enumerate() {
        out.quants[at] = byte & 0x0f;
        out.quants[at + 16] = byte >> 4;
    }
}

/// Four bytes hold the fifth bit of each of 32 quants.
fn fifth_bits(out: &mut Unpacked, bytes: &[u8]) {
    for at in 0..32 {
        out.quants[at] |= ((bytes[at / 8] >> (at % 8)) & 1) << 4;
    }
}

pub(super) fn q4_0(out: &mut Unpacked, block: &[u8]) {
    out.scales[0] = half_at(block, 0);
    nibbles(out, &block[2..18]);
}

pub(super) fn q4_1(out: &mut Unpacked, block: &[u8]) {
    out.scales[0] = half_at(block, 0);
    out.minimums[0] = half_at(block, 2);
    nibbles(out, &block[4..20]);
}

pub(super) fn q5_0(out: &mut Unpacked, block: &[u8]) {
    out.scales[0] = half_at(block, 0);
    nibbles(out, &block[6..22]);
    fifth_bits(out, &block[2..6]);
}

pub(super) fn q5_1(out: &mut Unpacked, block: &[u8]) {
    out.scales[0] = half_at(block, 0);
    out.minimums[0] = half_at(block, 2);
    nibbles(out, &block[8..24]);
    fifth_bits(out, &block[4..8]);
}

pub(super) fn q8_0(out: &mut Unpacked, block: &[u8]) {
    out.scales[0] = half_at(block, 0);
    for (quant, byte) in out.quants.iter_mut().zip(&block[2..34]) {
        // Two's complement with its sign bit turned is the number plus 128.
        *quant = byte ^ 0x80;
    }
}
