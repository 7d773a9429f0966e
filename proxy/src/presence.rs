//! Whether a client is still there. One that has closed its connection is gone, and what it
//! asked for with it: the places that it held are free at once. One that has closed its
//! sending side alone may want its answer all the same, and one that has vanished looks
//! just like it through the guest: it is waited for as long as something goes to it, and a
//! little longer.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::sleep;

/// How often one that sends no more is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A client's connection.
#[derive(Clone)]
pub(crate) struct Client(Arc<Shared>);

struct Shared {
    stream: UnixStream,
    written: Mutex<Instant>,
}

impl Client {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Client(Arc::new(Shared { stream, written: Mutex::new(Instant::now()) }))
    }

    /// Resolves when the client has closed its connection; or when it sends no more, and
    /// nothing has gone to it for as long as `patience` says then.
    pub(crate) async fn gone(&self, patience: impl Fn() -> Duration) {
        let stream = &self.0.stream;
        // Readiness that says "closed" stays; what else may be urgent is nobody's business here.
        while !stream.ready(Interest::PRIORITY).await.map_or(true, |ready| ready.is_read_closed()) {
            sleep(LOOK_AGAIN).await;
        }
        let seen = Instant::now();
        loop {
            let ready = stream.ready(Interest::WRITABLE).now_or_never();
            let hung_up = ready.is_some_and(|ready| ready.map_or(true, |ready| ready.is_write_closed()));
            let written = *self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
            let patience = patience();
            if hung_up || written.max(seen).elapsed() >= patience {
                return;
            }
            sleep(LOOK_AGAIN.min(patience / 8)).await;
        }
    }

    fn wrote(&self, written: io::Result<usize>) -> io::Result<usize> {
        *self.0.written.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        written
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.stream.poll_read_ready(cx))?;
            match self.0.stream.try_read(buf.initialize_unfilled()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|count| buf.advance(count))),
            }
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.stream.poll_write_ready(cx))?;
            match self.0.stream.try_write_vectored(pieces) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(self.wrote(written)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.0.stream, Shutdown::Write).map_err(io::Error::from))
    }
}
