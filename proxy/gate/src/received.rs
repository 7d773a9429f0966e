//! A body that is received: whole only where its sender has ended it.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use policies::{Code, Refusal};

/// A body, up to the end that its sender gave it. A stream of HTTP/2 that is reset without an error is at its end
/// for hyper, whatever of it is missing; what ended before, and is reset because nothing else is wanted of its
/// request (RFC 9113 §8.1), has its end.
pub struct Received {
    incoming: Incoming,
    is_stream: bool,
    whose: Option<Arc<dyn Whose>>,
}

/// A request with a body.
pub trait Whose: Send + Sync {
    /// Whether a host was asked.
    fn is_asked(&self) -> bool;

    /// Its body has no end.
    fn broke_off(&self);
}

/// Why a body has no end.
#[derive(Debug, thiserror::Error)]
pub enum Unended {
    /// Whoever sent it left, or gave it up.
    #[error("broke off")]
    BrokenOff,
    /// What came next was none of it.
    #[error("cannot be read to its end")]
    Unreadable,
}

impl Received {
    /// Of a message of this version.
    pub fn new(incoming: Incoming, version: Version) -> Self {
        Received { incoming, is_stream: version == Version::HTTP_2, whose: None }
    }

    /// It goes with this request.
    pub fn goes_with(&mut self, whose: Arc<dyn Whose>) {
        self.whose = Some(whose);
    }
}

impl Unended {
    fn of(error: &hyper::Error) -> Self {
        let source = error.source();
        let error = source.and_then(|source| source.downcast_ref::<h2::Error>());
        // It cancels what is let go of.
        let by_us = error.is_some_and(|error| error.is_library() && error.reason() != Some(h2::Reason::CANCEL));
        if by_us { Unended::Unreadable } else { Unended::BrokenOff }
    }

    /// What to say where it is an answer.
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

/// How many frames of a body that nobody wants are looked at.
const FRAMES_LEFT: usize = 64;

/// Where no host was asked, nobody else says that it was ill-formed.
impl Drop for Received {
    fn drop(&mut self) {
        let Some(whose) = self.whose.take().filter(|whose| !whose.is_asked()) else { return };
        let cx = &mut Context::from_waker(Waker::noop());
        // As much as lies here: its client may go on for ever.
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
