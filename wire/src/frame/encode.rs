use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{PRELUDE_BYTES, TEXT};

/// Appends one message. Names and values are at most 255 bytes and 64 KiB long; ours are constants and far shorter.
pub(crate) fn write(out: &mut BytesMut, headers: &[(&str, &str)], payload: &impl Serialize) {
    let start = out.len();
    out.put_bytes(0, PRELUDE_BYTES);
    for (name, value) in headers {
        out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.put_slice(name.as_bytes());
        out.put_u8(TEXT);
        out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        out.put_slice(value.as_bytes());
    }
    let headers_len = out.len() - start - PRELUDE_BYTES;
    // Writing to memory cannot fail, and wire shapes have no `Serialize` that does.
    let written = serde_json::to_writer(out.writer(), payload);
    debug_assert!(written.is_ok(), "a wire shape failed to serialise: {written:?}");
    seal(out, start, headers_len);
}

/// Fills in the prelude of the message that began at `start`, and appends its check sum.
fn seal(out: &mut BytesMut, start: usize, headers_len: usize) {
    let total = out.len() - start + super::TRAILER_BYTES;
    let mut prelude = [0; PRELUDE_BYTES];
    let mut rest = prelude.as_mut_slice();
    rest.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    rest.put_u32(u32::try_from(headers_len).unwrap_or(u32::MAX));
    let sum = crc32fast::hash(prelude.get(..8).unwrap_or_default());
    if let Some(tail) = prelude.get_mut(8..) {
        tail.copy_from_slice(&sum.to_be_bytes());
    }
    if let Some(space) = out.get_mut(start..start + PRELUDE_BYTES) {
        space.copy_from_slice(&prelude);
    }
    let sum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.put_u32(sum);
}
