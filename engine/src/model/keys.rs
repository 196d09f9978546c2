use canon::Fault;

use super::architecture::Architecture;
use crate::gguf::{Gguf, Metadata, Tensor};

/// A file's metadata about its model, whose keys begin with the architecture's name.
pub(super) struct Keys<'a> {
    pub(super) architecture: &'static Architecture,
    gguf: &'a Gguf,
    metadata: Metadata<'a>,
}

impl<'a> Keys<'a> {
    pub(super) fn read(gguf: &'a Gguf) -> Result<Self, Fault> {
        let (metadata, key) = (gguf.metadata(), "general.architecture");
        let name = metadata.string(key)?.ok_or_else(|| Metadata::missing(key))?;
        Ok(Self { architecture: Architecture::named(name)?, gguf, metadata })
    }

    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture.name)
    }

    pub(super) fn u32(&self, key: &str) -> Result<Option<u32>, Fault> {
        self.metadata.u32(&self.full(key))
    }

    pub(super) fn f32(&self, key: &str) -> Result<Option<f32>, Fault> {
        self.metadata.f32(&self.full(key))
    }

    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.metadata.bool(&self.full(key))
    }

    /// A list of truth values; `None` where the value is no list.
    pub(super) fn bools(&self, key: &str) -> Result<Option<Vec<bool>>, Fault> {
        let key = self.full(key);
        if self.metadata.is_list(&key) { self.metadata.bools(&key) } else { Ok(None) }
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        self.metadata.string(&self.full(key))
    }

    /// A size that is not zero.
    pub(super) fn optional_size(&self, key: &str) -> Result<Option<usize>, Fault> {
        match self.u32(key)? {
            Some(0) => Err(self.malformed(key, "must not be zero")),
            size => Ok(size.map(|size| size as usize)),
        }
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, Fault> {
        self.optional_size(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Tensor<'a>, Fault> {
        self.optional_tensor(name).ok_or_else(|| missing_tensor(name))
    }

    pub(super) fn optional_tensor(&self, name: &str) -> Option<Tensor<'a>> {
        self.gguf.tensor(name)
    }

    pub(super) fn missing(&self, key: &str) -> Fault {
        Metadata::missing(&self.full(key))
    }

    pub(super) fn malformed(&self, key: &str, problem: impl Into<String>) -> Fault {
        Fault::malformed(self.full(key), problem.into())
    }

    pub(super) fn unsupported(&self, key: &str, remedy: impl Into<String>) -> Fault {
        Fault::unsupported(self.full(key), remedy.into())
    }
}

pub(super) fn missing_tensor(name: &str) -> Fault {
    Fault::malformed(format!("tensor {name}"), "the model file lacks this tensor; take a complete GGUF file")
}
