use std::collections::HashSet;
use std::ops::Range;

use canon::Fault;

use super::config::Config;
use super::keys::missing_tensor;
use crate::gguf::{Gguf, Tensor};
use crate::kernels::{Kernels, Matrix};
use crate::quant::decode;

/// Tensors that say nothing beyond the metadata, or that are read with it.
const READ_ELSEWHERE: [&str; 4] =
    ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight", "attn_rot_embd.weight"];

/// A model's weights, repacked.
pub(super) struct Weights {
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    /// The embedding serves where there is none.
    pub(super) output: Option<Matrix>,
}

/// The weights of a layer, with the tensors that they come from.
pub(super) struct Layer {
    /// `attn_norm`.
    pub(super) attention_norm: Vec<f32>,
    /// `attn_q`, or the first rows of `attn_qkv`.
    pub(super) query: Matrix,
    /// `attn_k`, or the next.
    pub(super) key: Matrix,
    /// `attn_v`, or the last.
    pub(super) value: Matrix,
    /// `attn_q_norm`.
    pub(super) query_norm: Option<Vec<f32>>,
    /// `attn_k_norm`.
    pub(super) key_norm: Option<Vec<f32>>,
    /// `attn_output`.
    pub(super) output: Matrix,
    /// `post_attention_norm`.
    pub(super) output_norm: Option<Vec<f32>>,
    /// `ffn_norm`.
    pub(super) inner_norm: Vec<f32>,
    /// `ffn_gate`, or the first half of `ffn_up`.
    pub(super) gate: Matrix,
    /// `ffn_up`, or its second half.
    pub(super) up: Matrix,
    /// `ffn_down`.
    pub(super) down: Matrix,
    /// `post_ffw_norm`.
    pub(super) down_norm: Option<Vec<f32>>,
}

impl Weights {
    /// The matrix that makes logits.
    pub(super) fn output(&self) -> &Matrix {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// What rows are multiplied with when they come to the layer of this number, or behind the last.
    pub(super) fn opening(&self, layer: usize) -> Vec<&Matrix> {
        match self.layers.get(layer) {
            Some(layer) => vec![&layer.query, &layer.key, &layer.value],
            None => vec![self.output()],
        }
    }

    pub(super) fn load(gguf: &Gguf, config: &Config, kernels: &mut Kernels) -> Result<Self, Fault> {
        let mut loader = Loader { gguf, kernels, seen: HashSet::new() };
        let vocabulary = (config.vocabulary, config.width);
        let output = match gguf.tensor("output.weight") {
            Some(_) => Some(loader.matrix("output", vocabulary)?),
            None => None,
        };
        let mut layers = Vec::new();
        for number in 0..config.layers {
            layers.push(loader.layer(number, config)?);
        }
        let weights = Self {
            embedding: loader.matrix("token_embd", vocabulary)?,
            layers,
            norm: loader.vector("output_norm.weight", config.width)?,
            output,
        };
        let seen = loader.seen;
        let known = |name: &str| seen.contains(name) || READ_ELSEWHERE.iter().any(|end| name.ends_with(end));
        match gguf.tensors().find(|tensor| !known(tensor.name)) {
            Some(tensor) => Err(Fault::unsupported(
                format!("tensor {}", tensor.name),
                format!(
                    "the architecture \"{}\" has no use for this tensor, so the model would be computed wrongly",
                    config.architecture.name
                ),
            )),
            None => Ok(weights),
        }
    }
}

/// Takes tensors one by one, and remembers which.
struct Loader<'a> {
    gguf: &'a Gguf,
    kernels: &'a mut Kernels,
    seen: HashSet<String>,
}

impl<'a> Loader<'a> {
    fn layer(&mut self, number: usize, config: &Config) -> Result<Layer, Fault> {
        let name = |part: &str| format!("blk.{number}.{part}");
        let (width, inner, architecture) = (config.width, config.inner, config.architecture);
        let (queries, keys) = (config.heads * config.head_len, config.kv_heads * config.head_len);
        let (attention, gated) = if architecture.is_fused {
            ([name("attn_qkv"), name("attn_qkv"), name("attn_qkv")], [name("ffn_up"), name("ffn_up")])
        } else {
            ([name("attn_q"), name("attn_k"), name("attn_v")], [name("ffn_gate"), name("ffn_up")])
        };
        let attention_norm = self.vector(&name("attn_norm.weight"), width)?;
        let [query, key, value] = self.parts(&attention, [queries, keys, keys], width)?;
        let [gate, up] = self.parts(&gated, [inner, inner], width)?;
        let mut norm = |has: bool, part: &str, len: usize| {
            has.then(|| self.vector(&name(&format!("{part}.weight")), len)).transpose()
        };
        let (heads, after) = (architecture.norms_heads, architecture.norms_after);
        Ok(Layer {
            query_norm: norm(heads, "attn_q_norm", config.head_len)?,
            key_norm: norm(heads, "attn_k_norm", config.head_len)?,
            output_norm: norm(after, "post_attention_norm", width)?,
            down_norm: norm(after, "post_ffw_norm", width)?,
            attention_norm,
            query,
            key,
            value,
            output: self.matrix(&name("attn_output"), (width, queries))?,
            inner_norm: self.vector(&name("ffn_norm.weight"), width)?,
            gate,
            up,
            down: self.matrix(&name("ffn_down"), (width, inner))?,
        })
    }

    fn tensor(&mut self, name: &str, shape: (usize, usize)) -> Result<Tensor<'a>, Fault> {
        let tensor = self.gguf.tensor(name).ok_or_else(|| missing_tensor(name))?;
        if (tensor.rows(), tensor.columns()) != shape {
            let problem = format!(
                "has the shape {:?}; the metadata calls for {} by {}",
                tensor.shape, shape.1, shape.0
            );
            return Err(Fault::malformed(format!("tensor {name}"), problem));
        }
        self.seen.insert(name.to_owned());
        Ok(tensor)
    }

    /// A matrix of so many rows and columns, with its bias if it has one.
    fn matrix(&mut self, name: &str, (rows, columns): (usize, usize)) -> Result<Matrix, Fault> {
        self.part(name, (rows, columns), 0..rows)
    }

    /// Matrices of so many rows each. Those of one name lie in one tensor, one after the other.
    fn parts<const N: usize>(
        &mut self,
        names: &[String; N],
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Matrix; N], Fault> {
        let mut parts = Vec::with_capacity(N);
        for (at, name) in names.iter().enumerate() {
            let rows_of = |names: &[String]| -> usize {
                names.iter().zip(&rows).filter(|(other, _)| *other == name).map(|(_, rows)| rows).sum()
            };
            let start = rows_of(&names[..at]);
            parts.push(self.part(name, (rows_of(names), columns), start..start + rows[at])?);
        }
        Ok(std::array::from_fn(|_| parts.remove(0)))
    }

    /// Some rows of a matrix.
    fn part(&mut self, name: &str, shape: (usize, usize), rows: Range<usize>) -> Result<Matrix, Fault> {
        let weight = format!("{name}.weight");
        let tensor = self.tensor(&weight, shape)?;
        let (row_bytes, shape_of_part) = (tensor.bytes.len() / shape.0, [shape.1, rows.len()]);
        let bytes = &tensor.bytes[rows.start * row_bytes..rows.end * row_bytes];
        let matrix = self.kernels.pack(&Tensor { shape: &shape_of_part, bytes, ..tensor })?;
        self.gguf.note_loaded(bytes.len());
        let bias = format!("{name}.bias");
        if self.gguf.tensor(&bias).is_none() {
            return Ok(matrix);
        }
        Ok(matrix.with_bias(self.vector(&bias, shape.0)?[rows].to_vec()))
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Fault> {
        let tensor = self.tensor(name, (1, len))?;
        let (mut numbers, bytes) = (vec![0.0; len], tensor.bytes.len());
        decode(tensor.kind, tensor.bytes, &mut numbers);
        self.gguf.note_loaded(bytes);
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(Fault::malformed(format!("tensor {name}"), "holds infinities or no numbers"));
        }
        Ok(numbers)
    }
}
