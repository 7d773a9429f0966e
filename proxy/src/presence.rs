//! Whether a client is still there. One that has closed its connection is gone, and its request
//! with it: its places are free at once. One that has closed only its sending side may still want
//! its answer, and through the guest one that has vanished looks just the same: it is kept as long
//! as data flows to it, and a little longer.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::time::sleep;

/// How often a client that sends no more is checked.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A client's connection.
#[derive(Clone)]
pub(crate) struct Client(Arc<Shared>);

/// Registering for write readiness on a Unix socket means a wake-up each time the other side reads: for every answer a
/// thread would be woken for nothing. So that is done only once a write had to wait.
struct Shared {
    stream: AsyncFd<UnixStream>,
    /// The same socket, registered for write readiness.
    room: OnceLock<AsyncFd<UnixStream>>,
    written: Mutex<Instant>,
}

impl Client {
    pub(crate) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = heard_of(stream.into_std()?, Interest::READABLE)?;
        Ok(Client(Arc::new(Shared { stream, room: OnceLock::new(), written: Mutex::new(Instant::now()) })))
    }

    /// Resolves when the client has closed its connection; or when it sends no more, and nothing
    /// has gone to it for as long as `patience` says by then.
    pub(crate) async fn gone(&self, patience: impl Fn() -> Duration) {
        let stream = &self.0.stream;
        // Readiness for "closed" stays set; other urgent events do not matter here.
        while !stream.ready(Interest::PRIORITY).await.map_or(true, |guard| guard.ready().is_read_closed()) {
            sleep(LOOK_AGAIN).await;
        }
        let seen = Instant::now();
        loop {
            let ready = stream.ready(Interest::WRITABLE).now_or_never();
            let hung_up = ready.is_some_and(|ready| ready.map_or(true, |guard| guard.ready().is_write_closed()));
            let written = *self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
            let patience = patience();
            if hung_up || written.max(seen).elapsed() >= patience {
                return;
            }
            sleep(LOOK_AGAIN.min(patience / 8)).await;
        }
    }
}

#[expect(deprecated, reason = "the other way needs unsafe code: a socket that is owned keeps its descriptor")]
fn heard_of(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl Shared {
    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.get_ref().write_vectored(pieces)
    }

    fn room(&self) -> io::Result<&AsyncFd<UnixStream>> {
        if let Some(room) = self.room.get() {
            return Ok(room);
        }
        let room = heard_of(self.stream.get_ref().try_clone()?, Interest::WRITABLE)?;
        Ok(self.room.get_or_init(|| room))
    }

    fn poll_write(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.room.get().is_none() {
            match self.write(pieces) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
        let room = self.room()?;
        loop {
            let mut guard = ready!(room.poll_write_ready(cx))?;
            if let Ok(written) = guard.try_io(|_| self.write(pieces)) {
                return Poll::Ready(written);
            }
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.stream.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            let Ok(read) = guard.try_io(|stream| Ok(recv(stream.get_ref(), &mut *room, RecvFlags::empty())?.1)) else {
                continue;
            };
            let count = read?;
            if (1..room.len()).contains(&count) {
                // The socket is empty: the next read waits for readiness without trying first.
                guard.clear_ready();
            }
            buf.advance(count);
            return Poll::Ready(Ok(()));
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
        let written = ready!(self.0.poll_write(cx, pieces));
        *self.0.written.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.0.stream.get_ref(), Shutdown::Write).map_err(io::Error::from))
    }
}
