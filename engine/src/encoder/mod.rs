//! Encoders of the BERT family: texts in, a vector for each out.
//!
//! A model is a folder as Sentence Transformers writes it: `model.safetensors`, `config.json` (the sizes),
//! `tokenizer.json`, `modules.json` and the pooling's own `config.json` (what becomes of the tokens' states) and, where it
//! is there, `sentence_bert_config.json` (how much of a text is read). What these ask for that is not computed here is
//! refused by name.
//!
//! Weights keep the file's values, and floats are multiplied as floats. The rows of a batch are the tokens of its texts,
//! one text after the other, without padding; each row is computed by the same operations whatever else is in the
//! batch, so a text's vector does not depend on its neighbours.
//!
//! Calls wait in a queue of their own and are computed by threads of their own, at most half of the machine's unless
//! told otherwise, so that a flood of texts does not hold up the answers of a model that writes.

mod arithmetic;
mod attention;
mod backend;
mod config;
mod forward;
mod outline;
mod prepare;
mod queue;
#[cfg(test)]
mod tests;
mod weights;

pub use self::outline::EncoderOutline;

use std::path::Path;
use std::sync::Arc;

use canon::{Capabilities, Fault};

use self::config::{Config, Reading};
use self::forward::Model;
use self::queue::Queue;
use crate::backend::desk::Desk;
use crate::kernels::{Isa, Kernels};
use crate::tokenizer::WordPiece;

/// What an encoder may take of the machine.
#[derive(Clone, Copy, Debug)]
pub struct EncoderOptions {
    /// Threads that compute.
    pub threads: usize,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads: (all / 2).max(1) }
    }
}

/// What an encoder makes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderFacts {
    /// Numbers in a vector.
    pub dimensions: usize,
    /// The longest text that is read, in tokens, those that mark its beginning and its end among them.
    pub text_tokens_max: usize,
}

/// An encoder of this process.
pub struct Encoder {
    tokenizer: Arc<WordPiece>,
    reading: Reading,
    facts: EncoderFacts,
    queue: Queue,
    desk: Desk,
    capabilities: Capabilities,
}

impl Encoder {
    /// Loads the model of a folder and starts its threads. Takes a moment, and is no work for an executor.
    ///
    /// # Errors
    /// A file cannot be read, lies about itself, or asks for what is not computed here; the fault names the file and the
    /// member or the tensor.
    pub fn load(folder: &Path, options: &EncoderOptions) -> Result<Self, Fault> {
        let config = Config::read(folder)?;
        let tokenizer = WordPiece::from_json(&config::bytes(folder, "tokenizer.json")?)?;
        if tokenizer.len() > config.vocabulary {
            let problem =
                format!("{} tokens, of which the model knows {}", tokenizer.len(), config.vocabulary);
            return Err(Fault::malformed("tokenizer.json: model.vocab", problem));
        }
        let mut kernels = Kernels::new(options.threads.max(1), Isa::best())?;
        let model = Model::load(folder, &config, &mut kernels)?;
        let (facts, capabilities) = (config.facts(), config.capabilities());
        let queue = Queue::start(model, kernels)?;
        Ok(Self {
            tokenizer: Arc::new(tokenizer),
            reading: config.reading,
            facts,
            queue,
            desk: Desk::open()?,
            capabilities,
        })
    }

    /// What it makes and reads.
    #[must_use]
    pub const fn facts(&self) -> EncoderFacts {
        self.facts
    }
}
