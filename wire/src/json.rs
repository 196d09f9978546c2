//! JSON read with faults that name the member.

use canon::{Fault, Kind};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

/// With this message a shape's own `Deserialize` refuses a member that it knows: [`Kind::Unsupported`].
pub(crate) const REFUSED: &str = "this member is not supported; leave it out";

/// Reads a request's body.
///
/// A member that the shape does not know (shapes carry `deny_unknown_fields`) is [`Kind::Unsupported`]; a value of the
/// wrong type is [`Kind::Malformed`] with its path; so is text that is not JSON, without one.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    read(body).map_err(|error| explain::<T>(body, &error))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = T::deserialize(Objects(&mut reader))?;
    reader.end()?;
    Ok(value)
}

/// A reader for whom a structure is a JSON object and nothing else. By itself serde takes an array of a structure's
/// members in their order, too, which no format here means.
pub(crate) struct Objects<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

/// Reads what a provider sent. What is wrong with it is the operator's affair, not the caller's.
pub(crate) fn decode_answer<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    decode(body).map_err(|fault| garbled(&fault))
}

/// The provider behind the model sent what its format does not allow.
pub(crate) fn garbled(why: &impl std::fmt::Display) -> Fault {
    Fault::new(
        Kind::Upstream { status: None },
        "The model's provider sent an answer that cannot be read. Retry.",
    )
    .with_detail(why)
}

/// The same fault, for a reader who sees the document that was read as the member `outer` of another.
pub(crate) fn within(outer: &str, fault: Fault) -> Fault {
    let (inner, make): (_, fn(String, &str) -> Fault) = match fault.kind() {
        Kind::Malformed { path } => (path, |path, problem| Fault::malformed(path, problem)),
        Kind::Unsupported { field } => (field, |path, problem| Fault::unsupported(path, problem)),
        _ => return fault,
    };
    let problem = fault.message().strip_prefix(inner).and_then(|rest| rest.strip_prefix(": "));
    let path = if inner.is_empty() { outer.to_owned() } else { format!("{outer}.{inner}") };
    make(path, problem.unwrap_or(fault.message()))
}

/// Writes a document. Wire shapes have string keys and no failing `Serialize`, so nothing can go wrong.
pub(crate) fn encode(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

/// Reads the body once more, this time keeping the path: only a body that failed pays for it.
fn explain<'a, T: Deserialize<'a>>(body: &'a [u8], error: &serde_json::Error) -> Fault {
    if !error.is_data() {
        return Fault::malformed("", format_args!("The body is not valid JSON: {error}"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(Objects(&mut reader)) {
        Ok(_) => Fault::malformed("", error),
        Err(error) => at(&error.path().to_string(), &error.inner().to_string()),
    }
}

/// serde's message, without its position in the text, at the member that it is about.
fn at(path: &str, message: &str) -> Fault {
    let path = if path == "." { "" } else { path };
    let problem = message.rsplit_once(" at line ").map_or(message, |(problem, _)| problem);
    if problem == REFUSED {
        return Fault::unsupported(path, REFUSED);
    }
    match quoted_after(problem, "unknown field `") {
        Some(field) => Fault::unsupported(join(path, field), REFUSED),
        None => match quoted_after(problem, "missing field `") {
            Some(field) => Fault::malformed(join(path, field), "this member is required"),
            None => Fault::malformed(path, in_words_of_json(problem)),
        },
    }
}

/// serde names Rust's types; a caller knows JSON's.
fn in_words_of_json(problem: &str) -> String {
    let Some((found, expected)) = problem.split_once(", expected ") else { return problem.to_owned() };
    let found = found.replace("type: sequence", "type: list").replace("type: map", "type: object");
    let expected = match expected {
        "a sequence" => "a list",
        "a map" | "map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        structure if structure.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}

fn join(path: &str, field: &str) -> String {
    match path.rsplit('.').next() {
        None | Some("") => field.to_owned(),
        // Some deserialisers count the member that failed into the path, others do not.
        Some(last) if last == field => path.to_owned(),
        Some(_) => format!("{path}.{field}"),
    }
}

#[cfg(test)]
mod tests;
