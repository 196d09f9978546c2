//! Small random models for tests.

use crate::gguf::TensorType;
use crate::gguf::sample::{Sample, Value};
use crate::sample_weights::{Noise, blocks};

pub(crate) const WIDTH: u64 = 256;
pub(crate) const VOCABULARY: u64 = 83;
pub(crate) const CONTEXT_TOKENS: u32 = 512;
const INNER: u64 = 512;
const HEADS: u64 = 4;
const KV_HEADS: u64 = 2;
const LAYERS: u32 = 2;

/// A model of two layers. Its matrices have the types in turn.
pub(crate) fn tiny(kinds: &[TensorType]) -> Sample {
    let mut noise = Noise::new(11);
    let mut kinds = kinds.iter().cycle();
    let mut sample = Sample::default()
        .text("general.architecture", "llama")
        .key("llama.block_count", Value::U32(LAYERS))
        .key("llama.context_length", Value::U32(CONTEXT_TOKENS))
        .key("llama.embedding_length", Value::U32(WIDTH as u32))
        .key("llama.feed_forward_length", Value::U32(INNER as u32))
        .key("llama.attention.head_count", Value::U32(HEADS as u32))
        .key("llama.attention.head_count_kv", Value::U32(KV_HEADS as u32))
        .key("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5))
        .key("llama.rope.freq_base", Value::F32(10_000.0));
    let mut matrix = |sample: Sample, name: &str, rows: u64, columns: u64| {
        let kind = *kinds.next().unwrap();
        let bytes = blocks(kind, (rows * columns) as usize / kind.block_len(), &mut noise);
        sample.tensor(&format!("{name}.weight"), kind, &[columns, rows], bytes)
    };
    let norm = |sample: Sample, name: &str| {
        let weights: Vec<f32> = (0..WIDTH).map(|at| 0.5 + at as f32 / 100.0).collect();
        sample.f32s(&format!("{name}.weight"), &[WIDTH], &weights)
    };
    sample = matrix(sample, "token_embd", VOCABULARY, WIDTH);
    sample = norm(sample, "output_norm");
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let keys = WIDTH / HEADS * KV_HEADS;
        sample = norm(norm(sample, &name("attn_norm")), &name("ffn_norm"));
        for (part, rows, columns) in [
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", keys, WIDTH),
            ("attn_v", keys, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ] {
            sample = matrix(sample, &name(part), rows, columns);
        }
    }
    sample
}
