use std::collections::BTreeMap;

use canon::Fault;

use super::cursor::Cursor;

/// How a metadata value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    /// In the order of their codes, as the variants are declared.
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    pub(super) const fn code(self) -> u32 {
        self as u32
    }

    pub(super) fn of(code: u32) -> Result<Self, String> {
        let known = usize::try_from(code).ok().and_then(|at| Self::ALL.get(at).copied());
        known.ok_or_else(|| format!("has the unknown value type {code}"))
    }

    /// The fewest bytes that a value takes; exact for scalars.
    pub(super) const fn bytes_min(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

/// Where a value lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

/// What the file says about its model: the tokenizer's vocabulary, the chat template, the architecture's sizes.
///
/// Values stay in the file until they are asked for. A key that is absent is `None`; one of another kind is a fault
/// that names it.
#[derive(Clone, Copy)]
pub struct Metadata<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) entries: &'a BTreeMap<String, Entry>,
}

impl<'a> Metadata<'a> {
    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A text.
    ///
    /// # Errors
    /// The value is no text.
    pub fn string(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        self.value(key, "text", |kind, cursor| match kind {
            Kind::String => cursor.string().map(Some),
            _ => Ok(None),
        })
    }

    /// A whole number, however wide it is stored.
    ///
    /// # Errors
    /// The value is no whole number, or does not fit.
    pub fn u32(&self, key: &str) -> Result<Option<u32>, Fault> {
        self.value(key, "a whole number of 32 bits", |kind, cursor| {
            Ok(integer(kind, cursor)?.and_then(|value| u32::try_from(value).ok()))
        })
    }

    /// A whole number, however wide it is stored.
    ///
    /// # Errors
    /// The value is no whole number, or does not fit.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, Fault> {
        self.value(key, "a whole number", |kind, cursor| {
            Ok(integer(kind, cursor)?.and_then(|value| u64::try_from(value).ok()))
        })
    }

    /// A real number.
    ///
    /// # Errors
    /// The value is no real number.
    pub fn f32(&self, key: &str) -> Result<Option<f32>, Fault> {
        self.value(key, "a real number", real)
    }

    /// Yes or no.
    ///
    /// # Errors
    /// The value is neither.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.value(key, "a truth value", truth)
    }

    /// A list of texts, such as the vocabulary.
    ///
    /// # Errors
    /// The value is no list of texts.
    pub fn strings(&self, key: &str) -> Result<Option<Vec<&'a str>>, Fault> {
        self.list(key, "a list of texts", |kind, cursor| match kind {
            Kind::String => cursor.string().map(Some),
            _ => Ok(None),
        })
    }

    /// A list of whole numbers, such as the tokens' types.
    ///
    /// # Errors
    /// The value is no list of whole numbers.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, Fault> {
        self.list(key, "a list of whole numbers", |kind, cursor| {
            Ok(integer(kind, cursor)?.and_then(|value| i64::try_from(value).ok()))
        })
    }

    /// A list of real numbers, such as the tokens' scores.
    ///
    /// # Errors
    /// The value is no list of real numbers.
    pub fn reals(&self, key: &str) -> Result<Option<Vec<f32>>, Fault> {
        self.list(key, "a list of real numbers", real)
    }

    /// A list of truth values.
    ///
    /// # Errors
    /// The value is no list of truth values.
    pub fn bools(&self, key: &str) -> Result<Option<Vec<bool>>, Fault> {
        self.list(key, "a list of truth values", truth)
    }

    /// Whether the value is a list.
    #[must_use]
    pub fn is_list(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.kind == Kind::Array)
    }

    /// The fault of a file that lacks `key`.
    #[must_use]
    pub fn missing(key: &str) -> Fault {
        Fault::malformed(key, "the model file lacks this key; take a complete GGUF file")
    }

    fn value<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(Kind, &mut Cursor<'a>) -> Result<Option<T>, String>,
    ) -> Result<Option<T>, Fault> {
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        match read(entry.kind, &mut Cursor::new(self.bytes, entry.at)) {
            Ok(Some(value)) => Ok(Some(value)),
            Ok(None) => Err(Fault::malformed(key, format!("is not {wanted}"))),
            Err(problem) => Err(Fault::malformed(key, problem)),
        }
    }

    fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(Kind, &mut Cursor<'a>) -> Result<Option<T>, String>,
    ) -> Result<Option<Vec<T>>, Fault> {
        self.value(key, wanted, |kind, cursor| {
            if kind != Kind::Array {
                return Ok(None);
            }
            let (kind, count) = cursor.array_head()?;
            // `count` elements fit in the file, so what is allocated is bounded by its size.
            let mut list = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
            for _ in 0..count {
                let Some(element) = read(kind, cursor)? else { return Ok(None) };
                list.push(element);
            }
            Ok(Some(list))
        })
    }
}

fn integer(kind: Kind, cursor: &mut Cursor<'_>) -> Result<Option<i128>, String> {
    Ok(Some(match kind {
        Kind::U8 => u8::from_le_bytes(cursor.array()?).into(),
        Kind::I8 => i8::from_le_bytes(cursor.array()?).into(),
        Kind::U16 => u16::from_le_bytes(cursor.array()?).into(),
        Kind::I16 => i16::from_le_bytes(cursor.array()?).into(),
        Kind::U32 => u32::from_le_bytes(cursor.array()?).into(),
        Kind::I32 => i32::from_le_bytes(cursor.array()?).into(),
        Kind::U64 => u64::from_le_bytes(cursor.array()?).into(),
        Kind::I64 => i64::from_le_bytes(cursor.array()?).into(),
        Kind::F32 | Kind::F64 | Kind::Bool | Kind::String | Kind::Array => return Ok(None),
    }))
}

fn truth(kind: Kind, cursor: &mut Cursor<'_>) -> Result<Option<bool>, String> {
    match kind {
        Kind::Bool => Ok(Some(cursor.array::<1>()? != [0])),
        _ => Ok(None),
    }
}

fn real(kind: Kind, cursor: &mut Cursor<'_>) -> Result<Option<f32>, String> {
    match kind {
        Kind::F32 => cursor.array().map(f32::from_le_bytes).map(Some),
        Kind::F64 => Ok(Some(f64::from_le_bytes(cursor.array()?) as f32)),
        _ => Ok(None),
    }
}
