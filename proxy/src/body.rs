//! Bodies on their way: checked and counted going up, scrubbed and counted coming
//! down, never collected.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

mod outgoing;
mod returned;

pub(crate) use outgoing::{Came, Outgoing};
pub(crate) use returned::Returned;

/// A body that was cut; why is in the log.
#[derive(Debug, thiserror::Error)]
#[error("cut by the door: {0}")]
pub(crate) struct Cut(policies::Code);

/// The body of an answer.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// Our own words.
    Text(Bytes),
    /// From upstream.
    Returned(Box<Returned>),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Body::Empty
    }

    pub(crate) fn text(text: Bytes) -> Self {
        Body::Text(text)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Text(text) => {
                let text = std::mem::take(text);
                *self = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Body::Returned(returned) => Pin::new(&mut **returned).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Text(text) => text.is_empty(),
            Body::Returned(returned) => returned.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Text(text) => SizeHint::with_exact(text.len() as u64),
            Body::Returned(returned) => returned.size_hint(),
        }
    }
}
