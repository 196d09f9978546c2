//! What a model file says of itself before it is loaded: what the model can do, and the memory that it will want.

use std::path::Path;

use canon::{Capabilities, Fault};

use crate::backend::capabilities;
use crate::gguf::{Gguf, Tensor};
use crate::kv::Kv;
use crate::model::Config;
use crate::quant::Form;
use crate::scheduler::Options;

/// Rows of logits that a step may make, and what else stands ready for it: measured with SmolLM2-135M at 32 rows.
const STANDING_BYTES: u64 = 24 << 20;
/// A vocabulary's tables (pieces, merges, and the tree that grammars walk), for each of its tokens. Measured: 49,152
/// tokens take 20 MB once a grammar has been asked for.
const TOKEN_BYTES: u64 = 420;

/// What is known of a model before it is loaded. Nothing of its weights has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// What it can do.
    pub capabilities: Capabilities,
    /// The longest that prompt and answer may be together, in tokens, as the model was made.
    pub context_tokens: usize,
    /// What its weights will take, repacked, and what it needs besides to run: an estimate, in bytes.
    pub bytes: u64,
    /// What the keys and values of one token take, in bytes.
    pub kv_token_bytes: u64,
}

impl Outline {
    /// Reads the directory of the file at `path`, which takes milliseconds.
    ///
    /// # Errors
    /// As for [`crate::Engine::load`], as far as the directory tells.
    pub fn read(path: &Path, options: &Options) -> Result<Self, Fault> {
        Self::of(&Gguf::open(path)?, options)
    }

    fn of(gguf: &Gguf, options: &Options) -> Result<Self, Fault> {
        let config = Config::read(gguf)?;
        let weights: u64 = gguf.tensors().map(|tensor| packed_bytes(&tensor)).sum();
        let room = 1 << 30;
        let tokens = Kv::new(config.geometry(options.kv), room).tokens_max().max(1);
        let vocabulary = config.vocabulary as u64;
        Ok(Self {
            capabilities: capabilities(options),
            context_tokens: config.context_tokens.min(options.context_tokens_max),
            bytes: weights + STANDING_BYTES + vocabulary * TOKEN_BYTES,
            kv_token_bytes: (room / tokens) as u64,
        })
    }
}

/// What a tensor takes once it is repacked: see `kernels::Matrix`.
fn packed_bytes(tensor: &Tensor<'_>) -> u64 {
    let Some(form) = Form::of(tensor.kind) else { return tensor.bytes.len() as u64 };
    let numbers = tensor.columns() as u64 * tensor.rows() as u64;
    numbers / form.group_len as u64 * form.group_bits() as u64 / 8
}

#[cfg(test)]
mod tests;
