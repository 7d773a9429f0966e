//! What a connection to an upstream speaks, and how it ends.

use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::{CheckedAddress, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{self, AbortHandle};

use super::outbound::Carried;
use super::pool::{Line, STREAMS};
use super::{Single, broken_off};
use crate::connection::STREAM_WINDOW;
use crate::streams::{Leash, Streams};

/// How much of one connection waits in memory, whoever does not read.
const BUFFER: usize = 64 << 10;

/// A connection's task; it ends with the last who holds it.
pub(crate) struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    pub(crate) fn abort(&self) {
        self.0.abort();
    }

    pub(super) fn id(&self) -> task::Id {
        self.0.id()
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.abort();
    }
}

/// A request's part of a connection, kept for as long as anything of the request is left.
pub(crate) enum Hold {
    /// All of it.
    Connection(Arc<AbortOnDrop>),
    /// One of its streams, and the place that it takes.
    Stream { leash: Leash, _place: super::pool::Place, _driver: Arc<AbortOnDrop> },
}

impl Hold {
    /// Ends the request's part and no other's.
    pub(crate) fn end(&self) {
        match self {
            Hold::Connection(driver) => driver.abort(),
            Hold::Stream { leash, .. } => leash.pull(),
        }
    }
}

pub(super) async fn http1<S>(stream: S, address: CheckedAddress) -> Result<Single, Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let read = Arc::<AtomicU64>::default();
    let stream = Counted { stream, read: read.clone() };
    let (sender, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await.map_err(|_| broken_off())?;
    Ok(Single { sender, read, address, driver: drive(connection) })
}

pub(super) async fn http2<S>(stream: S, address: CheckedAddress) -> Result<Line, Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let streams = Streams::default();
    let (sender, connection): (http2::SendRequest<Carried>, _) = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10)
        // As at the door: what may wait here for a client that does not read. The whole has
        // room for as many as are let onto it: nobody waits for another's reader.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * u32::try_from(STREAMS).unwrap_or(1))
        // Until the host has said how many it takes.
        .initial_max_send_streams(1)
        .max_send_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| broken_off())?;
    // Only the connection knows what the host has said of it since.
    let driven = Driven(Arc::new(Mutex::new(Some(connection))));
    let (asked, last) = (driven.0.clone(), AtomicUsize::new(1));
    let most = move || {
        // While it is at work, what it said last.
        if let Ok(connection) = asked.try_lock() {
            last.store(connection.as_ref().map_or(0, |one| one.current_max_send_streams()), Ordering::Relaxed);
        }
        last.load(Ordering::Relaxed)
    };
    Ok(Line::new(sender, streams, Arc::new(most), address, drive(driven)))
}

/// A connection that is driven here and looked at elsewhere. At its end it is let go of,
/// whoever looks: what waits in it is answered by that.
struct Driven<C>(Arc<Mutex<Option<C>>>);

impl<C: Future<Output = hyper::Result<()>> + Unpin> Future for Driven<C> {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let mut driven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        driven.as_mut().map_or(Poll::Ready(Ok(())), |connection| Pin::new(connection).poll(cx))
    }
}

impl<C> Drop for Driven<C> {
    fn drop(&mut self) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
    }
}

/// Runs a connection until nobody holds it any more.
pub(crate) fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Arc<AbortOnDrop> {
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(upstream.closed = !error.is_canceled(), "Upstream connection ended");
        }
    });
    Arc::new(AbortOnDrop(driver.abort_handle()))
}

/// Counts what is read: an answer of which nothing has come can be told from a part of one.
struct Counted<S> {
    stream: S,
    read: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::AcqRel);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Whoever still uses a connection keeps it going; nobody has to end it.
    #[tokio::test]
    async fn a_connection_ends_with_the_last_who_holds_it() {
        let (held, mut gone) = tokio::sync::oneshot::channel::<()>();
        let one = drive(async move {
            let _held = held;
            std::future::pending().await
        });
        let other = one.clone();
        drop(one);
        tokio::task::yield_now().await;
        assert_eq!(gone.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty));
        drop(other);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), gone).await;
        assert!(ended.is_ok_and(|held| held.is_err()), "it goes on without anybody");
    }
}
