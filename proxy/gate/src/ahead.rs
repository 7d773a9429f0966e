//! Reads ahead of TLS, which asks for four KiB at a time: where more has arrived, all of it is read
//! at once. Each read of a socket may wake the writer at its other end.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How much is read at once. The buffer is held only while there is data in it.
const AT_ONCE: usize = 32 << 10;

/// A stream that is read ahead of a reader that asks for little at a time.
pub struct Ahead<S> {
    stream: S,
    /// Read and not asked for yet.
    read: BytesMut,
    /// Whether the last read filled its buffer.
    more: bool,
}

impl<S> Ahead<S> {
    /// A stream of which nothing was read ahead.
    pub fn new(stream: S) -> Self {
        Ahead { stream, read: BytesMut::new(), more: false }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..length]);
        self.read.advance(length);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Ahead { stream, read, more } = &mut *self;
        let room = buf.remaining();
        if read.is_empty() && (!*more || room >= AT_ONCE) {
            ready!(Pin::new(stream).poll_read(cx, buf))?;
            *more = room > 0 && buf.remaining() == 0;
            return Poll::Ready(Ok(()));
        }
        if read.is_empty() {
            read.reserve(AT_ONCE);
            let polled = pin!(stream.read_buf(read)).poll(cx);
            let came = match &polled {
                Poll::Ready(Ok(came)) => *came,
                _ => 0,
            };
            *more = came > room;
            if came == 0 {
                *read = BytesMut::new();
                return polled.map_ok(drop);
            }
        }
        self.give(buf);
        if self.read.is_empty() && !self.more {
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Whatever the size of the reads, and however the data arrives.
    #[tokio::test]
    async fn what_is_read_ahead_comes_in_order_and_whole() {
        let sent: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        for (asked, piece) in [(7, 64), (4096, 4096), (4096, 100_000), (64 << 10, 50_000), (4095, 3)] {
            let (mut writer, reader) = tokio::io::duplex(piece);
            let sent = sent[..asked.min(piece).saturating_mul(20_000).min(sent.len())].to_vec();
            let writing = {
                let sent = sent.clone();
                tokio::spawn(async move { writer.write_all(&sent).await.unwrap() })
            };
            let (mut ahead, mut came, mut buf) = (Ahead::new(reader), Vec::new(), vec![0; asked]);
            loop {
                let count = ahead.read(&mut buf).await.unwrap();
                came.extend_from_slice(&buf[..count]);
                if count == 0 {
                    break;
                }
            }
            writing.await.unwrap();
            assert!(came == sent, "{asked} {piece}: {} of {}", came.len(), sent.len());
        }
    }

    /// A connection that idles holds nothing.
    #[tokio::test]
    async fn nothing_is_held_while_nothing_comes() {
        let (mut writer, reader) = tokio::io::duplex(1 << 20);
        let (mut ahead, mut buf) = (Ahead::new(reader), [0; 4096]);
        writer.write_all(&[7; 50_000]).await.unwrap();
        let mut came = 0;
        while came < 50_000 {
            came += ahead.read(&mut buf).await.unwrap();
        }
        let idle = tokio::time::timeout(std::time::Duration::from_millis(1), ahead.read(&mut buf)).await;
        assert!(idle.is_err() && ahead.read.capacity() == 0);
    }
}
