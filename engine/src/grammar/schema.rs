//! A caller's JSON Schema, made ready to write by.
//!
//! What is generated must satisfy the caller's schema; it need not be able to be everything that the schema allows. So
//! the schema is narrowed where a model would otherwise ramble, and never widened, except where the caller asked for
//! no more than resemblance.

use canon::{Fault, Json};
use serde_json::{Map, Value, json};

macro_rules! date {
    () => {
        "[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    };
}
macro_rules! time {
    () => {
        "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-2]):[0-5][0-9])"
    };
}
macro_rules! host {
    () => {
        "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?){1,3}"
    };
}

/// Integers that every JSON reader keeps exactly (RFC 8259 §6).
const INTEGER_MAX: i64 = (1 << 53) - 1;
/// Reals of a size that can be written without an exponent.
const REAL_MAX: f64 = 1e15;
/// Schemas may be nested so deep.
const DEPTH_MAX: usize = 64;

/// Formats that the grammar knows, and that leave little room. Others are annotations (JSON Schema 2020-12,
/// validation §7.2.1).
const FORMATS: [&str; 5] = ["duration", "ipv4", "ipv6", "uuid", "uri"];

/// Formats that are written more narrowly than they may be: without the year 0, leap seconds or names longer than
/// RFC 5321 allows, over which validators differ.
const PATTERNS: [(&str, &str); 5] = [
    ("date", concat!("^", date!(), "$")),
    ("time", concat!("^", time!(), "$")),
    ("date-time", concat!("^", date!(), "T", time!(), "$")),
    ("email", concat!("^[A-Za-z0-9_+-]{1,20}(?:\\.[A-Za-z0-9_+-]{1,20}){0,2}@", host!(), "$")),
    ("hostname", concat!("^", host!(), "$")),
];

/// Keywords whose value is a schema.
const ONE: [&str; 8] =
    ["items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is an object of schemas.
const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// A schema that grammars are made of.
///
/// `lenient` lets the grammar pass over keywords that it does not know.
///
/// # Errors
/// [`canon::Kind::Malformed`], at `path`, where it is no JSON Schema.
pub(super) fn prepare(schema: &Json, path: &str, lenient: bool) -> Result<Value, Fault> {
    let mut value: Value = serde_json::from_str(schema.text())
        .map_err(|cause| Fault::malformed(path, format!("is no JSON: {cause}")))?;
    if value == Value::Bool(true) {
        value = json!({});
    }
    let closes = !composes(&value);
    narrow(&mut value, closes, 0).map_err(|problem| Fault::malformed(path, problem))?;
    let Value::Object(root) = &mut value else {
        return Err(Fault::malformed(path, "is no JSON Schema: it must be an object"));
    };
    // Spaces as in Python's JSON, which is how models saw it in training, and none besides: white space is where an
    // answer without an end begins.
    let options = json!({
        "item_separator": ", ",
        "key_separator": ": ",
        "whitespace_flexible": false,
        "lenient": lenient,
    });
    root.insert("x-guidance".to_owned(), options);
    Ok(value)
}

/// Whether the properties of some object are declared in more than one place, so that none of these places may close it.
fn composes(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            let with_properties = ["anyOf", "oneOf", "$ref", "if"];
            members.contains_key("allOf")
                || (members.contains_key("properties")
                    && with_properties.iter().any(|keyword| members.contains_key(*keyword)))
                || members.values().any(composes)
        }
        Value::Array(items) => items.iter().any(composes),
        _ => false,
    }
}

/// Narrows a schema and those within it. `closes` says that an object may be held to the properties that it declares.
fn narrow(schema: &mut Value, closes: bool, depth: usize) -> Result<(), &'static str> {
    let Value::Object(members) = schema else { return Ok(()) };
    if depth > DEPTH_MAX {
        return Err("is nested too deep");
    }
    members.remove("x-guidance");
    for keyword in ONE {
        if let Some(inner) = members.get_mut(keyword) {
            narrow(inner, closes, depth + 1)?;
        }
    }
    for keyword in LIST {
        for inner in members.get_mut(keyword).and_then(Value::as_array_mut).into_iter().flatten() {
            narrow(inner, closes, depth + 1)?;
        }
    }
    for keyword in NAMED {
        if let Some(inner) = members.get_mut(keyword).and_then(Value::as_object_mut) {
            for schema in inner.values_mut() {
                narrow(schema, closes, depth + 1)?;
            }
        }
    }
    if closes && members.contains_key("properties") && !members.contains_key("patternProperties") {
        members.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    spell_format(members);
    bound_numbers(members);
    Ok(())
}

/// Writes a format as a pattern, or drops it where it is an annotation.
fn spell_format(members: &mut Map<String, Value>) {
    let Some(format) = members.get("format") else { return };
    let name = format.as_str().unwrap_or_default();
    let pattern = PATTERNS.iter().find(|(format, _)| *format == name).map(|(_, pattern)| *pattern);
    match pattern {
        Some(pattern) if !members.contains_key("pattern") => {
            members.remove("format");
            members.insert("pattern".to_owned(), Value::from(pattern));
        }
        Some(_) => {}
        None if FORMATS.contains(&name) => {}
        None => {
            members.remove("format");
        }
    }
}

/// Keeps numbers to those that every reader of JSON reads alike.
fn bound_numbers(members: &mut Map<String, Value>) {
    let typed = |name: &str| match members.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(all)) => all.iter().any(|one| one == name),
        _ => false,
    };
    let (low, high) = match (typed("number"), typed("integer")) {
        (true, _) => (json!(-REAL_MAX), json!(REAL_MAX)),
        (false, true) => (json!(-INTEGER_MAX), json!(INTEGER_MAX)),
        (false, false) => return,
    };
    for (keyword, exclusive, bound) in
        [("minimum", "exclusiveMinimum", low), ("maximum", "exclusiveMaximum", high)]
    {
        if !members.contains_key(keyword) && !members.contains_key(exclusive) {
            members.insert(keyword.to_owned(), bound);
        }
    }
}
