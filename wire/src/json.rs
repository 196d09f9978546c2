//! JSON read with faults that name the member.

use canon::{Fault, Kind};
use serde::{Deserialize, Serialize};

/// With this message a shape's own `Deserialize` refuses a member that it knows: [`Kind::Unsupported`].
pub(crate) const REFUSED: &str = "this member is not supported; leave it out";

/// Reads a request's body.
///
/// A member that the shape does not know (shapes carry `deny_unknown_fields`) is [`Kind::Unsupported`]; a value of the
/// wrong type is [`Kind::Malformed`] with its path; so is text that is not JSON, without one.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
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
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
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
            None => Fault::malformed(path, problem),
        },
    }
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
