use std::path::Path;

use canon::Fault;
use serde_json::Value;

use crate::mapped::Mapped;

/// The vocabulary of a quarter of a million tokens, with its merges, takes 35 MB.
pub(super) const FILE_BYTES_MAX: usize = 256 << 20;

/// An object of a JSON file; its faults name the file and the member.
#[derive(Clone)]
pub(crate) struct Json {
    /// The file's name, and the members that lead here.
    path: String,
    value: Value,
}

impl Json {
    /// Reads a file of a folder.
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self, Fault> {
        Self::optional(folder, name)?.ok_or_else(|| {
            let problem = format!("lacks {name}; take the whole folder that the model came in");
            Fault::malformed(folder.display().to_string(), problem)
        })
    }

    /// Reads a file that a folder may lack.
    pub(crate) fn optional(folder: &Path, name: &str) -> Result<Option<Self>, Fault> {
        let Some(bytes) = bytes(folder, name)? else { return Ok(None) };
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::malformed(name, format!("is no JSON: {error}")))?;
        if !value.is_object() {
            return Err(Fault::malformed(name, "is no object"));
        }
        Ok(Some(Self { path: name.to_owned(), value }))
    }

    /// A member, unless it is absent or `null`.
    pub(crate) fn get(&self, member: &str) -> Option<&Value> {
        self.value.get(member).filter(|value| !value.is_null())
    }

    fn read_as<T>(
        &self,
        member: &str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.get(member) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.malformed(member, format!("is not {wanted}")))
    }

    pub(crate) fn u32(&self, member: &str) -> Result<Option<u32>, Fault> {
        self.read_as(member, "a whole number of 32 bits", |value| u32::try_from(value.as_u64()?).ok())
    }

    pub(crate) fn f64(&self, member: &str) -> Result<Option<f64>, Fault> {
        self.read_as(member, "a number", Value::as_f64)
    }

    pub(crate) fn bool(&self, member: &str) -> Result<Option<bool>, Fault> {
        self.read_as(member, "a truth value", Value::as_bool)
    }

    pub(crate) fn text(&self, member: &str) -> Result<Option<&str>, Fault> {
        let Some(value) = self.get(member) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.malformed(member, "is not a text"))
    }

    pub(crate) fn texts(&self, member: &str) -> Result<Option<Vec<&str>>, Fault> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let texts: Option<Vec<&str>> =
            value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or_else(|| self.malformed(member, "is not a list of texts"))
    }

    pub(crate) fn numbers(&self, member: &str) -> Result<Option<Vec<f64>>, Fault> {
        self.read_as(member, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    /// A member that is an object.
    pub(crate) fn object(&self, member: &str) -> Result<Option<Self>, Fault> {
        let path = self.name(member);
        self.read_as(member, "an object", |value| {
            value.is_object().then(|| Self { path, value: value.clone() })
        })
    }

    pub(crate) fn required<T>(&self, member: &str, value: Option<T>) -> Result<T, Fault> {
        value.ok_or_else(|| self.malformed(member, "is missing"))
    }

    pub(crate) fn malformed(&self, member: &str, problem: impl Into<String>) -> Fault {
        Fault::malformed(self.name(member), problem.into())
    }

    pub(crate) fn unsupported(&self, member: &str, remedy: impl Into<String>) -> Fault {
        Fault::unsupported(self.name(member), remedy.into())
    }

    fn name(&self, member: &str) -> String {
        format!("{}: {member}", self.path)
    }
}

/// The bytes of a file that a folder may lack.
pub(super) fn bytes(folder: &Path, name: &str) -> Result<Option<Mapped>, Fault> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = Mapped::open(&path)?;
    if bytes.len() > FILE_BYTES_MAX {
        let problem = format!("has {} bytes; at most {FILE_BYTES_MAX} are read", bytes.len());
        return Err(Fault::malformed(name, problem));
    }
    Ok(Some(bytes))
}
