//! AWS event-stream framing, `application/vnd.amazon.eventstream`.
//!
//! ```text
//! u32 total length | u32 headers length | u32 CRC-32 of these eight bytes | headers | payload | u32 CRC-32 of all before
//! ```
//! Numbers are big-endian. A header is `u8 length, name, u8 type, value`; only values of type 7, `u16 length, text`,
//! carry meaning here, and the other types are read over.

mod decode;
mod encode;
mod padding;

pub(crate) use decode::{Decoder, Frame};
pub(crate) use encode::write;
pub(crate) use padding::Padding;

/// The content type of a stream of frames.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The longest message that a decoder takes. AWS sends none above 16 MiB of payload.
const FRAME_BYTES_MAX: usize = 24 << 20;
/// The longest headers of a message.
const HEADERS_BYTES_MAX: usize = 128 << 10;
/// Both lengths and their check sum.
const PRELUDE_BYTES: usize = 12;
/// The check sum at the end.
const TRAILER_BYTES: usize = 4;
/// The header value type for text.
const TEXT: u8 = 7;

#[cfg(test)]
mod tests;
