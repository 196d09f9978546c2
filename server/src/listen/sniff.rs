use super::rewind::{PREFIX_BYTES_MAX, Rewind};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What an HTTP/2 client that knows what it talks to begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; PREFIX_BYTES_MAX] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The content type of the record that a TLS client begins with (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// What the first bytes of a connection look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Tls,
    Http2,
    /// Whatever is neither of the others. If it is not HTTP/1.1 either, the parser says so to the peer.
    Http1,
}

/// Reads just enough to know what is spoken, and puts it back. `None` if the peer went away without a byte.
pub(super) async fn sniff<T: AsyncRead + Unpin>(mut io: T) -> io::Result<Option<(Opening, Rewind<T>)>> {
    let mut bytes = [0; PREFIX_BYTES_MAX];
    let mut filled = 0;
    let opening = loop {
        let read = io.read(&mut bytes[filled..]).await?;
        if read == 0 && filled == 0 {
            return Ok(None);
        }
        filled += read;
        if bytes[0] == TLS_HANDSHAKE {
            break Opening::Tls;
        }
        if read == 0 || !PREFACE.starts_with(&bytes[..filled]) {
            break Opening::Http1;
        }
        if filled == PREFACE.len() {
            break Opening::Http2;
        }
    };
    Ok(Some((opening, Rewind::new(io, bytes, filled))))
}

#[cfg(test)]
mod tests;
