//! What the formats of embeddings share: texts within limits, and vectors in forms other than floats.

use canon::Fault;

use crate::media;
use crate::object::Node;

/// A text of at most `chars_max` characters.
pub(crate) fn any_text(node: Node<'_, '_>, chars_max: usize) -> Result<String, Fault> {
    let text = node.string()?;
    if text.len() > chars_max && text.chars().count() > chars_max {
        return Err(node.malformed(format_args!("is longer than {chars_max} characters; split it")));
    }
    Ok(text)
}

/// The same, and not empty.
pub(crate) fn text(node: Node<'_, '_>, chars_max: usize) -> Result<String, Fault> {
    match any_text(node, chars_max)? {
        text if text.is_empty() => Err(node.malformed("must not be empty")),
        text => Ok(text),
    }
}

/// A bit for each number, set where it is above zero; the first number is the highest bit of the first byte.
pub(crate) fn packed(vector: &[f32]) -> Vec<u8> {
    let byte = |numbers: &[f32]| {
        numbers.iter().enumerate().fold(0, |byte, (at, number)| byte | u8::from(*number > 0.0) << (7 - at))
    };
    vector.chunks(8).map(byte).collect()
}

/// The numbers' 32 bits, the lowest byte first, in base64.
pub(crate) fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    media::to_base64(&bytes)
}

#[cfg(test)]
mod tests;
