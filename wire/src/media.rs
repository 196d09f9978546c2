//! Media types and base64, as the JSON formats spell them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The short name, as canon has it, of a media type such as `image/png`.
pub(crate) fn short_name(media_type: &str) -> &str {
    let name = media_type.split_once('/').map_or(media_type, |(_, name)| name);
    match name {
        "plain" => "txt",
        "markdown" => "md",
        "mpeg" => "mp3",
        "x-wav" => "wav",
        "vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "msword" => "doc",
        "vnd.ms-excel" => "xls",
        other => other,
    }
}

/// Strict base64 with padding.
pub(crate) fn from_base64(text: &str) -> Option<Bytes> {
    STANDARD.decode(text).ok().map(Bytes::from)
}

/// Base64 with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The media type and the bytes of a `data:` URL (RFC 2397) whose data are base64; `None` for any other.
pub(crate) fn from_data_url(url: &str) -> Option<(&str, Bytes)> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = kind.strip_suffix(";base64")?;
    let media_type = kind.split(';').next().unwrap_or(kind);
    Some((media_type, from_base64(data)?))
}

/// A `data:` URL of a picture.
pub(crate) fn to_data_url(format: &str, bytes: &[u8]) -> String {
    format!("data:image/{format};base64,{}", to_base64(bytes))
}
