//! GGUF, versions 2 and 3, little-endian: a reader that believes nothing the file says about itself.
//!
//! Specification: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Every length is held against the file
//! before anything is allocated for it. Refused: big-endian files, version 1, types that are not in [`TensorType`],
//! keys or tensors that come twice, tensors that overlap, are misaligned, or reach past the end. A model in several
//! files, as llama.cpp's `gguf-split` writes them, is opened by any of them; a missing one is named.

mod cursor;
mod directory;
mod draft;
mod metadata;
#[cfg(test)]
pub(crate) mod sample;
mod shards;
mod tensor;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use canon::Fault;

use crate::hub;
use crate::mapped::Mapped;
use metadata::Entry;
use tensor::Place;
use watch::Watch;

pub(crate) use draft::Draft;
pub use metadata::Metadata;
pub use tensor::{Tensor, TensorType};
pub use watch::Watcher;

/// A GGUF file, or all files of a model, mapped into memory and checked. Drop it once the model is loaded: nothing
/// keeps it in use.
pub struct Gguf {
    /// The first holds the metadata.
    files: Vec<Mapped>,
    entries: BTreeMap<String, Entry>,
    places: Vec<Place>,
    by_name: HashMap<String, usize>,
    watch: Watch,
}

impl Gguf {
    /// Maps the file and reads its directory; of a model in several files, all of them; of a folder in Hugging Face's
    /// layout, its files.
    ///
    /// # Errors
    /// A file cannot be read, is not of its format, or lies about itself; the fault names the key or the tensor, and the
    /// file where there are several.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        if path.is_dir() {
            return hub::open(path);
        }
        let one = Self::one(Mapped::open(path)?)?;
        match shards::count(&one)? {
            1 => Ok(one),
            count => shards::open(path, &one, count),
        }
    }

    /// Reads a file that is already in memory.
    ///
    /// # Errors
    /// As for [`Self::open`]; and the file is one of several.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Fault> {
        let one = Self::one(Mapped::Owned(bytes))?;
        match shards::count(&one)? {
            1 => Ok(one),
            count => Err(Fault::unsupported(
                shards::COUNT,
                format!("the model is in {count} files; open it by the path of one of them"),
            )),
        }
    }

    /// What the file says about its model.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata { bytes: &self.files[0], entries: &self.entries }
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<Tensor<'_>> {
        self.by_name.get(name).map(|&at| self.at(&self.places[at]))
    }

    /// All tensors, in the order of the files' directories.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        self.places.iter().map(|place| self.at(place))
    }

    /// From now on `watcher` hears how far a load of this model is.
    pub fn watch(&mut self, watcher: Watcher) {
        let all = self.tensors().map(|tensor| tensor.bytes.len() as u64).sum();
        self.watch = Watch::new(watcher, all);
    }

    /// So many more bytes of tensors are in place.
    pub(crate) fn note_loaded(&self, bytes: usize) {
        self.watch.note(bytes as u64);
    }

    fn at<'a>(&'a self, place: &'a Place) -> Tensor<'a> {
        let bytes = &self.files[place.file][place.bytes.clone()];
        Tensor { name: &place.name, kind: place.kind, shape: &place.shape, bytes }
    }

    /// A file by itself.
    fn one(file: Mapped) -> Result<Self, Fault> {
        let directory = directory::read(&file, 0)?;
        Self::over(vec![file], directory.entries, directory.places)
    }

    fn over(files: Vec<Mapped>, entries: BTreeMap<String, Entry>, places: Vec<Place>) -> Result<Self, Fault> {
        let watch = Watch::default();
        let mut view = Self { files, entries, places: Vec::new(), by_name: HashMap::new(), watch };
        view.add(places)?;
        Ok(view)
    }

    /// Adds the tensors of a file.
    fn add(&mut self, places: Vec<Place>) -> Result<(), Fault> {
        for place in places {
            if self.by_name.insert(place.name.clone(), self.places.len()).is_some() {
                return Err(Fault::malformed(format!("tensor {}", place.name), "the name comes twice"));
            }
            self.places.push(place);
        }
        Ok(())
    }
}
