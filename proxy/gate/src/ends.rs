//! What is read of a connection of HTTP/1.1. A host may close it without a TLS close_notify: most
//! clients take that for the end, and HTTP/1.1 itself shows where an answer is too short, by its
//! length and its chunks. And what is read is counted, which tells an answer that never began from
//! one that broke off.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf, ReadHalf};

/// The reading half: it ends where the host closes it.
pub(crate) struct Ends<S> {
    half: ReadHalf<S>,
    read: Arc<AtomicU64>,
}

impl<S: AsyncRead> Ends<S> {
    pub(crate) fn of(half: ReadHalf<S>) -> Self {
        Ends { half, read: Arc::default() }
    }

    /// How many bytes were read.
    pub(crate) fn read(&self) -> Arc<AtomicU64> {
        self.read.clone()
    }
}

impl<S: AsyncRead> AsyncRead for Ends<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = ready!(Pin::new(&mut self.half).poll_read(cx, buf));
        self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::AcqRel);
        match polled {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}
