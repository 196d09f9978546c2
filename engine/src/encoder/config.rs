use std::path::Path;

use canon::{Capabilities, Fault};
use serde_json::Value;

use super::EncoderFacts;

/// The longest file of a folder's configuration that is read. A tokenizer takes some megabytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The sizes of an encoder, and what becomes of its tokens' states.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) layers: usize,
    /// Numbers in a token's state.
    pub(super) width: usize,
    pub(super) heads: usize,
    /// Numbers inside a feed-forward block.
    pub(super) inner: usize,
    pub(super) vocabulary: usize,
    pub(super) positions: usize,
    /// Kinds of segments, of which the first is every text's.
    pub(super) kinds: usize,
    /// Added to the variance before its root is taken.
    pub(super) epsilon: f32,
    pub(super) reading: Reading,
}

/// How a text is read and its vector made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The longest text, in tokens.
    pub(super) tokens_max: usize,
    pub(super) pooling: Pooling,
    /// Vectors are brought to a length of one, unless a call says otherwise.
    pub(super) normalise: bool,
}

/// How the states of a text's tokens become its vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    First,
}

/// A JSON document of the folder.
struct Document {
    file: String,
    value: Value,
}

impl Config {
    /// Reads the folder's configuration.
    pub(super) fn read(folder: &Path) -> Result<Self, Fault> {
        let config = Document::read(folder, "config.json")?;
        config.only("model_type", "bert", None)?;
        config.only("hidden_act", "gelu", None)?;
        config.only("position_embedding_type", "absolute", Some("absolute"))?;
        if config.value["is_decoder"] == true {
            return Err(config.unsupported("is_decoder", "only encoders are computed here"));
        }
        let (width, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        if !width.is_multiple_of(heads) {
            return Err(config.malformed("num_attention_heads", format_args!("{heads} do not share {width}")));
        }
        let positions = config.size("max_position_embeddings")?;
        Ok(Self {
            layers: config.size("num_hidden_layers")?,
            width,
            heads,
            inner: config.size("intermediate_size")?,
            vocabulary: config.size("vocab_size")?,
            positions,
            kinds: config.size("type_vocab_size")?,
            epsilon: config.value["layer_norm_eps"].as_f64().unwrap_or(1e-12) as f32,
            reading: Reading::read(folder, positions)?,
        })
    }
}

impl Config {
    pub(super) const fn facts(&self) -> EncoderFacts {
        EncoderFacts { dimensions: self.width, text_tokens_max: self.reading.tokens_max }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities { dimensions: Some(self.width as u64), ..Capabilities::default() }
    }
}

impl Reading {
    fn read(folder: &Path, positions: usize) -> Result<Self, Fault> {
        let modules = Document::read(folder, "modules.json")?;
        let list = modules.value.as_array().ok_or_else(|| modules.malformed("", "must be a list"))?;
        let (mut pooling, mut normalise) = (None, false);
        for (number, module) in list.iter().enumerate() {
            let (kind, path) = (text(&module["type"]), text(&module["path"]));
            match kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" if number == 0 && path.is_empty() => {}
                "Pooling" if number == 1 => pooling = Some(Pooling::read(folder, path)?),
                "Normalize" if number == 2 => normalise = true,
                _ => {
                    let remedy = format!(
                        "{kind} is not computed here; take a model of a Transformer, a Pooling and \
                                          at most a Normalize"
                    );
                    return Err(modules.unsupported(&format!("[{number}].type"), remedy));
                }
            }
        }
        let pooling = pooling.ok_or_else(|| modules.malformed("", "names no Pooling"))?;
        let tokens_max = match Document::find(folder, "sentence_bert_config.json")? {
            Some(document) if !document.value["max_seq_length"].is_null() => {
                document.size("max_seq_length")?
            }
            _ => positions,
        };
        Ok(Self { tokens_max: tokens_max.min(positions), pooling, normalise })
    }
}

impl Pooling {
    fn read(folder: &Path, path: &str) -> Result<Self, Fault> {
        let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !plain {
            return Err(Fault::malformed("modules.json: [1].path", "must be the name of a folder"));
        }
        let document = Document::read(folder, &format!("{path}/config.json"))?;
        let modes: Vec<&str> = document
            .value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, value)| name.starts_with("pooling_mode_") && **value == true)
            .map(|(name, _)| name.as_str())
            .collect();
        match modes.as_slice() {
            ["pooling_mode_mean_tokens"] => Ok(Self::Mean),
            ["pooling_mode_cls_token"] => Ok(Self::First),
            other => {
                let asked = if other.is_empty() { "pooling_mode".to_owned() } else { other.join(", ") };
                Err(document
                    .unsupported(&asked, "only the mean of all tokens or the first token is computed here"))
            }
        }
    }
}

impl Document {
    fn read(folder: &Path, file: &str) -> Result<Self, Fault> {
        let value = serde_json::from_slice(&bytes(folder, file)?)
            .map_err(|error| Fault::malformed(file, format_args!("is not valid JSON: {error}")))?;
        Ok(Self { file: file.to_owned(), value })
    }

    fn find(folder: &Path, file: &str) -> Result<Option<Self>, Fault> {
        if folder.join(file).exists() { Self::read(folder, file).map(Some) } else { Ok(None) }
    }

    /// That `member` says `known`, or is absent where that means `default`.
    fn only(&self, member: &str, known: &str, default: Option<&str>) -> Result<(), Fault> {
        match self.value[member].as_str().or(default) {
            Some(found) if found == known => Ok(()),
            found => {
                let remedy = format!(
                    "{} is not computed here; take a model that says {known}",
                    found.unwrap_or("nothing")
                );
                Err(self.unsupported(member, remedy))
            }
        }
    }

    /// A size, at least one.
    fn size(&self, member: &str) -> Result<usize, Fault> {
        let number = self.value[member].as_u64().filter(|number| (1..1 << 24).contains(number));
        number.map_or_else(
            || Err(self.malformed(member, "must be a whole number from 1")),
            |number| Ok(number as usize),
        )
    }

    fn malformed(&self, member: &str, problem: impl std::fmt::Display) -> Fault {
        Fault::malformed(self.place(member), problem)
    }

    fn unsupported(&self, member: &str, remedy: impl std::fmt::Display) -> Fault {
        Fault::unsupported(self.place(member), remedy)
    }

    fn place(&self, member: &str) -> String {
        if member.is_empty() { self.file.clone() } else { format!("{}: {member}", self.file) }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The bytes of a file of the folder.
///
/// # Errors
/// It cannot be read, or is larger than such a file may be.
pub(super) fn bytes(folder: &Path, file: &str) -> Result<Vec<u8>, Fault> {
    let path = folder.join(file);
    let named = |error| Fault::malformed(path.display().to_string(), format_args!("cannot be read: {error}"));
    let size = std::fs::metadata(&path).map_err(named)?.len();
    if size > FILE_BYTES_MAX {
        let problem = format!("{size} bytes are more than the {FILE_BYTES_MAX} that such a file may have");
        return Err(Fault::malformed(path.display().to_string(), problem));
    }
    std::fs::read(&path).map_err(named)
}
