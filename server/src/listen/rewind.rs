use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The HTTP/2 preface is the longest thing that is ever read ahead.
pub(super) const PREFIX_BYTES_MAX: usize = 24;

/// A connection whose first bytes were read and are to be read again.
#[derive(Debug)]
pub(super) struct Rewind<T> {
    inner: T,
    prefix: [u8; PREFIX_BYTES_MAX],
    /// The part of the prefix that is still to be read.
    start: usize,
    end: usize,
}

impl<T> Rewind<T> {
    /// Puts the first `end` bytes of `prefix` back before what `inner` still has.
    pub(super) const fn new(inner: T, prefix: [u8; PREFIX_BYTES_MAX], end: usize) -> Self {
        Self { inner, prefix, start: 0, end }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewind<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let ahead = &this.prefix[this.start..this.end];
        if ahead.is_empty() {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        let taken = ahead.len().min(buf.remaining());
        buf.put_slice(&ahead[..taken]);
        this.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewind<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
