use std::path::Path;

use canon::{Capabilities, Fault};

use super::EncoderFacts;
use super::config::Config;
use crate::safetensors::SafeTensors;

/// What a batch needs on the way, besides the weights: measured with all-MiniLM-L6-v2.
const STANDING_BYTES: u64 = 48 << 20;

/// What is known of an encoder before it is loaded. Nothing of its weights has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderOutline {
    /// What it can do.
    pub capabilities: Capabilities,
    /// What it makes and reads.
    pub facts: EncoderFacts,
    /// What it will take: an estimate, in bytes.
    pub bytes: u64,
}

impl EncoderOutline {
    /// Whether what lies at `path` says that it is an encoder: a folder as Sentence Transformers writes it.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        path.join("modules.json").is_file()
    }

    /// Reads the configuration of a folder, which takes milliseconds.
    ///
    /// # Errors
    /// As for [`super::Encoder::load`], as far as the configuration tells.
    pub fn read(folder: &Path) -> Result<Self, Fault> {
        let config = Config::read(folder)?;
        let tensors = SafeTensors::open(folder)?;
        let mut bytes = STANDING_BYTES;
        for name in tensors.names() {
            // What cannot be computed with is refused when it is loaded, if it is wanted then.
            if let Ok(Some(tensor)) = tensors.tensor(name) {
                bytes += tensor.bytes.len() as u64;
            }
        }
        Ok(Self { capabilities: config.capabilities(), facts: config.facts(), bytes })
    }
}
