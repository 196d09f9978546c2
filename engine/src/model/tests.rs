mod architectures;

use std::path::Path;

use canon::Kind;

use super::plain::Plain;
use super::{Batch, Model, Row, Scratch};
use crate::gguf::sample::{Sample, Value};
use crate::gguf::{Gguf, TensorType};
use crate::kernels::{Isa, Kernels, KvType};
use crate::kv::{Held, Kv};
use crate::sample_model::{VOCABULARY, WIDTH, tiny};

/// A model with its cache.
pub(super) struct Bench {
    model: Model,
    pub(super) kernels: Kernels,
    pub(super) kv: Kv,
    pub(super) scratch: Scratch,
}

impl Bench {
    pub(super) fn new(gguf: &Gguf) -> Self {
        let mut kernels = Kernels::new(2, Isa::best()).unwrap();
        let model = Model::load(gguf, &mut kernels).unwrap();
        let kv = Kv::new(model.config.geometry(KvType::F16), 256 << 20);
        let scratch = Scratch::new(&model.config);
        Self { model, kernels, kv, scratch }
    }

    /// The logits after each token of each sequence, computed in steps of at most `step` rows, all sequences together.
    pub(super) fn logits(&mut self, sequences: &[Vec<u32>], step: usize) -> Vec<Vec<Vec<f32>>> {
        let mut held = self.hold(sequences);
        let row = |sequence: usize, position: usize| {
            let token = sequences[sequence][position];
            Row { sequence, position, token, logits: true }
        };
        // Position after position, so that sequences take turns within a step.
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
        let rows: Vec<Row> = (0..longest)
            .flat_map(|position| (0..sequences.len()).map(move |sequence| (sequence, position)))
            .filter(|(sequence, position)| *position < sequences[*sequence].len())
            .map(|(sequence, position)| row(sequence, position))
            .collect();
        let mut logits = vec![Vec::new(); sequences.len()];
        for rows in rows.chunks(step) {
            self.step(rows.to_vec(), &held);
            for (number, row) in rows.iter().enumerate() {
                logits[row.sequence].push(self.scratch.logits.row(number).to_vec());
            }
        }
        held.iter_mut().for_each(|held| self.kv.give_back(held));
        logits
    }

    /// Room for the keys and values of sequences.
    pub(super) fn hold(&mut self, sequences: &[Vec<u32>]) -> Vec<Held> {
        let mut held: Vec<Held> = sequences.iter().map(|_| Held::default()).collect();
        for (held, tokens) in held.iter_mut().zip(sequences) {
            assert!(self.kv.hold(held, tokens.len()));
        }
        held
    }

    /// Computes some of their rows.
    pub(super) fn step(&mut self, rows: Vec<Row>, held: &[Held]) {
        let pages = held.iter().map(Held::pages).collect();
        let batch = Batch { rows, pages, adapters: Vec::new(), wants_likeliest: false };
        self.model.step(&mut self.kernels, &mut self.kv.cache, &batch, &mut self.scratch);
    }
}

pub(super) fn read(sample: &Sample) -> Gguf {
    Gguf::from_bytes(sample.bytes()).unwrap()
}

pub(super) fn tokens(len: u32, seed: u32) -> Vec<u32> {
    (0..len).map(|at| (at * 31 + seed * 17 + at * at * 7) % VOCABULARY as u32).collect()
}

/// The error of `found`, relative to how far the logits lie apart, as a root mean square and at worst.
fn error(found: &[f32], expected: &[f64]) -> (f64, f64) {
    let mean = expected.iter().sum::<f64>() / expected.len() as f64;
    let spread = (expected.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / expected.len() as f64).sqrt();
    let errors: Vec<f64> =
        found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs() / spread).collect();
    let square = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    (square, errors.iter().copied().fold(0.0, f64::max))
}

/// The logits are those of the plain model, within a share of their own spread.
fn check(sample: &Sample, tolerance: f64) {
    let gguf = read(sample);
    let tokens = tokens(40, 1);
    let expected = Plain::new(&gguf).logits(&tokens);
    let found = Bench::new(&gguf).logits(std::slice::from_ref(&tokens), 7).remove(0);
    let mut worst_of_all = 0.0f64;
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let (square, worst) = error(found, expected);
        assert!(square < tolerance, "position {at}: {square}, worst {worst}");
        worst_of_all = worst_of_all.max(square);
    }
    eprintln!("error at most {worst_of_all:.5} of the spread, {tolerance} allowed");
}

#[test]
fn logits_are_those_of_the_plain_model() {
    for kind in [TensorType::F32, TensorType::F16, TensorType::BF16] {
        // The cache keeps sixteen bits.
        check(&tiny(&[kind]), 2e-3);
    }
    // Here activations are rounded to eight bits too.
    for kind in TensorType::ALL.into_iter().filter(|kind| kind.block_len() > 1) {
        check(&tiny(&[kind]), 6e-2);
    }
    check(&tiny(&TensorType::ALL), 6e-2);
}

#[test]
fn an_output_matrix_biases_and_divided_angles_count() {
    let floats = |len: u64, scale: f32| (0..len).map(|at| (at % 7) as f32 * scale).collect::<Vec<f32>>();
    let plain = tiny(&[TensorType::F32]);
    let varied = plain
        .clone()
        .f32s("output.weight", &[WIDTH, VOCABULARY], &floats(WIDTH * VOCABULARY, 0.1))
        .f32s("blk.0.attn_q.bias", &[WIDTH], &floats(WIDTH, 0.3))
        .f32s("blk.1.ffn_down.bias", &[WIDTH], &floats(WIDTH, 0.2))
        .f32s("rope_freqs.weight", &[32], &[1.0, 2.0, 4.0, 8.0].repeat(8));
    check(&varied, 5e-3);
    let logits = |sample: &Sample| Bench::new(&read(sample)).logits(&[tokens(9, 2)], 9);
    assert_ne!(logits(&plain), logits(&varied));
}

#[test]
fn a_sequence_has_the_same_logits_alone_in_a_crowd_and_in_pieces() {
    for kinds in
        [&[TensorType::Q4_1, TensorType::Q8_0][..], &[TensorType::Q4_K, TensorType::Q6_K, TensorType::F16]]
    {
        let mut bench = Bench::new(&read(&tiny(kinds)));
        let crowd: Vec<Vec<u32>> = (0..8).map(|seed| tokens(30 + 13 * seed, seed)).collect();
        let alone: Vec<_> =
            crowd.iter().map(|one| bench.logits(std::slice::from_ref(one), 1).remove(0)).collect();
        for step in [8, 37, 256] {
            assert_eq!(bench.logits(&crowd, step), alone, "steps of {step}");
        }
        for (one, alone) in crowd.iter().zip(&alone) {
            assert_eq!(&bench.logits(std::slice::from_ref(one), 64)[0], alone);
        }
    }
}

#[test]
fn what_cannot_be_computed_is_refused_by_name() {
    let base = || tiny(&[TensorType::F32]);
    let without = |name: &str| {
        let mut sample = base();
        sample.tensors.retain(|tensor| tensor.name != name);
        sample.keys.retain(|(key, _)| key != name);
        sample
    };
    let with = |key: &str, value: Value| {
        let mut sample = without(key);
        sample.keys.push((key.to_owned(), value));
        sample
    };
    let cases = [
        ("general.architecture", with("general.architecture", Value::Text("gemma".into()))),
        ("general.architecture", without("general.architecture")),
        ("llama.expert_count", with("llama.expert_count", Value::U32(8))),
        ("llama.rope.scaling.type", with("llama.rope.scaling.type", Value::Text("dynamic".into()))),
        ("llama.embedding_length", with("llama.embedding_length", Value::U32(0))),
        ("llama.block_count", without("llama.block_count")),
        ("llama.attention.head_count_kv", with("llama.attention.head_count_kv", Value::U32(3))),
        ("llama.attention.key_length", with("llama.attention.key_length", Value::U32(24))),
        ("tensor blk.1.ffn_up.weight", without("blk.1.ffn_up.weight")),
        ("tensor token_embd.weight", without("token_embd.weight")),
        ("tensor blk.2.attn_norm.weight", with("llama.block_count", Value::U32(3))),
        ("tensor blk.1.attn_norm.weight", with("llama.block_count", Value::U32(1))),
        ("tensor blk.0.ffn_gate.weight", with("llama.feed_forward_length", Value::U32(256))),
        ("tensor blk.0.attn_q_norm.weight", base().f32s("blk.0.attn_q_norm.weight", &[64], &[1.0; 64])),
        ("tensor rope_freqs.weight", base().f32s("rope_freqs.weight", &[32], &[0.0; 32])),
        ("tensor output_norm.weight", {
            let mut sample = without("output_norm.weight");
            sample = sample.f32s("output_norm.weight", &[WIDTH], &[f32::NAN; WIDTH as usize]);
            sample
        }),
    ];
    for (name, sample) in cases {
        let mut kernels = Kernels::new(1, Isa::best()).unwrap();
        let fault =
            Model::load(&read(&sample), &mut kernels).err().unwrap_or_else(|| panic!("{name}: accepted"));
        let named = match fault.kind() {
            Kind::Malformed { path } => path,
            Kind::Unsupported { field } => field,
            _ => "",
        };
        assert_eq!(named, name, "{fault}");
    }
}

/// A user's turn, in the tokens of SmolLM2: "What is the capital of France, and why is it famous?"
const PROMPT: [u32; 22] = [
    1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 28, 284, 1701, 314, 357, 4248, 47, 2, 198, 1, 520, 9531,
    198,
];

/// Set `OUTCROP_TEST_MODEL` to the file of SmolLM2-135M-Instruct in `Q4_1` to hold it to the plain model.
///
/// The plain model's logits were found equal to those of transformers (in 32 bits, of the same file) to 1.4e-5 of their
/// spread. What remains is the rounding of activations to eight bits, which llama.cpp does too: over 24 tokens taken at
/// random its error was 0.094 of the spread, and 0.220 at worst; this engine's was 0.082, and 0.203 at worst.
#[test]
fn a_real_model_has_the_logits_of_the_plain_model() {
    let Some(path) = std::env::var_os("OUTCROP_TEST_MODEL") else {
        eprintln!("skipped: OUTCROP_TEST_MODEL names no model");
        return;
    };
    let gguf = Gguf::open(Path::new(&path)).unwrap();
    let expected = Plain::new(&gguf).logits(&PROMPT);
    let found = Bench::new(&gguf).logits(&[PROMPT.to_vec()], 7).remove(0);
    let errors: Vec<(f64, f64)> = found.iter().zip(&expected).map(|(f, e)| error(f, e)).collect();
    let mean = errors.iter().map(|(square, _)| square).sum::<f64>() / errors.len() as f64;
    let worst = errors.iter().map(|(square, _)| *square).fold(0.0, f64::max);
    eprintln!("error {mean:.4} of the spread, {worst:.4} at worst");
    assert!(mean < 0.12 && worst < 0.3, "{errors:?}");
}

#[test]
fn a_load_says_how_far_it_is_up_to_its_end() {
    let mut gguf = Gguf::from_bytes(tiny(&[TensorType::Q4_0]).bytes()).unwrap();
    let (sender, heard) = std::sync::mpsc::channel();
    gguf.watch(Box::new(move |done, all| sender.send((done, all)).unwrap()));
    drop(Bench::new(&gguf));
    let heard: Vec<(u64, u64)> = heard.try_iter().collect();
    let all = gguf.tensors().map(|tensor| tensor.bytes.len() as u64).sum();
    assert_eq!((heard[0], heard[heard.len() - 1]), ((0, all), (all, all)));
    assert!(heard.len() > 10 && heard.is_sorted(), "{heard:?}");
}
