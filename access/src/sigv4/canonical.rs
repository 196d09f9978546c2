//! The canonical request: the one spelling of a request that both sides sign.

use crate::presented::Presented;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The hash of the canonical request over the headers that `signed` names, or what is wrong: a header that was signed
/// and is not there.
pub(crate) fn canonical_hash(
    presented: &Presented<'_>,
    signed: &str,
    payload: &[u8],
) -> Result<[u8; 32], String> {
    let mut hash = Sha256::new();
    for line in [presented.method, &path(presented.path), &query(presented.query)] {
        hash.update(line);
        hash.update(b"\n");
    }
    for name in signed.split(';') {
        let mut values = presented.values(name).peekable();
        if values.peek().is_none() {
            return Err(format!("the signed header {name} did not arrive"));
        }
        hash.update(name);
        let mut separator = b':';
        for value in values {
            hash.update([separator]);
            update_with_value(&mut hash, value);
            separator = b',';
        }
        hash.update(b"\n");
    }
    hash.update(b"\n");
    hash.update(signed);
    hash.update(b"\n");
    hash.update(payload);
    Ok(hash.finalize().into())
}

/// A header's value without space at its ends and with one space where there were more.
fn update_with_value(hash: &mut Sha256, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            hash.update(b" ");
        }
        hash.update(word);
    }
}

/// Each segment of the raw path, percent-encoded once more: what arrives as `%3A` is signed as `%253A`, what arrives as
/// `:` as `%3A`. Signers drop empty and dot segments from what they sign but may still send them.
fn path(raw: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            named => segments.push(named),
        }
    }
    let mut text = String::with_capacity(raw.len() + raw.len() / 4);
    for segment in &segments {
        text.push('/');
        encode(segment, &mut text, is_unreserved);
    }
    if raw.ends_with('/') || segments.is_empty() {
        text.push('/');
    }
    text
}

/// The parameters, sorted. They arrive encoded and are signed as they arrive; only a byte that a client left bare and
/// that the specification wants encoded is encoded.
fn query(raw: &str) -> String {
    let encoded = |part: &str| {
        let mut text = String::with_capacity(part.len());
        encode(part, &mut text, |byte| is_unreserved(byte) || byte == b'%');
        text
    };
    let mut parameters: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    parameters.sort_unstable();
    let pairs: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn encode(text: &str, into: &mut String, stays: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if stays(byte) {
            into.push(char::from(byte));
        } else {
            // Writing into a `String` cannot fail.
            _ = write!(into, "%{byte:02X}");
        }
    }
}

/// RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

#[cfg(test)]
mod tests;
