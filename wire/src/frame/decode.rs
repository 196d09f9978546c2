use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::{FRAME_BYTES_MAX, HEADERS_BYTES_MAX, PRELUDE_BYTES, TEXT, TRAILER_BYTES};

/// One message: its text headers and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    headers: Vec<(Bytes, Bytes)>,
    /// The payload.
    pub(crate) payload: Bytes,
}

impl Frame {
    /// The value of a text header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Cuts a stream of bytes, however it is split, into messages. Keeps no more than one unfinished message.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
}

/// Why a stream of bytes is not a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A length contradicts another, or exceeds its limit.
    Length,
    /// A check sum does not match.
    CheckSum,
    /// The headers cannot be read.
    Headers,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "an event-stream message has an impossible length",
            Self::CheckSum => "an event-stream message does not match its check sum",
            Self::Headers => "an event-stream message has unreadable headers",
        })
    }
}

impl Decoder {
    /// Takes more bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing is waiting for its rest.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next complete message.
    ///
    /// # Errors
    /// [`Broken`], after which the stream cannot be read any further.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Broken> {
        let Some(prelude) = self.buffer.get(..PRELUDE_BYTES) else { return Ok(None) };
        let (total, headers_len) = lengths(prelude)?;
        if self.buffer.len() < total {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(total).freeze();
        let sum = message.split_off(total - TRAILER_BYTES).get_u32();
        if crc32fast::hash(&message) != sum {
            return Err(Broken::CheckSum);
        }
        message.advance(PRELUDE_BYTES);
        let headers = read_headers(message.split_to(headers_len)).ok_or(Broken::Headers)?;
        Ok(Some(Frame { headers, payload: message }))
    }
}

/// The lengths of the message and of its headers, once both are known to be possible.
fn lengths(mut prelude: &[u8]) -> Result<(usize, usize), Broken> {
    let sum = crc32fast::hash(prelude.get(..8).unwrap_or_default());
    let total = usize::try_from(prelude.get_u32()).unwrap_or(usize::MAX);
    let headers = usize::try_from(prelude.get_u32()).unwrap_or(usize::MAX);
    if prelude.get_u32() != sum {
        return Err(Broken::CheckSum);
    }
    let fixed = PRELUDE_BYTES + TRAILER_BYTES;
    let fits = headers <= HEADERS_BYTES_MAX && total <= FRAME_BYTES_MAX && headers + fixed <= total;
    if fits { Ok((total, headers)) } else { Err(Broken::Length) }
}

fn read_headers(mut bytes: Bytes) -> Option<Vec<(Bytes, Bytes)>> {
    let mut headers = Vec::new();
    while bytes.has_remaining() {
        let name_len = usize::from(bytes.try_get_u8().ok()?);
        let name = take(&mut bytes, name_len)?;
        let kind = bytes.try_get_u8().ok()?;
        // The lengths of the other types of value, as the format lists them: true, false, byte, short, integer, long,
        // bytes, text, timestamp, UUID.
        let value_len = match kind {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            6 | TEXT => usize::from(bytes.try_get_u16().ok()?),
            9 => 16,
            _ => return None,
        };
        let value = take(&mut bytes, value_len)?;
        if kind == TEXT {
            headers.push((name, value));
        }
    }
    Some(headers)
}

fn take(bytes: &mut Bytes, len: usize) -> Option<Bytes> {
    (bytes.len() >= len).then(|| bytes.split_to(len))
}
