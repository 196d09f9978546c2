use super::{Opening, PREFACE, sniff};
use tokio::io::AsyncReadExt as _;

/// Whatever the pieces in which they come, the same bytes are taken for the same thing, and none is lost.
async fn check(bytes: &[u8], expected: Option<Opening>) {
    for piece in [1, 2, 5, 23, 24, 25, 1_000] {
        let mut io = tokio_test_io(bytes, piece);
        let found = sniff(&mut io).await.unwrap();
        assert_eq!(found.as_ref().map(|(opening, _)| *opening), expected, "{bytes:?} by {piece}");
        if let Some((_, mut io)) = found {
            let mut read = Vec::new();
            io.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, bytes, "by {piece}");
        }
    }
}

/// A reader that gives at most `piece` bytes at once.
fn tokio_test_io(bytes: &[u8], piece: usize) -> impl tokio::io::AsyncRead + Unpin {
    bytes
        .chunks(piece)
        .fold(Box::new(tokio::io::empty()) as Box<dyn tokio::io::AsyncRead + Unpin>, |io, chunk| {
            Box::new(io.chain(std::io::Cursor::new(chunk.to_vec())))
        })
}

#[tokio::test]
async fn the_first_bytes_tell_what_is_spoken() {
    check(b"", None).await;
    check(b"GET / HTTP/1.1\r\n\r\n", Some(Opening::Http1)).await;
    check(b"P", Some(Opening::Http1)).await;
    check(b"POST / HTTP/1.1\r\n\r\n", Some(Opening::Http1)).await;
    check(b"PRI * HTTP/1.1\r\n\r\n", Some(Opening::Http1)).await;
    check(&PREFACE[..23], Some(Opening::Http1)).await;
    check(PREFACE, Some(Opening::Http2)).await;
    check(&[PREFACE.as_slice(), b"\0\0\0\x04"].concat(), Some(Opening::Http2)).await;
    check(b"\x16\x03\x01\x02\x00", Some(Opening::Tls)).await;
    check(b"\0\xff\x16", Some(Opening::Http1)).await;
}
