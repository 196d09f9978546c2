use super::even;
use crate::gguf::TensorType;
use crate::kernels::{Isa, Kernels};
use crate::model::tests::{Bench, read, tokens};
use crate::model::{Batch, Row};
use crate::sample_model::tiny;

/// Rows of sequences: of each the last so many, and how many tokens come before them.
fn batch(sequences: &[(usize, usize)]) -> Batch<'static> {
    let rows = sequences.iter().enumerate().flat_map(|(sequence, (rows, before))| {
        (*before..before + rows).map(move |position| Row { sequence, position, token: 0, logits: true })
    });
    Batch {
        rows: rows.collect(),
        pages: vec![&[]; sequences.len()],
        adapters: Vec::new(),
        wants_likeliest: false,
    }
}

#[test]
fn threads_have_sequences_of_equal_work() {
    let shares = even(&batch(&[(1, 40); 64]), 2).unwrap();
    assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32]);
    // A long text is worth some rows.
    let mut uneven = vec![(1, 40); 65];
    uneven[7].1 = 5 * super::ROW_TOKENS;
    let shares = even(&batch(&uneven), 2).unwrap();
    let mut sizes: Vec<_> = shares.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [30, 35]);
    assert!(shares.iter().all(|rows| rows.is_sorted()));
}

#[test]
fn threads_share_products_of_few_rows_and_of_what_is_not_even() {
    assert_eq!(even(&batch(&[(1, 40); 64]), 1), None);
    assert_eq!(even(&batch(&[(1, 40); 63]), 2), None);
    assert_eq!(even(&batch(&[(512, 0)]), 2), None, "one prompt");
    assert_eq!(even(&batch(&[(30, 0), (40, 0)]), 2), None);
}

#[test]
fn threads_apart_compute_what_one_does() {
    let gguf = read(&tiny(&[TensorType::Q4_1, TensorType::Q8_0]));
    let sequences: Vec<_> = (0..70).map(|seed| tokens(5 + 9 * (seed % 7), seed)).collect();
    let mut alone = Bench::new(&gguf);
    alone.kernels = Kernels::new(1, Isa::best()).unwrap();
    let mut apart = Bench::new(&gguf);
    for step in [70, 350] {
        assert_eq!(apart.logits(&sequences, step), alone.logits(&sequences, step), "steps of {step}");
    }
    assert_eq!(last(&mut apart, &sequences), last(&mut alone, &sequences));
    assert!(alone.scratch.apart.rooms.is_empty());
    assert_eq!(apart.scratch.apart.rooms.len(), 2);
}

/// The logits after each sequence, all of them computed in one step.
fn last(bench: &mut Bench, sequences: &[Vec<u32>]) -> Vec<f32> {
    let mut held = bench.hold(sequences);
    let rows = sequences.iter().enumerate().flat_map(|(sequence, tokens)| {
        tokens.iter().enumerate().map(move |(position, token)| Row {
            sequence,
            position,
            token: *token,
            logits: position + 1 == tokens.len(),
        })
    });
    bench.step(rows.collect(), &held);
    held.iter_mut().for_each(|held| bench.kv.give_back(held));
    bench.scratch.logits.data.to_vec()
}
