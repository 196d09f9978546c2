use std::path::Path;

use canon::{Fault, Request};

use super::language::Language;
use crate::gguf::Gguf;

/// What a model file says about words, without the model: enough to count a prompt's tokens. Takes some megabytes, by
/// the size of the vocabulary.
pub struct Words(Language);

impl Words {
    /// Reads the vocabulary and the template of the file at `path`, and no weights. Takes a tenth of a second or so, and
    /// is no work for an executor.
    ///
    /// # Errors
    /// As for [`crate::Engine::load`], as far as words are concerned.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        Ok(Self(Language::read(&Gguf::open(path)?.metadata())?))
    }

    /// How many tokens the request's prompt has: what [`canon::Backend::count`] of the loaded model says.
    ///
    /// # Errors
    /// What the request asks for that cannot be written as a prompt.
    pub fn count(&self, request: &Request) -> Result<u64, Fault> {
        self.0.count(request)
    }
}
