use std::collections::HashSet;

use canon::Fault;

use super::config::{Config, missing_tensor};
use crate::gguf::{Gguf, Tensor};
use crate::kernels::{Kernels, Matrix};
use crate::quant::decode;

/// Tensors that some files hold, and that say nothing beyond the metadata.
const REDUNDANT: [&str; 2] = ["rope_freqs.weight", "attn_rot_embd.weight"];

/// A model's weights, repacked.
pub(super) struct Weights {
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    /// The embedding serves where there is none.
    pub(super) output: Option<Matrix>,
}

pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    pub(super) query: Matrix,
    pub(super) key: Matrix,
    pub(super) value: Matrix,
    pub(super) output: Matrix,
    pub(super) inner_norm: Vec<f32>,
    pub(super) gate: Matrix,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
}

impl Weights {
    pub(super) fn load(gguf: &Gguf, config: &Config, kernels: &mut Kernels) -> Result<Self, Fault> {
        let mut loader = Loader { gguf, kernels, seen: HashSet::new() };
        let output = match gguf.tensor("output.weight") {
            Some(_) => Some(loader.matrix("output.weight", config.vocabulary, config.width)?),
            None => None,
        };
        let mut layers = Vec::new();
        for number in 0..config.layers {
            layers.push(loader.layer(number, config)?);
        }
        let weights = Self {
            embedding: loader.matrix("token_embd.weight", config.vocabulary, config.width)?,
            layers,
            norm: loader.vector("output_norm.weight", config.width)?,
            output,
        };
        let seen = loader.seen;
        let known = |name: &str| seen.contains(name) || REDUNDANT.iter().any(|end| name.ends_with(end));
        match gguf.tensors().find(|tensor| !known(tensor.name)) {
            Some(tensor) => Err(Fault::unsupported(
                format!("tensor {}", tensor.name),
                "the llama architecture has no use for this tensor, so the model would be computed wrongly",
            )),
            None => Ok(weights),
        }
    }
}

struct Loader<'a> {
    gguf: &'a Gguf,
    kernels: &'a mut Kernels,
    seen: HashSet<String>,
}

impl Loader<'_> {
    fn layer(&mut self, number: usize, config: &Config) -> Result<Layer, Fault> {
        let name = |part: &str| format!("blk.{number}.{part}");
        let (queries, keys) = (config.heads * config.head_len, config.kv_heads * config.head_len);
        Ok(Layer {
            attention_norm: self.vector(&name("attn_norm.weight"), config.width)?,
            query: self.biased(&name("attn_q"), queries, config.width)?,
            key: self.biased(&name("attn_k"), keys, config.width)?,
            value: self.biased(&name("attn_v"), keys, config.width)?,
            output: self.biased(&name("attn_output"), config.width, queries)?,
            inner_norm: self.vector(&name("ffn_norm.weight"), config.width)?,
            gate: self.biased(&name("ffn_gate"), config.inner, config.width)?,
            up: self.biased(&name("ffn_up"), config.inner, config.width)?,
            down: self.biased(&name("ffn_down"), config.width, config.inner)?,
        })
    }

    fn tensor(&mut self, name: &str, shape: (usize, usize)) -> Result<Tensor<'_>, Fault> {
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

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Fault> {
        self.tensor(name, (rows, columns))?;
        let tensor = self.gguf.tensor(name).ok_or_else(|| missing_tensor(name))?;
        Matrix::pack(&tensor, self.kernels.pool())
    }

    fn biased(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Fault> {
        let matrix = self.matrix(&format!("{name}.weight"), rows, columns)?;
        let bias = format!("{name}.bias");
        if self.gguf.tensor(&bias).is_none() {
            return Ok(matrix);
        }
        Ok(matrix.with_bias(self.vector(&bias, rows)?))
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Fault> {
        let tensor = self.tensor(name, (1, len))?;
        let mut numbers = vec![0.0; len];
        decode(tensor.kind, tensor.bytes, &mut numbers);
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(Fault::malformed(format!("tensor {name}"), "holds infinities or no numbers"));
        }
        Ok(numbers)
    }
}
