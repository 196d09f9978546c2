//! The "IQ4" types, whose 4-bit quants are places in a table. Source: `ggml-common.h` (`block_iq4_nl`, `block_iq4_xs`).

use half::f16;

use super::Unpacked;

/// What the quants stand for (`kvalues_iq4nl`), and 128.
const TABLE: [u8; 16] = [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

/// Sixteen bytes hold 32 quants: the first sixteen in the low nibbles, the others in the high ones.
fn looked_up(quants: &mut [u8], bytes: &[u8]) {
    for (at, byte) in bytes.iter().enumerate() {
        quants[at] = TABLE[usize::from(byte & 0x0f)];
        quants[at + 16] = TABLE[usize::from(byte >> 4)];
    }
}

pub(super) fn nl(out: &mut Unpacked, block: &[u8]) {
    out.scales[0] = f16::from_le_bytes([block[0], block[1]]).to_f32();
    looked_up(&mut out.quants, &block[2..18]);
}

pub(super) fn xs(out: &mut Unpacked, block: &[u8]) {
    let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
    let (high, low) = (u16::from_le_bytes([block[2], block[3]]), &block[4..8]);
    for (group, bytes) in block[8..136].chunks_exact(16).enumerate() {
        let nibble = (low[group / 2] >> (group % 2 * 4)) & 15;
        let upper = (high >> (2 * group)) as u8 & 3;
        out.scales[group] = scale * (f32::from(nibble | (upper << 4)) - 32.0);
        looked_up(&mut out.quants[group * 32..][..32], bytes);
    }
}
