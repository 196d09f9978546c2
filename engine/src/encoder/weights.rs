use std::collections::HashSet;
use std::path::Path;

use canon::Fault;

use super::config::Config;
use crate::gguf::Tensor;
use crate::kernels::{Kernels, Matrix};
use crate::quant::decode;
use crate::safetensors::SafeTensors;

/// Tensors that folders hold and that embeddings have no use for: a table of whole numbers, and the head that guessed
/// whether two sentences follow one another.
const UNUSED: [&str; 3] = ["embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"];

/// An encoder's weights; matrices are repacked, tables are rows of floats.
pub(super) struct Weights {
    pub(super) words: Vec<f32>,
    /// A row for each position, with the first segment's row added.
    pub(super) places: Vec<f32>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

pub(super) struct Layer {
    pub(super) query: Matrix,
    pub(super) key: Matrix,
    pub(super) value: Matrix,
    pub(super) output: Matrix,
    pub(super) attention_norm: Norm,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
    pub(super) output_norm: Norm,
}

/// What a normalised state is multiplied by, and what is added to it.
pub(super) struct Norm {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Weights {
    pub(super) fn load(folder: &Path, config: &Config, kernels: &mut Kernels) -> Result<Self, Fault> {
        let tensors = SafeTensors::open(folder)?;
        // Some folders hold the encoder as a part of a larger model.
        let prefix = if tensors.names().any(|name| name.starts_with("bert.")) { "bert." } else { "" };
        let mut loader =
            Loader { tensors: &tensors, prefix, width: config.width, kernels, seen: HashSet::new() };
        let words = loader.table("embeddings.word_embeddings.weight", config.vocabulary)?;
        let mut places = loader.table("embeddings.position_embeddings.weight", config.positions)?;
        let kinds = loader.table("embeddings.token_type_embeddings.weight", config.kinds)?;
        for place in places.chunks_exact_mut(config.width) {
            place.iter_mut().zip(&kinds).for_each(|(place, kind)| *place += kind);
        }
        let norm = loader.norm("embeddings.LayerNorm")?;
        let layers =
            (0..config.layers).map(|number| loader.layer(number, config)).collect::<Result<_, _>>()?;
        let seen = loader.seen;
        let unused = |name: &str| UNUSED.contains(&name.strip_prefix(prefix).unwrap_or(name));
        match tensors.names().find(|name| name.starts_with(prefix) && !seen.contains(*name) && !unused(name))
        {
            Some(name) => Err(Fault::unsupported(
                format!("tensor {name}"),
                "an encoder of the BERT family has no use for it, so the model would be computed wrongly",
            )),
            None => Ok(Self { words, places, norm, layers }),
        }
    }
}

struct Loader<'a> {
    tensors: &'a SafeTensors,
    prefix: &'a str,
    width: usize,
    kernels: &'a mut Kernels,
    seen: HashSet<String>,
}

impl<'a> Loader<'a> {
    fn layer(&mut self, number: usize, config: &Config) -> Result<Layer, Fault> {
        let (width, inner) = (config.width, config.inner);
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        Ok(Layer {
            query: self.matrix(&name("attention.self.query"), width, width)?,
            key: self.matrix(&name("attention.self.key"), width, width)?,
            value: self.matrix(&name("attention.self.value"), width, width)?,
            output: self.matrix(&name("attention.output.dense"), width, width)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"))?,
            up: self.matrix(&name("intermediate.dense"), inner, width)?,
            down: self.matrix(&name("output.dense"), width, inner)?,
            output_norm: self.norm(&name("output.LayerNorm"))?,
        })
    }

    fn tensor(&mut self, name: &str, (rows, columns): (usize, usize)) -> Result<Tensor<'a>, Fault> {
        let name = format!("{}{name}", self.prefix);
        let missing =
            || Fault::malformed(format!("tensor {name}"), "the folder lacks it; take a complete one");
        let tensor = self.tensors.tensor(&name)?.ok_or_else(missing)?;
        if (tensor.rows(), tensor.columns()) != (rows, columns) {
            let problem =
                format!("has the shape {:?}; config.json calls for {columns} by {rows}", tensor.shape);
            return Err(Fault::malformed(format!("tensor {name}"), problem));
        }
        self.seen.insert(name);
        Ok(tensor)
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Fault> {
        let tensor = self.tensor(&format!("{name}.weight"), (rows, columns))?;
        let matrix = self.kernels.pack(&tensor)?;
        Ok(matrix.with_bias(self.floats(&format!("{name}.bias"), (1, rows))?))
    }

    fn norm(&mut self, name: &str) -> Result<Norm, Fault> {
        let shape = (1, self.width);
        let weights = self.floats(&format!("{name}.weight"), shape)?;
        Ok(Norm { weights, bias: self.floats(&format!("{name}.bias"), shape)? })
    }

    fn table(&mut self, name: &str, rows: usize) -> Result<Vec<f32>, Fault> {
        self.floats(name, (rows, self.width))
    }

    fn floats(&mut self, name: &str, shape: (usize, usize)) -> Result<Vec<f32>, Fault> {
        let tensor = self.tensor(name, shape)?;
        let mut numbers = vec![0.0; shape.0 * shape.1];
        decode(tensor.kind, tensor.bytes, &mut numbers);
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(Fault::malformed(format!("tensor {name}"), "holds infinities or no numbers"));
        }
        Ok(numbers)
    }
}
