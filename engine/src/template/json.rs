//! JSON as Python's `json.dumps(…, ensure_ascii=False)` writes it, which is how templates were shown it in training.

use std::io;

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// The filter `tojson`. Unlike Jinja's own it does not escape for HTML.
#[expect(clippy::needless_pass_by_value, reason = "a filter takes its options so")]
pub(super) fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // The others that templates pass (`ensure_ascii`, `separators`, `sort_keys`) say what is the case anyway.
    let _: Option<Value> = options.get("ensure_ascii")?;
    let _: Option<Value> = options.get("separators")?;
    let _: Option<Value> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let indent = indent.map(|spaces| " ".repeat(spaces.min(16)));
    match indent {
        Some(indent) => write(value, PrettyFormatter::with_indent(indent.as_bytes())),
        None => write(value, Spaced),
    }
    .map_err(|cause| {
        Error::new(ErrorKind::BadSerialization, "a value cannot be written as JSON").with_source(cause)
    })
}

/// A value with Python's separators.
pub(crate) fn spaced(value: &serde_json::Value) -> String {
    // A JSON value can always be written.
    write(value, Spaced).unwrap_or_default()
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    String::from_utf8(bytes).map_err(|cause| serde_json::Error::io(io::Error::other(cause)))
}

/// `{"a": 1, "b": [1, 2]}`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
