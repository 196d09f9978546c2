//! Writes small GGUF files for tests.

use super::TensorType;

/// A metadata value to write.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Bools(Vec<bool>),
    Text(String),
    Texts(Vec<String>),
    Integers(Vec<i32>),
    /// Bytes as they are, after their type code.
    Raw(u32, Vec<u8>),
}

/// A tensor to write.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
    /// Where the directory says that it lies, if that is not the truth.
    pub(crate) offset: Option<u64>,
}

/// A GGUF file in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) version: Option<u32>,
    pub(crate) keys: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Block>,
}

const ALIGNMENT_BYTES: usize = 32;

impl Sample {
    /// The files into which `gguf-split` would cut it, `tensors` to a file. The first holds its keys.
    pub(crate) fn split(&self, tensors: usize) -> Vec<Self> {
        let chunks: Vec<&[Block]> = self.tensors.chunks(tensors).collect();
        let part = |(number, blocks): (usize, &&[Block])| {
            let keys = if number == 0 { self.keys.clone() } else { Vec::new() };
            let part = Self { version: self.version, keys, tensors: blocks.to_vec() };
            // As gguf-split stores them: two of 16 bits, one of 32 with a sign.
            part.key("split.no", Value::Raw(2, (number as u16).to_le_bytes().to_vec()))
                .key("split.count", Value::Raw(2, (chunks.len() as u16).to_le_bytes().to_vec()))
                .key("split.tensors.count", Value::Raw(5, (self.tensors.len() as i32).to_le_bytes().to_vec()))
        };
        chunks.iter().enumerate().map(part).collect()
    }

    pub(crate) fn key(mut self, key: impl Into<String>, value: Value) -> Self {
        self.keys.push((key.into(), value));
        self
    }

    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        self.key(key, Value::Text(text.to_owned()))
    }

    pub(crate) fn tensor(mut self, name: &str, kind: TensorType, shape: &[u64], bytes: Vec<u8>) -> Self {
        let block =
            Block { name: name.to_owned(), kind: kind.code(), shape: shape.to_vec(), bytes, offset: None };
        self.tensors.push(block);
        self
    }

    pub(crate) fn f32s(self, name: &str, shape: &[u64], numbers: &[f32]) -> Self {
        self.tensor(
            name,
            TensorType::F32,
            shape,
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        )
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.unwrap_or(3).to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            text(&mut out, key);
            put(&mut out, value);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().for_each(|len| out.extend(len.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(offset).to_le_bytes());
            offset += (tensor.bytes.len() as u64).next_multiple_of(ALIGNMENT_BYTES as u64);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT_BYTES), 0);
            out.extend(&tensor.bytes);
        }
        out
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put(out: &mut Vec<u8>, value: &Value) {
    let array = |out: &mut Vec<u8>, kind: u32, count: usize| {
        out.extend(9u32.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend((count as u64).to_le_bytes());
    };
    match value {
        Value::U32(value) => {
            out.extend(4u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        Value::F32(value) => {
            out.extend(6u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        Value::Bool(value) => {
            out.extend(7u32.to_le_bytes());
            out.push(u8::from(*value));
        }
        Value::Bools(values) => {
            array(out, 7, values.len());
            values.iter().for_each(|value| out.push(u8::from(*value)));
        }
        Value::Text(value) => {
            out.extend(8u32.to_le_bytes());
            text(out, value);
        }
        Value::Texts(values) => {
            array(out, 8, values.len());
            values.iter().for_each(|value| text(out, value));
        }
        Value::Integers(values) => {
            array(out, 5, values.len());
            values.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        Value::Raw(kind, bytes) => {
            out.extend(kind.to_le_bytes());
            out.extend(bytes);
        }
    }
}
