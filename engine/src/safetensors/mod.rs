//! safetensors files, and the folders of them that Hugging Face's tools write: a reader that believes nothing a file
//! says about itself.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. A length of 8 bytes, a header in JSON, then the tensors'
//! bytes without a hole. Refused, besides what is not that: a tensor whose bytes overlap another's, leave a gap, reach
//! past the end or are not as many as its shape calls for; a name that comes twice; a type that the format does not
//! know. A type that it knows but that is not computed here is refused when its tensor is asked for, because folders
//! hold tensors of whole numbers that no model needs.
//!
//! Ours and not the crate of that name: the tensors come as [`Tensor`], with the fastest dimension first, so that
//! whatever reads a GGUF file's tensors reads these, and each fault names the tensor.

mod folder;
mod header;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use canon::Fault;

use crate::gguf::Tensor;
use crate::mapped::Mapped;
use header::Place;

/// The tensors of a file, or of a folder of files.
pub struct SafeTensors {
    files: Vec<Mapped>,
    /// By name: which file, and where in it.
    places: BTreeMap<String, (usize, Place)>,
}

impl SafeTensors {
    /// Opens a file; or, of a folder, `model.safetensors` or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// A file cannot be read, is no safetensors file, or lies about itself; the fault names the tensor and, where there
    /// are several, the file.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        if path.is_dir() { folder::open(path) } else { Self::from_file(Mapped::open(path)?) }
    }

    /// Reads a file that is already in memory.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Fault> {
        Self::from_file(Mapped::Owned(bytes))
    }

    fn from_file(file: Mapped) -> Result<Self, Fault> {
        let mut all = Self { files: Vec::new(), places: BTreeMap::new() };
        all.add(file)?;
        Ok(all)
    }

    /// Adds a file's tensors.
    fn add(&mut self, file: Mapped) -> Result<(), Fault> {
        let number = self.files.len();
        for (name, place) in header::read(&file)? {
            if self.places.contains_key(&name) {
                return Err(Fault::malformed(format!("tensor {name}"), "comes twice, in two files"));
            }
            self.places.insert(name, (number, place));
        }
        self.files.push(file);
        Ok(())
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The tensor of this name, if there is one: its dimensions as GGUF orders them, the fastest first.
    ///
    /// # Errors
    /// [`canon::Kind::Unsupported`] where its numbers are of a type that is not computed here, or it has none.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>, Fault> {
        let Some((name, (file, place))) = self.places.get_key_value(name) else { return Ok(None) };
        let Some(kind) = place.kind else {
            let remedy =
                format!("its type {} is not computed here; take a folder in BF16, F16 or F32", place.dtype);
            return Err(Fault::unsupported(format!("tensor {name}"), remedy));
        };
        if place.shape.contains(&0) {
            return Err(Fault::unsupported(format!("tensor {name}"), "it is empty"));
        }
        let bytes = &self.files[*file][place.start..place.end];
        Ok(Some(Tensor { name, kind, shape: &place.shape, bytes }))
    }

    /// Where a tensor's bytes lie: in which file, by [`Self::into_files`]' order, and where in it.
    pub(crate) fn place(&self, name: &str) -> Option<(usize, Range<usize>)> {
        self.places.get(name).map(|(file, place)| (*file, place.start..place.end))
    }

    /// The files themselves.
    pub(crate) fn into_files(self) -> Vec<Mapped> {
        self.files
    }
}
