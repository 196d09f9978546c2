use proptest::prelude::*;

use super::{Delta, DeltaShape};
use crate::kernels::{Activation, Floats, Input, Isa, Kernels, Preparation};
use crate::sample_weights::Noise;

/// Rows of numbers.
fn rows(count: usize, len: usize, noise: &mut Noise) -> Floats {
    Floats { data: noise.floats(count * len).into(), len }
}

/// `up * (down * x) * scale`, in 64 bits.
fn plain(shape: DeltaShape, (down, up): (&[f32], &[f32]), scale: f32, x: &[f32]) -> Vec<f64> {
    let dot = |a: &[f32], b: &[f64]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum::<f64>();
    let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    let inner: Vec<f64> = down.chunks_exact(shape.columns).map(|row| dot(row, &x)).collect();
    up.chunks_exact(shape.rank).map(|row| dot(row, &inner) * f64::from(scale)).collect()
}

/// The changes of rows of which every second has one, added and behind a gate, by one instruction set.
fn computed(isa: Isa, delta: &Delta, from: &Floats, gates: &Floats) -> [Vec<f32>; 2] {
    let count = from.data.len() / from.len;
    let mut kernels = Kernels::new(2, isa).unwrap();
    let mut input: Vec<Input> = (0..count).map(|_| Input::new(from.len)).collect();
    kernels.prepare(&|row| from.row(row), Preparation::KEPT, &mut input);
    let deltas = |row: usize| row.is_multiple_of(2).then_some(delta);
    let mut added = gates.clone();
    kernels.adapt(&input, &deltas, &mut added);
    let mut gated = Floats { data: vec![7.0; gates.data.len()].into(), len: gates.len };
    kernels.adapt_gated(&input, &deltas, (Activation::Silu, gates), &mut gated);
    [added.data.to_vec(), gated.data.to_vec()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn changes_are_those_of_exact_arithmetic_and_the_same_on_every_instruction_set(
        (rank, columns, rows_of) in (1..40usize, 1..100usize, 1..70usize),
        count in 1..6usize,
        seed in any::<u64>(),
    ) {
        let mut noise = Noise::new(seed);
        let shape = DeltaShape { rank, columns, rows: rows_of };
        let (down, up, scale) = (noise.floats(rank * columns), noise.floats(rows_of * rank), 0.75);
        let delta = Delta::new(shape, &down, &up, scale);
        let (from, gates) = (rows(count, columns, &mut noise), rows(count, rows_of, &mut noise));
        let [added, gated] = computed(Isa::best(), &delta, &from, &gates);
        for isa in Isa::available() {
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let others = computed(isa, &delta, &from, &gates);
            prop_assert_eq!(bits(&others[0]), bits(&added), "{}", isa.name());
            prop_assert_eq!(bits(&others[1]), bits(&gated), "{}", isa.name());
        }
        let bound = 1e-6 * (rank * columns) as f64;
        for row in 0..count {
            let at = row * rows_of..(row + 1) * rows_of;
            let (gate, added, gated) = (gates.row(row), &added[at.clone()], &gated[at]);
            if row % 2 == 1 {
                prop_assert_eq!(added, gate);
                prop_assert!(gated.iter().all(|x| *x == 7.0));
                continue;
            }
            let expected = plain(shape, (&down, &up), scale, from.row(row));
            for (number, expected) in expected.into_iter().enumerate() {
                let gate = f64::from(gate[number]);
                prop_assert!((f64::from(added[number]) - gate - expected).abs() < bound + 1e-6);
                let behind = gate / (1.0 + (-gate).exp()) * expected;
                prop_assert!((f64::from(gated[number]) - behind).abs() < bound + 1e-6);
            }
        }
    }
}
