use proptest::prelude::*;

use super::Peak;
use crate::gguf::TensorType;
use crate::kernels::tests::tensor;
use crate::kernels::{Floats, Following, Input, Isa, Kernels, Matrix, Mode, Preparation, Product};
use crate::sample_weights::{Noise, blocks};

/// What is written first, and then looked through.
fn expected(kernels: &mut Kernels, input: &[Input], matrix: &Matrix) -> Vec<Option<Peak>> {
    let mut to = Floats::new(matrix.rows);
    to.resize(input.len());
    let steps = [(matrix, Mode::Set)];
    kernels.multiply(input, &mut [Product { steps: &steps, to: &mut to }], Following::NOTHING);
    let peak = |row: &[f32]| {
        let numbers = row.iter().enumerate().filter(|(_, number)| **number > f32::NEG_INFINITY);
        let peaks = numbers.map(|(at, number)| Peak { number: *number, at });
        peaks.reduce(|a, b| if b.number > a.number { b } else { a })
    };
    (0..input.len()).map(|row| peak(to.row(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_peak_is_the_first_of_the_largest_products(
        kind in prop::sample::select(vec![TensorType::Q8_0, TensorType::Q4_1, TensorType::Q6_K]),
        rows in 1_usize..200,
        batch in 1_usize..80,
        threads in 1_usize..4,
        twice in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let (mut noise, columns) = (Noise::new(seed), kind.block_len());
        let mut bytes = blocks(kind, rows, &mut noise);
        if twice {
            // Half of the products come again.
            let (half, all) = (rows / 2 * kind.block_bytes(), bytes.len());
            bytes.copy_within(..half, all - half);
        }
        let shape = [columns, rows];
        for isa in Isa::available() {
            let mut kernels = Kernels::new(threads, isa).unwrap();
            let matrix = kernels.pack(&tensor(kind, &shape, &bytes)).unwrap();
            let mut numbers: Vec<Vec<f32>> = (0..batch).map(|_| noise.floats(columns)).collect();
            // A row all of whose products are zero, and one that has none.
            numbers[0].fill(0.0);
            numbers[batch - 1][0] = f32::NAN;
            let mut input = vec![Input::new(columns); batch];
            let how = Preparation { norm: None, keeps_floats: false };
            kernels.prepare(&|row| &numbers[row], how, &mut input);
            let found = kernels.peaks(&input, &matrix, Following::NOTHING);
            prop_assert_eq!(&found, &expected(&mut kernels, &input, &matrix), "{}", isa.name());
        }
    }
}
