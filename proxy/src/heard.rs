//! What a client has said over HTTP/1.1, beyond what the library reports: whether it has sent
//! anything, which tells a connection that was opened for later and never used from one that ended
//! without a request; and whether a request's target had a fragment, which the library cuts off.
//!
//! It also encodes characters that clients leave in targets and the library refuses without a
//! reason: quotes and angle brackets. This happens before parsing, so what is judged is what the
//! library reads.
//!
//! What it is not: a second parser of requests. It keeps the bytes of the head in progress, and a
//! target counts only if what the library has read is its beginning.

mod heads;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gate::Fragment;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::heads::{Framing, Heads};

/// A stream whose request heads are observed.
pub(crate) struct Heard<S> {
    stream: S,
    said: Arc<Said>,
    /// The rest of a read that encoding made longer than the caller's buffer.
    rest: Bytes,
}

/// What was said on one connection.
#[derive(Default)]
pub(crate) struct Said {
    anything: AtomicBool,
    heads: Mutex<Heads>,
}

impl Said {
    /// Whether anything was sent at all.
    pub(crate) fn anything(&self) -> bool {
        self.anything.load(Ordering::Relaxed)
    }

    /// A request was read: marks it if its target was cut off.
    pub(crate) fn becomes<B: Body>(&self, request: &mut Request<B>) {
        let framing = request.body().size_hint().exact().map_or(Framing::Chunks, Framing::Length);
        if self.heads().becomes(request.uri(), framing) {
            request.extensions_mut().insert(Fragment);
        }
    }

    /// It was answered: what follows an upgrade is another protocol.
    pub(crate) fn answered<B>(&self, answer: &Response<B>) {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.no_more();
        }
    }

    /// No more requests come here, only the bytes of a tunnel.
    pub(crate) fn no_more(&self) {
        self.heads().no_more();
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Heard<S> {
    pub(crate) fn new(stream: S, said: Arc<Said>) -> Self {
        Heard { stream, said, rest: Bytes::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Heard { stream, said, rest } = &mut *self;
        if rest.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(stream).poll_read(cx, buf))?;
            let came = &buf.filled()[before..];
            if came.is_empty() {
                return Poll::Ready(Ok(()));
            }
            said.anything.store(true, Ordering::Relaxed);
            let mut heads = said.heads();
            let Some(encoded) = heads.encoded(came) else {
                heads.hear(came);
                return Poll::Ready(Ok(()));
            };
            heads.hear(&encoded);
            buf.set_filled(before);
            *rest = encoded.into();
        }
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use proptest::prelude::*;
    use proptest::sample::select;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::connection::http;

    /// One request as a client writes it, and whether its target had a fragment.
    fn request() -> impl Strategy<Value = (String, bool)> {
        let target = select(vec!["/a", "/a#", "/a#/b", "/a?b#c", "http://a.test/x#y", "/%23", "/a?b=%23"]);
        let body = select(vec![
            "\r\n",
            "Content-Length: 0\r\n\r\n",
            "Content-Length: 20\r\n\r\nGET /b#c HTTP/1.1\r\n\r",
            "Content-Length: 20\r\n\r\nGET /\"#c HTTP/1.1\r\n\r",
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n11;a=#\r\nGET /b#c HTTP/1.1\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\nx: #\r\n\r\n",
            "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "Cookie: a#b\r\n\r\n\r\n",
        ]);
        (target, body).prop_map(|(target, body)| {
            (format!("POST {target} HTTP/1.1\r\nHost: a.test\r\n{body}"), target.contains('#'))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 400 }))]

        /// Whatever a client sends in one go, in pieces of any size: the library reads these
        /// requests, and each fragment is seen, and no other.
        #[test]
        fn of_requests_in_one_write_each_fragment_is_seen(
            requests in prop::collection::vec(request(), 1..12),
            piece in 1_usize..200,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let seen = runtime.block_on(served(&requests, piece));
            prop_assert_eq!(seen, requests.iter().map(|(_, has)| *has).collect::<Vec<_>>());
        }
    }

    /// The requests that the library reads, and whether a fragment was seen in each.
    async fn served(requests: &[(String, bool)], piece: usize) -> Vec<bool> {
        let (client, door) = tokio::io::duplex(piece);
        let (said, seen) = (Arc::<Said>::default(), Arc::<Mutex<Vec<bool>>>::default());
        let service = {
            let (said, seen) = (said.clone(), seen.clone());
            service_fn(move |mut request: Request<hyper::body::Incoming>| {
                said.becomes(&mut request);
                seen.lock().unwrap().push(request.extensions().get::<Fragment>().is_some());
                async move {
                    let _ = http_body_util::BodyExt::collect(request.into_body()).await;
                    Ok::<_, Infallible>(Response::new(String::new()))
                }
            })
        };
        let serving = http(&gate::Limits::default()).serve_connection(TokioIo::new(Heard::new(door, said)), service);
        let text: String = requests.iter().map(|(text, _)| text.as_str()).collect();
        let (mut from, mut to) = tokio::io::split(client);
        let writing = async {
            to.write_all(text.as_bytes()).await.unwrap();
            to.shutdown().await.unwrap();
        };
        let reading = async {
            let mut answers = Vec::new();
            from.read_to_end(&mut answers).await.unwrap();
        };
        // An empty line may be all that precedes the end, which the library calls an incomplete message.
        let _ = tokio::join!(serving, writing, reading);
        std::mem::take(&mut *seen.lock().unwrap())
    }
}
