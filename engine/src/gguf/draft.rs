use std::collections::BTreeMap;
use std::ops::Range;

use canon::Fault;

use super::Gguf;
use super::metadata::{Entry, Kind};
use super::tensor::{Place, TensorType};
use crate::mapped::Mapped;

/// A model that comes in another layout, on its way to be seen as a GGUF file: keys are written as the format writes
/// them, and tensors stay where they are.
#[derive(Default)]
pub(crate) struct Draft {
    /// Becomes the first of the model's files.
    bytes: Vec<u8>,
    entries: BTreeMap<String, Entry>,
    places: Vec<Place>,
}

impl Draft {
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.begin(key, Kind::String);
        self.put_text(text);
    }

    pub(crate) fn u32(&mut self, key: &str, number: u32) {
        self.begin(key, Kind::U32);
        self.bytes.extend(number.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, key: &str, number: f32) {
        self.begin(key, Kind::F32);
        self.bytes.extend(number.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, key: &str, is: bool) {
        self.begin(key, Kind::Bool);
        self.bytes.push(u8::from(is));
    }

    pub(crate) fn bools(&mut self, key: &str, list: &[bool]) {
        self.begin_list(key, Kind::Bool, list.len());
        self.bytes.extend(list.iter().map(|is| u8::from(*is)));
    }

    pub(crate) fn integers(&mut self, key: &str, list: &[i32]) {
        self.begin_list(key, Kind::I32, list.len());
        self.bytes.extend(list.iter().flat_map(|number| number.to_le_bytes()));
    }

    pub(crate) fn texts<'t>(&mut self, key: &str, list: impl ExactSizeIterator<Item = &'t str>) {
        self.begin_list(key, Kind::String, list.len());
        list.for_each(|text| self.put_text(text));
    }

    /// A tensor of these numbers, which lie in no file.
    pub(crate) fn floats(&mut self, name: &str, numbers: &[f32]) {
        let start = self.bytes.len();
        self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let (shape, bytes) = (vec![numbers.len()], start..self.bytes.len());
        self.places.push(Place { name: name.to_owned(), kind: TensorType::F32, shape, file: 0, bytes });
    }

    /// A tensor whose bytes lie so in the file of this number; they are as many as its shape takes.
    pub(crate) fn tensor(
        &mut self,
        name: &str,
        (kind, shape): (TensorType, &[usize]),
        (file, bytes): (usize, Range<usize>),
    ) {
        self.places.push(Place { name: name.to_owned(), kind, shape: shape.to_vec(), file: file + 1, bytes });
    }

    /// The view, over the files that the tensors lie in.
    ///
    /// # Errors
    /// Two tensors have one name.
    pub(crate) fn finish(self, files: Vec<Mapped>) -> Result<Gguf, Fault> {
        let files = std::iter::once(Mapped::Owned(self.bytes)).chain(files).collect();
        Gguf::over(files, self.entries, self.places)
    }

    /// The value follows. A key that is written again has the new one.
    fn begin(&mut self, key: &str, kind: Kind) {
        self.entries.insert(key.to_owned(), Entry { kind, at: self.bytes.len() });
    }

    fn begin_list(&mut self, key: &str, kind: Kind, len: usize) {
        self.begin(key, Kind::Array);
        self.bytes.extend(kind.code().to_le_bytes());
        self.bytes.extend((len as u64).to_le_bytes());
    }

    fn put_text(&mut self, text: &str) {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }
}
