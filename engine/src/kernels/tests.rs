use std::collections::HashSet;
use std::sync::Mutex;
use std::thread::{self, ThreadId};
use std::time::Duration;

use canon::Fault;
use proptest::prelude::*;

use super::isa::call;
use super::lanes::{LANES, exponential};
use super::pool::Pool;
use super::portable::Portable;
use super::rows::{Block, Floats, Input};
use super::{Activation, Following, Isa, Kernels, Matrix, Mode, Place, Places, Preparation, Product};
use crate::gguf::{Tensor, TensorType};
use crate::quant::decode;
use crate::sample_weights::{Noise, blocks};

pub(super) fn tensor<'a>(kind: TensorType, shape: &'a [usize], bytes: &'a [u8]) -> Tensor<'a> {
    Tensor { name: "weight", kind, shape, bytes }
}

pub(super) fn pack(tensor: &Tensor<'_>) -> Result<Matrix, Fault> {
    Kernels::new(2, Isa::best()).unwrap().pack(tensor)
}

fn input(isa: Isa, numbers: &[f32]) -> Input {
    let mut input = Input::new(numbers.len());
    input.floats.copy_from_slice(numbers);
    call!(isa, quantise(numbers, &mut input.blocks));
    input
}

/// What the integers of a row stand for.
fn dequantised(input: &Input) -> Vec<f32> {
    let block = |block: &Block| {
        block.words.as_flattened().iter().map(|quant| f32::from(*quant) * block.scale).collect()
    };
    input.blocks.iter().flat_map(|it| -> Vec<f32> { block(it) }).collect()
}

fn multiply(isa: Isa, threads: usize, matrix: &Matrix, rows: &[Vec<f32>]) -> Floats {
    let mut to = Floats::new(matrix.rows);
    to.resize(rows.len());
    let input: Vec<Input> = rows.iter().map(|row| input(isa, row)).collect();
    let steps = [(matrix, Mode::Set)];
    let mut kernels = Kernels::new(threads, isa).unwrap();
    kernels.multiply(&input, &mut [Product { steps: &steps, to: &mut to }], Following::NOTHING);
    to
}

/// Every instruction set makes the same bits, for any number of rows, and they are near the exact product.
fn check(kind: TensorType, (rows, blocks_per_row): (usize, usize), batch: usize, seed: u64) {
    let mut noise = Noise::new(seed);
    let columns = blocks_per_row * kind.block_len();
    let bytes = blocks(kind, rows * blocks_per_row, &mut noise);
    let inputs: Vec<Vec<f32>> = (0..batch).map(|_| noise.floats(columns)).collect();
    check_bytes(kind, (rows, columns), &bytes, &inputs);
}

/// The same of given blocks and rows.
pub(super) fn check_bytes(
    kind: TensorType,
    (rows, columns): (usize, usize),
    bytes: &[u8],
    inputs: &[Vec<f32>],
) {
    let shape = [columns, rows];
    let matrix = pack(&tensor(kind, &shape, bytes)).unwrap();
    let mut weights = vec![0.0; rows * columns];
    decode(kind, bytes, &mut weights);
    let batch = inputs.len();

    let expected = multiply(Isa::available().last().unwrap(), 1, &matrix, inputs);
    for isa in Isa::available() {
        let together = multiply(isa, 2, &matrix, inputs);
        assert_eq!(together.data[..], expected.data[..], "{kind:?} on {}", isa.name());
        for (row, numbers) in inputs.iter().enumerate() {
            let alone = multiply(isa, 1, &matrix, std::slice::from_ref(numbers));
            assert_eq!(
                &alone.data[..],
                expected.row(row),
                "{kind:?}: row {row} of {batch} alone on {}",
                isa.name()
            );
        }
    }
    for (at, numbers) in inputs.iter().enumerate() {
        let rounded = input(Isa::best(), numbers);
        let numbers = if kind.block_len() == 1 { numbers.clone() } else { dequantised(&rounded) };
        for (row, weights) in weights.chunks_exact(columns).enumerate() {
            let terms = || weights.iter().zip(&numbers).map(|(w, x)| f64::from(*w) * f64::from(*x));
            let (exact, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
            let product = f64::from(expected.row(at)[row]);
            // Minimums and quants cancel, so the error is relative to more than the terms' own size.
            assert!((product - exact).abs() <= 1e-5 * (size + 1.0), "{kind:?}: {product} for {exact}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn all_instruction_sets_make_the_same_bits(
        kind in prop::sample::select(TensorType::ALL.to_vec()),
        rows in 1usize..150,
        blocks in 1usize..5,
        batch in 1usize..12,
        seed in any::<u64>(),
    ) {
        let blocks = if kind.block_len() == 1 { blocks * 13 } else { blocks };
        check(kind, (rows, blocks), batch, seed);
    }

    #[test]
    fn a_packed_row_is_decoded_exactly(
        kind in prop::sample::select(TensorType::ALL.to_vec()),
        rows in 1usize..40,
        seed in any::<u64>(),
    ) {
        let bytes = blocks(kind, rows * 3, &mut Noise::new(seed));
        let columns = 3 * kind.block_len();
        let shape = [columns, rows];
        let matrix = pack(&tensor(kind, &shape, &bytes)).unwrap();
        let (mut expected, mut row) = (vec![0.0; rows * columns], vec![0.0; columns]);
        decode(kind, &bytes, &mut expected);
        for (number, expected) in expected.chunks_exact(columns).enumerate() {
            matrix.decode_row(number, &mut row);
            assert_eq!(row, expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn a_gate_gives_the_same_integers_at_once(
        kinds in prop::sample::select(vec![
            [TensorType::Q4_1, TensorType::Q4_1], [TensorType::Q4_0, TensorType::Q8_0], [TensorType::Q6_K, TensorType::Q4_K],
        ]),
        blocks_of_rows in 1usize..6,
        rows in 1usize..150,
        seed in any::<u64>(),
    ) {
        let (mut noise, columns, len) = (Noise::new(seed), 256, blocks_of_rows * 32);
        let mut packed = |kind: TensorType| {
            let bytes = blocks(kind, len * columns / kind.block_len(), &mut noise);
            pack(&tensor(kind, &[columns, len], &bytes)).unwrap()
        };
        let [gate, other] = kinds.map(&mut packed);
        prop_assert!(Kernels::gates([&gate, &other]));
        let numbers: Vec<_> = (0..rows).map(|_| noise.floats(columns)).collect();
        for (isa, threads) in Isa::available().zip([2, 1, 3]) {
            let input: Vec<_> = numbers.iter().map(|row| input(isa, row)).collect();
            let mut kernels = Kernels::new(threads, isa).unwrap();
            let mut to = Floats::new(len);
            to.resize(rows);
            let steps = [(&gate, Mode::Set), (&other, Mode::Gate(Activation::Silu))];
            kernels.multiply(&input, &mut [Product { steps: &steps, to: &mut to }], Following::NOTHING);
            let mut at_once = vec![Input::new(len); rows];
            kernels.gate(&input, (Activation::Silu, [&gate, &other]), &mut at_once, Following::NOTHING);
            for (row, found) in at_once.iter().enumerate() {
                prop_assert_eq!(&found.blocks, &self::input(isa, to.row(row)).blocks, "row {} on {}", row, isa.name());
            }
        }
    }
}

#[test]
fn products_are_set_added_gated_and_biased() {
    let bytes: Vec<u8> = [1f32, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let packed = || pack(&tensor(TensorType::F32, &[1, 3], &bytes)).unwrap();
    let (plain, biased) = (packed(), packed().with_bias(vec![10.0, 20.0, 30.0]));
    type Case<'a> = (&'a [(&'a Matrix, Mode)], [f32; 3]);
    let gelu = |x: f32| x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x.powi(3))).tanh()) / 2.0 * x;
    let cases: [Case<'_>; 6] = [
        (&[(&plain, Mode::Set)], [2.0, 4.0, 6.0]),
        (&[(&biased, Mode::Set)], [12.0, 24.0, 36.0]),
        (&[(&plain, Mode::Add)], [102.0, 104.0, 106.0]),
        (&[(&plain, Mode::Cap(3.0))], [2.0f32, 4.0, 6.0].map(|x| 3.0 * (x / 3.0).tanh())),
        (&[(&plain, Mode::Set), (&plain, Mode::Gate(Activation::Gelu))], [2.0, 4.0, 6.0].map(gelu)),
        (
            &[(&plain, Mode::Set), (&plain, Mode::Gate(Activation::Silu))],
            [2.0, 4.0, 6.0].map(|x| x / (1.0 + f32::exp(-x)) * x),
        ),
    ];
    for (steps, expected) in cases {
        let mut to = Floats { data: vec![100.0; 3].into(), len: 3 };
        let input = [input(Isa::best(), &[2.0])];
        Kernels::new(1, Isa::best()).unwrap().multiply(
            &input,
            &mut [Product { steps, to: &mut to }],
            Following::NOTHING,
        );
        for (product, expected) in to.data.iter().zip(expected) {
            assert!(
                (product - expected).abs() < 1e-4,
                "{steps:?}: {product} for {expected}",
                steps = steps.len()
            );
        }
    }
}

#[test]
fn normalised_rows_are_added_alike_on_every_instruction_set() {
    let (len, mut noise) = (3 * 16 + 5, Noise::new(5));
    let mut floats = || Floats { data: noise.floats(2 * len).into(), len };
    let (from, there, weights) = (floats(), floats(), floats());
    let added = |isa| {
        let mut to = there.clone();
        Kernels::new(2, isa).unwrap().add_normalised(&from, (weights.row(0), 1e-3), &mut to);
        to
    };
    let found = added(Isa::best());
    assert!(Isa::available().all(|isa| added(isa).data[..] == found.data[..]));
    for row in 0..2 {
        let squares: f64 = from.row(row).iter().map(|x| f64::from(x * x)).sum();
        let size = (squares / len as f64 + 1e-3).sqrt();
        let all = from.row(row).iter().zip(weights.row(0)).zip(there.row(row)).zip(found.row(row));
        for (((x, weight), there), found) in all {
            let expected = f64::from(*there) + f64::from(*x) / size * f64::from(*weight);
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}

#[test]
fn rows_are_rounded_alike_with_their_floats_and_without() {
    let (len, rows, mut noise) = (3 * 32, 5, Noise::new(6));
    let from = Floats { data: noise.floats(rows * len).into(), len };
    let weights = noise.floats(len);
    for norm in [None, Some((&weights[..], 1e-3))] {
        let rounded = |isa, keeps_floats| {
            let mut to = vec![Input::new(len); rows];
            let how = Preparation { norm, keeps_floats };
            Kernels::new(2, isa).unwrap().prepare(&|row| from.row(row), how, &mut to);
            assert!(to.iter().all(|row| row.has_floats == keeps_floats));
            to.into_iter().map(|row| row.blocks).collect::<Vec<_>>()
        };
        let found = rounded(Isa::best(), true);
        assert!(found.iter().flatten().all(|block| block.scale > 0.0));
        for isa in Isa::available() {
            assert!([true, false].into_iter().all(|keeps_floats| rounded(isa, keeps_floats) == found));
        }
    }
}

#[test]
fn a_tensor_that_holds_no_numbers_is_refused() {
    for (kind, bytes) in [
        (TensorType::F32, f32::NAN.to_le_bytes().to_vec()),
        (TensorType::F16, half::f16::INFINITY.to_le_bytes().to_vec()),
        (TensorType::Q8_0, [half::f16::NAN.to_le_bytes().to_vec(), vec![0; 32]].concat()),
    ] {
        let shape = [kind.block_len(), 1];
        let packed = pack(&tensor(kind, &shape, &bytes));
        assert_eq!(packed.err().unwrap().message(), "tensor weight: holds infinities or no numbers");
    }
}

#[expect(unsafe_code, reason = "a function of every instruction set")]
fn exp(x: f32) -> f32 {
    // SAFETY: Every CPU has this instruction set.
    unsafe { exponential::<Portable>([x; LANES])[0] }
}

#[test]
fn the_exponential_is_right_to_two_units() {
    let mut worst = 0.0f64;
    for step in -87_000..88_000 {
        let x = step as f32 / 1000.0;
        let exact = f64::from(x).exp();
        worst = worst.max((f64::from(exp(x)) / exact - 1.0).abs());
    }
    assert!(worst < 2.5e-7, "{worst}");
    assert_eq!(exp(0.0), 1.0);
    assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(1e9).is_finite());
}

#[test]
#[should_panic(expected = "two rows have the same place")]
fn two_rows_never_share_a_place() {
    let place = Place { page: 3, slot: 1 };
    drop(Places::new(vec![place, place]));
}

#[test]
fn every_task_is_done_once_by_any_number_of_threads() {
    for threads in [1, 2, 5] {
        let mut pool = Pool::new(threads).unwrap();
        for tasks in (0..2000).map(|round| round % 37) {
            let mut counts = vec![0u32; tasks];
            pool.split(&mut counts, 1 + tasks / 9, &|_, counts| {
                counts.iter_mut().for_each(|count| *count += 1);
            });
            assert_eq!(counts, vec![1; tasks]);
        }
    }
}

/// Which threads take tasks that take so long each.
fn takers(pool: &mut Pool, tasks: usize, each: Duration) -> HashSet<ThreadId> {
    let seen = Mutex::new(HashSet::new());
    pool.run(tasks, &|_| {
        thread::sleep(each);
        seen.lock().unwrap().insert(thread::current().id());
    });
    seen.into_inner().unwrap()
}

#[test]
fn threads_that_have_parked_come_back() {
    let mut pool = Pool::new(3).unwrap();
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(20));
        assert!(takers(&mut pool, 3, Duration::from_millis(50)).len() > 1);
    }
}

#[test]
fn no_more_threads_take_part_than_are_wanted() {
    let mut pool = Pool::new(3).unwrap();
    for (limit, most) in [(1, 1), (0, 1), (2, 2), (9, 3), (1, 1)] {
        pool.limit(limit);
        assert_eq!(pool.threads(), most);
        let runs = (0..20).map(|_| takers(&mut pool, 12, Duration::from_micros(200)));
        let seen: HashSet<_> = runs.flatten().collect();
        assert!(seen.len() <= most && seen.contains(&thread::current().id()));
    }
}

#[test]
fn a_panic_on_any_thread_reaches_the_caller() {
    let mut pool = Pool::new(2).unwrap();
    for bad in [0, 5, 9] {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(10, &|task| assert_ne!(task, bad));
        }));
        assert!(run.is_err());
    }
    pool.run(10, &|_| ());
}
