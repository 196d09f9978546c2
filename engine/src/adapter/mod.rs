//! Adapters: low-rank changes (LoRA) to the matrices of a model that is loaded, read from a PEFT folder or a GGUF file.
//!
//! An adapter is held against the model that it is for: each change names a matrix that the model has, and has its
//! shape. Refused by name: what changes more than products (embeddings, norms, biases, DoRA, modules that were trained
//! in full), because the answers would be another model's.

mod file;
mod peft;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use canon::Fault;

use crate::gguf::Tensor;
use crate::kernels::{Delta, DeltaShape};
use crate::model::{Config, Part};
use crate::quant::decode;

/// Wider changes are no adapters.
const RANK_MAX: usize = 4096;

/// How much of an adapter's files is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The shapes alone, which takes a moment whatever its size.
    Shapes,
    Numbers,
}

/// The rows of a change that belong to one product: a layer's, or, without one, that which makes logits.
type Share = (Option<(usize, Part)>, usize);

/// What changes a model's products.
pub struct Adapter {
    layers: Vec<[Option<Delta>; Part::COUNT]>,
    /// Of the product that makes logits.
    output: Option<Delta>,
    /// Tells it apart from every other that was loaded, also under its name.
    number: u32,
}

/// A change as a file has it.
struct Change {
    /// The matrix, as GGUF names it: `blk.0.attn_q`.
    matrix: String,
    shape: DeltaShape,
    /// `rank` rows of `columns`; none where only shapes were read.
    down: Vec<f32>,
    /// `rows` rows of `rank`; none where only shapes were read.
    up: Vec<f32>,
    scale: f32,
}

/// How the rows of queries and keys are ordered in a file: which two numbers of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As in transformers: a number and the one half a head away.
    Halves,
    /// As llama.cpp's converter orders Llama's: neighbours.
    Neighbours,
}

impl Adapter {
    /// Reads a PEFT folder or a GGUF file, for a model of these sizes.
    ///
    /// # Errors
    /// A file cannot be read, is of a kind that is not computed here, or does not fit the model; the fault names the
    /// member or the tensor.
    pub(crate) fn open(path: &Path, config: &Config, number: u32) -> Result<Self, Fault> {
        let (changes, order) = read(path, config, Depth::Numbers)?;
        let mut adapter = Self { layers: Vec::new(), output: None, number };
        adapter.layers.resize_with(config.layers, Default::default);
        for change in changes {
            adapter.add(&change.in_order(order, config), config)?;
        }
        Ok(adapter)
    }

    /// Holds the shapes of a PEFT folder or a GGUF file against a model of these sizes, and says what memory it will
    /// take. Reads no numbers.
    ///
    /// # Errors
    /// As for [`Self::open`], as far as names and shapes tell.
    pub(crate) fn outline(path: &Path, config: &Config) -> Result<usize, Fault> {
        let (changes, _) = read(path, config, Depth::Shapes)?;
        let mut seen = BTreeSet::new();
        let mut bytes = 0;
        for change in changes {
            for (place, rows) in change.shares(config)? {
                if !seen.insert(place.map(|(layer, part)| (layer, part as usize))) {
                    return Err(change.misfit("is changed twice"));
                }
                bytes += Delta::bytes_of(DeltaShape { rows, ..change.shape });
            }
        }
        Ok(bytes)
    }

    /// The change of a layer's product.
    pub(crate) fn delta(&self, layer: usize, part: Part) -> Option<&Delta> {
        self.layers.get(layer)?[part as usize].as_ref()
    }

    /// The change of the product that makes logits.
    pub(crate) const fn output(&self) -> Option<&Delta> {
        self.output.as_ref()
    }

    /// The memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().flatten().flatten().chain(&self.output).map(Delta::bytes).sum()
    }

    /// Tells it apart from every other adapter of its engine.
    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    /// Puts a change in its places, and checks that it fits.
    fn add(&mut self, change: &Change, config: &Config) -> Result<(), Fault> {
        let rank = change.shape.rank;
        let shares = change.shares(config)?;
        if !change.scale.is_finite() || change.down.iter().chain(&change.up).any(|number| !number.is_finite())
        {
            return Err(change.misfit("holds infinities or no numbers"));
        }
        let mut start = 0;
        for (place, rows) in shares {
            let up = &change.up[start * rank..(start + rows) * rank];
            let delta = Delta::new(DeltaShape { rows, ..change.shape }, &change.down, up, change.scale);
            let slot = match place {
                Some((layer, part)) => &mut self.layers[layer][part as usize],
                None => &mut self.output,
            };
            if slot.replace(delta).is_some() {
                return Err(change.misfit("is changed twice"));
            }
            start += rows;
        }
        Ok(())
    }
}

/// What a PEFT folder or a GGUF file changes, and how it orders rows.
fn read(path: &Path, config: &Config, depth: Depth) -> Result<(Vec<Change>, Order), Fault> {
    let (changes, order) =
        if path.is_dir() { peft::read(path, depth)? } else { file::read(path, config, depth)? };
    if changes.is_empty() {
        return Err(Fault::malformed(path.display().to_string(), "holds no change to a model"));
    }
    Ok((changes, order))
}

/// A tensor's numbers, if they are wanted.
fn numbers(tensor: &Tensor<'_>, depth: Depth) -> Vec<f32> {
    if depth == Depth::Shapes {
        return Vec::new();
    }
    let mut numbers = vec![0.0; tensor.rows() * tensor.columns()];
    decode(tensor.kind, tensor.bytes, &mut numbers);
    numbers
}

impl Change {
    fn misfit(&self, problem: impl Into<String>) -> Fault {
        Fault::malformed(format!("matrix {}", self.matrix), problem.into())
    }

    /// The products that it changes, with the rows of each; checks that it fits.
    fn shares(&self, config: &Config) -> Result<Vec<Share>, Fault> {
        let unknown = || {
            let remedy = "the model has no matrix of this name that an adapter can change";
            Fault::unsupported(format!("matrix {}", self.matrix), remedy)
        };
        let DeltaShape { rank, columns, rows } = self.shape;
        if rank == 0 || rank > RANK_MAX {
            return Err(self.misfit(format!("its rank is {rank}; 1 to {RANK_MAX} are read")));
        }
        let shares: Vec<Share> = if self.matrix == "output" && !config.bends_logits() {
            vec![(None, config.vocabulary)]
        } else {
            let (layer, name) =
                self.matrix.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
            let layer = layer.parse().ok().filter(|layer| *layer < config.layers).ok_or_else(unknown)?;
            let parts = config.parts(name).ok_or_else(unknown)?;
            parts.iter().map(|part| (Some((layer, *part)), config.shape(*part).0)).collect()
        };
        let expected_columns = shares
            .first()
            .and_then(|(place, _)| *place)
            .map_or(config.width, |(_, part)| config.shape(part).1);
        let expected_rows: usize = shares.iter().map(|(_, rows)| rows).sum();
        if (rows, columns) != (expected_rows, expected_columns) {
            return Err(self.misfit(format!(
                "changes {rows} rows of {columns}; the model's has {expected_rows} of {expected_columns}"
            )));
        }
        Ok(shares)
    }

    /// With the rows of queries and keys in the order in which the model has them.
    fn in_order(mut self, order: Order, config: &Config) -> Self {
        let model = if config.turns_halves() { Order::Halves } else { Order::Neighbours };
        let heads = match self.matrix.rsplit('.').next() {
            Some("attn_q") => config.heads,
            Some("attn_k") => config.kv_heads,
            _ => return self,
        };
        let rank = self.shape.rank;
        let half = self.shape.rows / heads.max(1) / 2;
        if order == model || half == 0 || self.shape.rows != heads * half * 2 {
            return self;
        }
        let mut ordered = Vec::with_capacity(self.up.len());
        for head in self.up.chunks_exact(2 * half * rank) {
            for at in 0..2 * half {
                let from = match model {
                    Order::Neighbours => at % 2 * half + at / 2,
                    Order::Halves => at % half * 2 + at / half,
                };
                ordered.extend(&head[from * rank..][..rank]);
            }
        }
        self.up = ordered;
        self
    }
}
