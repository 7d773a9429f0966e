//! A body that is received: complete only if its sender ended it.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use policies::{Code, Refusal};

/// A body, up to the end that its sender gave it. hyper takes an HTTP/2 stream that is reset
/// without an error as ended, whatever is missing; a body that ended before such a reset, which
/// only says that the rest of the request is not wanted (RFC 9113 §8.1), is complete.
pub struct Received {
    incoming: Incoming,
    is_stream: bool,
    whose: Option<Arc<dyn Whose>>,
}

/// A request with a body.
pub trait Whose: Send + Sync {
    /// Whether a host was asked.
    fn is_asked(&self) -> bool;

    /// Its body was cut off.
    fn broke_off(&self);
}

/// Why a body is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum Unended {
    /// The sender left, or gave it up.
    #[error("broke off")]
    BrokenOff,
    /// What followed was malformed.
    #[error("cannot be read to its end")]
    Unreadable,
}

impl Received {
    /// The body of a message of this version.
    pub fn new(incoming: Incoming, version: Version) -> Self {
        Received { incoming, is_stream: version == Version::HTTP_2, whose: None }
    }

    /// The body belongs to this request.
    pub fn goes_with(&mut self, whose: Arc<dyn Whose>) {
        self.whose = Some(whose);
    }
}

impl Unended {
    fn of(error: &hyper::Error) -> Self {
        let source = error.source();
        let error = source.and_then(|source| source.downcast_ref::<h2::Error>());
        // CANCEL is the library's own reason for a dropped stream.
        let by_us = error.is_some_and(|error| error.is_library() && error.reason() != Some(h2::Reason::CANCEL));
        if by_us { Unended::Unreadable } else { Unended::BrokenOff }
    }

    /// The refusal if the body was an answer.
    pub fn of_an_answer(&self) -> Refusal {
        match self {
            Unended::BrokenOff => Refusal::new(Code::UpstreamFailed, "the host broke off in the middle of its answer"),
            Unended::Unreadable => {
                let why =
                    "the host's answer cannot be read to its end: it is not as long as it says, or no well-formed HTTP";
                Refusal::new(Code::UpstreamUnreadable, why)
            }
        }
    }
}

/// How many frames of an unwanted body are looked at.
const FRAMES_LEFT: usize = 64;

/// If no host was asked, only this can report a malformed body.
impl Drop for Received {
    fn drop(&mut self) {
        let Some(whose) = self.whose.take().filter(|whose| !whose.is_asked()) else { return };
        let cx = &mut Context::from_waker(Waker::noop());
        // Only what has arrived: the client may go on for ever.
        for _ in 0..FRAMES_LEFT {
            match Pin::new(&mut *self).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(Unended::Unreadable))) => return whose.broke_off(),
                _ => return,
            }
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Unended;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unended>>> {
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            None if self.is_stream && !self.incoming.is_end_stream() => Poll::Ready(Some(Err(Unended::BrokenOff))),
            frame => Poll::Ready(frame.map(|frame| frame.map_err(|error| Unended::of(&error)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
