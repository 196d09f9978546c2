use canon::Fault;

use crate::gguf::Metadata;

/// What a GGUF file says of its tokenizer, under `tokenizer.ggml.`
#[derive(Clone, Debug, Default)]
pub struct TokenizerParts<'f> {
    /// `model`: `gpt2` or `llama`.
    pub model: &'f str,
    /// `pre`: how text is cut before merging.
    pub pre: &'f str,
    /// `tokens`, as they are spelt.
    pub tokens: Vec<&'f str>,
    /// `token_type` of each; empty where all are normal.
    pub kinds: Vec<i64>,
    /// `merges`, lowest rank first.
    pub merges: Vec<&'f str>,
    /// `scores` of each token.
    pub scores: Vec<f32>,
    /// `bos_token_id`.
    pub bos: Option<u32>,
    /// `eos_token_id`, `eot_token_id`, `eom_token_id`: whichever are given.
    pub ends: Vec<u32>,
    /// `add_bos_token`.
    pub add_bos: Option<bool>,
    /// `add_space_prefix`.
    pub add_space_prefix: Option<bool>,
    /// White space after control tokens is none of the text's. The file does not tell; Phi-3's tokenizer is such.
    pub strips_space: bool,
}

impl<'f> TokenizerParts<'f> {
    /// Reads them from a file.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] where the file names no tokenizer, or a key is of another type; it names the key.
    pub fn read(metadata: &Metadata<'f>) -> Result<Self, Fault> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let model = key("model");
        let tokens = key("tokens");
        let mut ends = Vec::new();
        for name in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            ends.extend(metadata.u32(&key(name))?);
        }
        let is_phi3 = metadata.string("general.architecture")? == Some("phi3");
        let strips_space = is_phi3 && metadata.string(&model)? == Some("llama");
        Ok(Self {
            strips_space,
            model: metadata.string(&model)?.ok_or_else(|| Metadata::missing(&model))?,
            pre: metadata.string(&key("pre"))?.unwrap_or("default"),
            tokens: metadata.strings(&tokens)?.ok_or_else(|| Metadata::missing(&tokens))?,
            kinds: metadata.integers(&key("token_type"))?.unwrap_or_default(),
            merges: metadata.strings(&key("merges"))?.unwrap_or_default(),
            scores: metadata.reals(&key("scores"))?.unwrap_or_default(),
            bos: metadata.u32(&key("bos_token_id"))?,
            ends,
            add_bos: metadata.bool(&key("add_bos_token"))?,
            add_space_prefix: metadata.bool(&key("add_space_prefix"))?,
        })
    }
}
