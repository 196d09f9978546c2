use canon::Fault;

use super::rope::Rope;
use crate::gguf::{Gguf, Metadata};
use crate::kernels::{Geometry, HEAD_LEN_MAX};

/// The sizes of a model, from its file's metadata.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) layers: usize,
    /// Numbers in a token's hidden state.
    pub(crate) width: usize,
    /// Heads of queries.
    pub(crate) heads: usize,
    /// Heads of keys and values; each serves the same number of query heads.
    pub(crate) kv_heads: usize,
    pub(crate) head_len: usize,
    /// Numbers inside a feed-forward block.
    pub(crate) inner: usize,
    pub(crate) vocabulary: usize,
    /// The longest sequence that the model was made for.
    pub(crate) context_tokens: usize,
    /// Added to the mean square before its root is taken.
    pub(crate) epsilon: f32,
    pub(crate) rope: Rope,
}

impl Config {
    /// Reads the sizes and refuses what this engine would compute wrongly.
    pub(crate) fn read(gguf: &Gguf) -> Result<Self, Fault> {
        let metadata = gguf.metadata();
        let architecture = required("general.architecture", metadata.string("general.architecture"))?;
        if architecture != "llama" {
            let remedy = format!(
                "\"{architecture}\" is not computed here; take a model of the architecture \"llama\""
            );
            return Err(Fault::unsupported("general.architecture", remedy));
        }
        refuse_variants(&metadata)?;
        let width = size(&metadata, "llama.embedding_length")?;
        let heads = size(&metadata, "llama.attention.head_count")?;
        let kv_heads = optional_size(&metadata, "llama.attention.head_count_kv")?.unwrap_or(heads);
        let head_len = optional_size(&metadata, "llama.attention.key_length")?.unwrap_or(width / heads);
        if optional_size(&metadata, "llama.attention.value_length")?.is_some_and(|len| len != head_len) {
            return Err(Fault::unsupported(
                "llama.attention.value_length",
                "only values as long as keys are computed",
            ));
        }
        if head_len > HEAD_LEN_MAX || !head_len.is_multiple_of(16) || head_len == 0 {
            let remedy =
                format!("heads of {head_len} are not computed; multiples of 16 up to {HEAD_LEN_MAX} are");
            return Err(Fault::unsupported("llama.attention.key_length", remedy));
        }
        if !heads.is_multiple_of(kv_heads) {
            let problem = format!("{heads} heads do not share {kv_heads} heads of keys evenly");
            return Err(Fault::malformed("llama.attention.head_count_kv", problem));
        }
        let embedding =
            gguf.tensor("token_embd.weight").ok_or_else(|| missing_tensor("token_embd.weight"))?;
        let epsilon_key = "llama.attention.layer_norm_rms_epsilon";
        Ok(Self {
            layers: size(&metadata, "llama.block_count")?,
            width,
            heads,
            kv_heads,
            head_len,
            inner: size(&metadata, "llama.feed_forward_length")?,
            vocabulary: embedding.rows(),
            context_tokens: size(&metadata, "llama.context_length")?,
            epsilon: required(epsilon_key, metadata.f32(epsilon_key))?,
            rope: Rope::read(gguf, head_len)?,
        })
    }

    /// What is kept for each token.
    pub(crate) const fn geometry(&self) -> Geometry {
        Geometry { layers: self.layers, heads: self.kv_heads, head_len: self.head_len }
    }
}

pub(super) fn missing_tensor(name: &str) -> Fault {
    Fault::malformed(format!("tensor {name}"), "the model file lacks this tensor; take a complete GGUF file")
}

fn required<T>(key: &str, value: Result<Option<T>, Fault>) -> Result<T, Fault> {
    value?.ok_or_else(|| Metadata::missing(key))
}

pub(super) fn optional_size(metadata: &Metadata<'_>, key: &str) -> Result<Option<usize>, Fault> {
    match metadata.u32(key)? {
        Some(0) => Err(Fault::malformed(key, "must not be zero")),
        size => Ok(size.map(|size| size as usize)),
    }
}

fn size(metadata: &Metadata<'_>, key: &str) -> Result<usize, Fault> {
    required(key, optional_size(metadata, key))
}

/// Kinds of llama whose tensors look alike, but whose arithmetic differs.
fn refuse_variants(metadata: &Metadata<'_>) -> Result<(), Fault> {
    for key in ["llama.expert_count", "llama.attention.sliding_window"] {
        if metadata.u32(key)?.is_some_and(|count| count > 0) {
            return Err(Fault::unsupported(key, "models of this kind are not computed here"));
        }
    }
    for key in ["llama.attention.causal", "llama.use_parallel_residual"] {
        if metadata.bool(key)?.is_some_and(|is| is != (key == "llama.attention.causal")) {
            return Err(Fault::unsupported(key, "models of this kind are not computed here"));
        }
    }
    Ok(())
}
