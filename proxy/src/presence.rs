//! Whether a client is still there. One that has closed its sending side may want its
//! answer all the same, and one that has vanished looks just like it through the guest:
//! it is waited for as long as something goes to it, and a little longer.

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

    /// Resolves when the client sends no more, and nothing has gone to it for this long.
    pub(crate) async fn gone(&self, patience: Duration) {
        let step = patience / 8;
        let mut since = None;
        loop {
            sleep(step).await;
            let ready = self.0.stream.ready(Interest::READABLE).now_or_never();
            if ready.is_some_and(|ready| ready.map_or(true, |ready| ready.is_read_closed())) {
                let seen = *since.get_or_insert_with(Instant::now);
                let written = *self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
                if written.max(seen).elapsed() >= patience {
                    return;
                }
            }
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
