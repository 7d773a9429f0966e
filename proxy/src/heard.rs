//! What a client has said over HTTP/1.1, beside what the library tells of it: whether it has
//! said anything, since a connection that ends without a request is told apart from one that
//! was opened for later and never used; and whether a request's target had a fragment, which
//! the library cuts off before it makes a request.
//!
//! What it is not: a second reader of requests. It keeps the bytes of the head that is coming,
//! and a target counts only where what the library has read is its beginning.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use gate::Fragment;
use http::header::UPGRADE;
use http::{Method, Request, Uri};
use http_body::Body;
use memchr::{memchr, memmem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No head is longer (`Limits::head_bytes`).
const LONGEST: usize = 64 << 10;

/// A stream whose heads are heard.
pub(crate) struct Heard<S> {
    stream: S,
    said: Arc<Said>,
}

/// What was said on one connection.
#[derive(Default)]
pub(crate) struct Said {
    anything: AtomicBool,
    heads: Mutex<Heads>,
}

/// What came of heads that are not requests yet.
#[derive(Default)]
struct Heads {
    bytes: Vec<u8>,
    /// So many bytes of a body come first.
    skip: u64,
    /// What comes is a body in chunks, or something else than HTTP.
    deaf: bool,
}

/// Held by a request with a body in chunks: heads come again when it is let go of.
#[derive(Clone)]
struct Pause(#[allow(dead_code, reason = "for its drop")] Arc<Resume>);

struct Resume(Arc<Said>);

impl Drop for Resume {
    fn drop(&mut self) {
        self.0.heads().deaf = false;
    }
}

impl Said {
    /// Whether anything was said at all.
    pub(crate) fn anything(&self) -> bool {
        self.anything.load(Ordering::Relaxed)
    }

    /// A request was read: notes on it what was cut off its target.
    pub(crate) fn becomes<B: Body>(self: &Arc<Self>, request: &mut Request<B>) {
        let mut heads = self.heads();
        let body = request.body().size_hint().exact();
        let head = heads.next(body);
        if has_fragment(&head, request.uri()) {
            request.extensions_mut().insert(Fragment);
        }
        let chunks = body.is_none();
        heads.deaf = chunks || request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE);
        if chunks {
            request.extensions_mut().insert(Pause(Arc::new(Resume(self.clone()))));
        }
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heads {
    fn hear(&mut self, bytes: &[u8]) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        if !self.deaf {
            let bytes = &bytes[skipped..];
            let room = LONGEST.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// What begins with the next head. What comes behind it and its body stays.
    fn next(&mut self, body: Option<u64>) -> Vec<u8> {
        let head = std::mem::take(&mut self.bytes);
        let begin = head.len() - head.trim_ascii_start().len();
        if let (Some(length), Some(end)) = (body, memmem::find(&head[begin..], b"\r\n\r\n")) {
            self.skip = length;
            self.hear(&head[begin + end + 4..]);
        }
        head
    }
}

fn has_fragment(head: &[u8], read: &Uri) -> bool {
    if memchr(b'#', head).is_none() {
        return false;
    }
    let line = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(target) = line.split(|byte| *byte == b' ').nth(1) else { return false };
    memchr(b'#', target).is_some_and(|at| Uri::try_from(&target[..at]).is_ok_and(|cut| cut == *read))
}

impl<S> Heard<S> {
    pub(crate) fn new(stream: S, said: Arc<Said>) -> Self {
        Heard { stream, said }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let came = &buf.filled()[before..];
        if !came.is_empty() {
            self.said.anything.store(true, Ordering::Relaxed);
            self.said.heads().hear(came);
        }
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
    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;

    type Nothing = Empty<&'static [u8]>;

    fn get(target: &str) -> Request<Nothing> {
        Request::get(target).body(Nothing::new()).unwrap()
    }

    fn was_cut_off(said: &Arc<Said>, mut request: Request<Nothing>) -> bool {
        said.becomes(&mut request);
        request.extensions().get::<Fragment>().is_some()
    }

    #[test]
    fn a_fragment_is_seen_in_the_target_and_nowhere_else() {
        for (line, target, wanted) in [
            ("GET /x#f HTTP/1.1", "/x", true),
            ("GET /x?a=1#f HTTP/1.1", "/x?a=1", true),
            ("GET /x# HTTP/1.1", "/x", true),
            ("GET http://a.test#f HTTP/1.1", "http://a.test", true),
            ("\r\nGET /x#f HTTP/1.1", "/x", true),
            ("GET /x HTTP/1.1\r\nCookie: a#b", "/x", false),
            ("GET /x%23f HTTP/1.1", "/x%23f", false),
            // Not what was read.
            ("GET /y#f HTTP/1.1", "/x", false),
        ] {
            let said = Arc::new(Said::default());
            let text = format!("{line}\r\nHost: a.test\r\n\r\n");
            text.as_bytes().chunks(3).for_each(|piece| said.heads().hear(piece));
            assert_eq!(was_cut_off(&said, get(target)), wanted, "{line}");
            assert!(said.heads().bytes.is_empty(), "{line}");
        }
    }

    #[test]
    fn each_of_several_requests_in_one_write_is_looked_at_alone() {
        let said = Arc::new(Said::default());
        said.heads().hear(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2#f HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT");
        let cut: Vec<_> = ["/1", "/2"].map(|target| was_cut_off(&said, get(target))).into();
        said.heads().hear(b"TP/1.1\r\n\r\n");
        assert_eq!((cut, was_cut_off(&said, get("/3"))), (vec![false, true], false));
    }

    #[test]
    fn bodies_and_what_follows_an_upgrade_are_not_kept() {
        let said = Arc::new(Said::default());
        said.heads().hear(b"POST /1 HTTP/1.1\r\nContent-Length: 7\r\n\r\nGET");
        let mut post = Request::post("/1").body(Full::new(&b"GET /2#"[..])).unwrap();
        said.becomes(&mut post);
        said.heads().hear(b" /2#GET /2#f HTTP/1.1\r\n\r\n");
        assert!(was_cut_off(&said, get("/2")));
        let mut upgrade = get("/3");
        upgrade.headers_mut().insert(UPGRADE, "websocket".parse().unwrap());
        assert!(!was_cut_off(&said, upgrade));
        said.heads().hear(b"frames");
        assert!(said.heads().bytes.is_empty());
    }

    #[test]
    fn heads_come_again_when_a_request_in_chunks_is_let_go_of() {
        let said = Arc::new(Said::default());
        said.heads().hear(b"POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n");
        let mut post = Request::post("/1")
            .body(StreamBody::new(futures_util::stream::empty::<Result<Frame<Bytes>, std::convert::Infallible>>()))
            .unwrap();
        said.becomes(&mut post);
        said.heads().hear(b"GET /\r\n0\r\n\r\n");
        assert!(said.heads().bytes.is_empty());
        drop(post);
        said.heads().hear(b"GET /2#f HTTP/1.1\r\n\r\n");
        assert!(was_cut_off(&said, get("/2")));
    }
}
