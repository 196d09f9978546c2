//! Small folders for tests, and what a model computes.

use std::sync::Arc;

use half::{bf16, f16};
use serde_json::Value;
use tempfile::TempDir;

use crate::adapter::Adapter;
use crate::gguf::Gguf;
use crate::kernels::{Isa, Kernels, KvType};
use crate::kv::{Held, Kv};
use crate::model::{Batch, Model, Row, Scratch};
use crate::safetensors::sample::Sample;

/// What transformers writes and computes: `tests/golden/folders.py`.
pub(crate) fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/folders.json")).unwrap()
}

/// Numbers of a tensor, as the script makes them of its name.
pub(crate) fn numbers(name: &str, count: usize) -> Vec<f32> {
    let hash = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let number = |at: u64| {
        let mut x = at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((x ^ (x >> 31)) >> 57) as f32 / 64.0 - 1.0;
        if name.contains("norm") { 1.0 + unit / 2.0 } else { unit / 4.0 }
    };
    (1..=count as u64).map(number).collect()
}

pub(crate) fn tensors(entry: &Value) -> Sample {
    let mut sample = Sample::default().member(r#""__metadata__":{"format":"pt"}"#);
    let dtype = entry["dtype"].as_str().unwrap();
    for (name, shape) in entry["shapes"].as_object().unwrap() {
        let shape: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
        let numbers = numbers(name, shape.iter().product());
        let bytes: Vec<u8> = match dtype {
            "BF16" => numbers.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            "F16" => numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        sample = sample.tensor(name, dtype, &shape, &bytes);
    }
    sample
}

/// Writes a folder: its JSON files after `edit`, and its tensors.
pub(crate) fn write(golden: &Value, entry: &Value, edit: impl Fn(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files = entry["files"].clone();
    files["tokenizer.json"] = vocabulary(golden, entry)["file"].clone();
    edit(&mut files);
    for (name, content) in files.as_object().unwrap() {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("model.safetensors"), tensors(entry).bytes()).unwrap();
    folder
}

pub(crate) fn vocabulary<'a>(golden: &'a Value, entry: &Value) -> &'a Value {
    &golden["vocabularies"][entry["vocabulary"].as_u64().unwrap() as usize]
}

/// A model with its cache.
pub(crate) struct Bench {
    model: Model,
    kernels: Kernels,
    kv: Kv,
    scratch: Scratch,
}

impl Bench {
    pub(crate) fn new(gguf: &Gguf) -> Self {
        let mut kernels = Kernels::new(2, Isa::best()).unwrap();
        let model = Model::load(gguf, &mut kernels).unwrap();
        let kv = Kv::new(model.config.geometry(KvType::F16), 64 << 20);
        let scratch = Scratch::new(&model.config);
        Self { model, kernels, kv, scratch }
    }

    pub(crate) fn vocabulary(&self) -> usize {
        self.model.config.vocabulary
    }

    /// The logits after each token of each sequence, computed in steps of at most `step` rows, all sequences together.
    pub(crate) fn logits(
        &mut self,
        sequences: &[(Vec<u32>, Option<Arc<Adapter>>)],
        step: usize,
    ) -> Vec<Vec<Vec<f32>>> {
        let mut held: Vec<Held> = sequences.iter().map(|_| Held::default()).collect();
        for (held, (tokens, _)) in held.iter_mut().zip(sequences) {
            assert!(self.kv.hold(held, tokens.len()));
        }
        // Position after position, so that sequences take turns within a step.
        let longest = sequences.iter().map(|(tokens, _)| tokens.len()).max().unwrap_or(0);
        let rows: Vec<Row> = (0..longest)
            .flat_map(|position| (0..sequences.len()).map(move |sequence| (sequence, position)))
            .filter_map(|(sequence, position)| {
                let token = *sequences[sequence].0.get(position)?;
                Some(Row { sequence, position, token, logits: true })
            })
            .collect();
        let mut logits = vec![Vec::new(); sequences.len()];
        for rows in rows.chunks(step) {
            let batch = Batch {
                rows: rows.to_vec(),
                pages: held.iter().map(Held::pages).collect(),
                adapters: sequences.iter().map(|(_, adapter)| adapter.as_deref()).collect(),
                wants_likeliest: false,
            };
            self.model.step(&mut self.kernels, &mut self.kv.cache, &batch, &mut self.scratch);
            for (number, row) in rows.iter().enumerate() {
                logits[row.sequence].push(self.scratch.logits.row(number).to_vec());
            }
        }
        held.iter_mut().for_each(|held| self.kv.give_back(held));
        logits
    }
}

/// The logits after each of `tokens`.
pub(crate) fn logits(gguf: &Gguf, tokens: &[u32]) -> Vec<Vec<f32>> {
    Bench::new(gguf).logits(&[(tokens.to_vec(), None)], 7).remove(0)
}

/// The worst error, relative to how far the logits lie apart.
pub(crate) fn error(found: &[f32], expected: &[f32]) -> f32 {
    let mean = expected.iter().sum::<f32>() / expected.len() as f32;
    let spread = (expected.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / expected.len() as f32).sqrt();
    found.iter().zip(expected).map(|(f, e)| (f - e).abs() / spread).fold(0.0, f32::max)
}
