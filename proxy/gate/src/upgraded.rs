//! A connection that has switched its protocol. What it carries is not judged, and comes from
//! whoever speaks that protocol; here it is passed on, or no longer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::driver::Driver;
use crate::tally::Tally;

/// A connection that has switched its protocol. It ends once its request is cut.
pub struct Upgraded {
    stream: TokioIo<hyper::upgrade::Upgraded>,
    tally: Arc<Tally>,
    /// Drives the connection until it is handed over.
    _driver: Arc<Driver>,
}

impl Upgraded {
    pub(crate) fn of(stream: hyper::upgrade::Upgraded, tally: Arc<Tally>, driver: Arc<Driver>) -> Self {
        Upgraded { stream: TokioIo::new(stream), tally, _driver: driver }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.tally.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
