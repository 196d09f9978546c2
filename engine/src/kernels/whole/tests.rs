use proptest::prelude::*;

use super::super::tests::{check_bytes, pack, tensor};
use super::*;
use crate::gguf::TensorType;
use crate::quant::decode;
use crate::sample_weights::{Noise, blocks};

/// Random quants with these scales and minimums, block after block.
fn q4_1(factors: &[[f32; 2]], noise: &mut Noise) -> Vec<u8> {
    let mut bytes = blocks(TensorType::Q4_1, factors.len(), noise);
    for (block, factors) in bytes.chunks_exact_mut(TensorType::Q4_1.block_bytes()).zip(factors) {
        for (half, factor) in block.as_chunks_mut::<2>().0.iter_mut().zip(factors) {
            assert_eq!(f16::from_f32(*factor).to_f32(), *factor, "no 16-bit float");
            *half = f16::from_f32(*factor).to_le_bytes();
        }
    }
    bytes
}

/// Whether every pair of tiles of it is whole; its rows are decoded exactly either way.
fn is_whole((rows, columns): (usize, usize), bytes: &[u8]) -> bool {
    let shape = [columns, rows];
    let tensor = tensor(TensorType::Q4_1, &shape, bytes);
    let matrix = pack(&tensor).unwrap();
    let (mut expected, mut row) = (vec![0.0; rows * columns], vec![0.0; columns]);
    decode(TensorType::Q4_1, bytes, &mut expected);
    for (number, expected) in expected.chunks_exact(columns).enumerate() {
        matrix.decode_row(number, &mut row);
        assert_eq!(row, expected);
    }
    (0..rows).step_by(TILES * LANES).all(|row| matrix.pair(row / LANES).units.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn whole_scales_make_the_same_bits_everywhere(
        rows in 1usize..150,
        blocks in 1usize..6,
        batch in 1usize..12,
        power in -20..0,
        seed in any::<u64>(),
    ) {
        let mut noise = Noise::new(seed);
        let mut multiple = |peak: f32, unit: f32| (noise.float() * peak).round() * unit;
        // Both are within eleven bits, and the middle is within sixteen.
        let unit = f32::exp2(power as f32);
        let factors: Vec<_> = (0..rows * blocks).map(|_| [multiple(2047.0, unit), multiple(2047.0, 8.0 * unit)]).collect();
        let bytes = q4_1(&factors, &mut noise);
        prop_assert!(is_whole((rows, blocks * 32), &bytes));
        let inputs: Vec<_> = (0..batch).map(|_| noise.floats(blocks * 32)).collect();
        check_bytes(TensorType::Q4_1, (rows, blocks * 32), &bytes, &inputs);
    }
}

/// Two blocks for each of so many rows, in this unit.
fn rows_of(rows: usize, factors: [[f32; 2]; 2], unit: f32) -> Vec<[f32; 2]> {
    factors.map(|factors| factors.map(|it| it * unit)).repeat(rows)
}

#[test]
fn the_largest_products_do_not_overflow() {
    let (shape, unit, noise) = ((40, 64), f32::exp2(-12.0), &mut Noise::new(3));
    // A middle of 32,760; the same below zero; a scale of 32,752 beside a middle of 32,640.
    for factors in [[[2047.0, 16384.0]; 2], [[-2047.0, -16384.0]; 2], [[32752.0, -229_376.0], [1.0, -8.0]]] {
        for quants in [0x00, 0xff, 0x0f] {
            let mut bytes = q4_1(&rows_of(shape.0, factors, unit), noise);
            for block in bytes.chunks_exact_mut(TensorType::Q4_1.block_bytes()) {
                block[4..].fill(quants);
            }
            assert!(is_whole(shape, &bytes), "{factors:?}");
            check_bytes(TensorType::Q4_1, shape, &bytes, &[vec![1.0; shape.1], vec![-1.0; shape.1]]);
        }
    }
}

#[test]
fn a_row_that_takes_more_bits_keeps_its_floats() {
    let (shape, unit, noise) = ((70, 64), f32::exp2(-20.0), &mut Noise::new(4));
    for (factors, whole) in [
        ([[1.0, 32752.0], [0.0, 0.0]], true),
        // The second middle is 32,768.
        ([[1.0, 32752.0], [2.0, 32752.0]], false),
        ([[1.0, -8.0], [32752.0, -229_376.0]], true),
        ([[1.0, -8.0], [32768.0, -262_144.0]], false),
        ([[0.0, 0.0], [0.0, 0.0]], true),
    ] {
        let mut all = rows_of(shape.0, [[0.5, -4.0], [1.0, 0.0]], 1.0);
        all.splice(66 * 2..67 * 2, rows_of(1, factors, unit));
        let bytes = q4_1(&all, noise);
        assert_eq!(is_whole(shape, &bytes), whole, "{factors:?}");
        check_bytes(TensorType::Q4_1, shape, &bytes, &[noise.floats(shape.1), noise.floats(shape.1)]);
    }
}

#[test]
fn a_unit_is_a_power_of_two() {
    assert_eq!([103, 127, 143].map(unit), [-24.0, 0.0, 16.0].map(f32::exp2));
}
