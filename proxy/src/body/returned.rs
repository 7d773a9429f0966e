//! What comes back: unpacked, scrubbed and counted as it goes by, until it is cut.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::SET_COOKIE;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use policies::{Code, Refusal};

use super::Cut;
use crate::packed::{Unpacker, Unreadable};
use crate::room::Room;
use crate::scan::{FreshKeys, InPieces, Scrubber};
use crate::tally::{Tally, Way};
use crate::upstream::Lease;

/// The body of an answer.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// Our own words.
    Text(Bytes),
    /// From upstream.
    Returned(Box<Returned>),
}

/// Why an answer goes no further.
#[derive(Clone, Copy)]
enum Unscrubbed {
    Unreadable(Unreadable),
    InPieces(InPieces),
}

impl From<Unreadable> for Unscrubbed {
    fn from(why: Unreadable) -> Self {
        Unscrubbed::Unreadable(why)
    }
}

impl From<InPieces> for Unscrubbed {
    fn from(why: InPieces) -> Self {
        Unscrubbed::InPieces(why)
    }
}

/// A response's body on its way down.
pub(crate) struct Returned {
    incoming: Incoming,
    unpacker: Option<Unpacker>,
    /// Where unpacking it takes much memory.
    room: Option<Room>,
    scrubber: Option<Scrubber>,
    /// What its host may have made, on its way to the sandbox.
    fresh: Option<FreshKeys>,
    trailers: Option<HeaderMap>,
    tally: Arc<Tally>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    lease: Option<Lease>,
    ended: bool,
}

impl Returned {
    /// `unpacker`: what the answer is packed with, where it has to be scrubbed.
    pub(crate) fn new(
        incoming: Incoming,
        unpacker: Option<Unpacker>,
        scrubber: Option<Scrubber>,
        fresh: Option<FreshKeys>,
        tally: Arc<Tally>,
        lease: Lease,
    ) -> Self {
        let cut = Box::pin(tally.until_cut());
        let room = unpacker.as_ref().filter(|unpacker| unpacker.is_large()).map(|_| tally.room_to_unpack(Way::Down));
        Returned {
            incoming,
            unpacker,
            room,
            scrubber,
            fresh,
            trailers: None,
            tally,
            cut,
            lease: Some(lease),
            ended: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = self.poll_clean(cx);
        if let (Some(fresh), Poll::Ready(Some(Ok(frame)))) = (&mut self.fresh, &polled) {
            fresh.push(frame.data_ref().map_or(&[][..], |data| data), false);
        }
        polled
    }

    fn poll_clean(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            // A leak found in the request's body, or a tightened policy, ends the answer too.
            if self.cut.as_mut().poll(cx).is_ready() {
                self.lease = None;
                return Poll::Ready(Some(Err(Cut(Code::Revoked))));
            }
            if let Some(room) = &mut self.room {
                ready!(room.poll_enter(cx));
            }
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => {
                    self.ended = true;
                    match self.scrub_rest() {
                        Ok(Some(rest)) => return Poll::Ready(Some(Ok(Frame::data(rest)))),
                        Ok(None) => continue,
                        Err(why) => return Poll::Ready(Some(Err(self.unscrubbed(why)))),
                    }
                }
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    self.tally
                        .refuse(&Refusal::new(Code::UpstreamFailed, "the host broke off in the middle of its answer"));
                    self.lease = None;
                    return Poll::Ready(Some(Err(Cut(Code::UpstreamFailed))));
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    self.tally.add_down(data.len());
                    match self.scrub(data) {
                        Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        Ok(None) => {}
                        Err(why) => return Poll::Ready(Some(Err(self.unscrubbed(why)))),
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok().map(|trailers| self.scrub_trailers(trailers)),
            }
        }
    }

    /// With the last piece the scrubbing ends as well: of an answer of known length no more
    /// has to be waited for.
    fn scrub(&mut self, data: Bytes) -> Result<Option<Bytes>, Unscrubbed> {
        let last = self.incoming.is_end_stream();
        let data = match &mut self.unpacker {
            Some(unpacker) => unpacker.push(&data)?.into(),
            None => data,
        };
        match &mut self.scrubber {
            None => Ok(Some(data).filter(|data| !data.is_empty())),
            Some(scrubber) if last && self.unpacker.is_none() => {
                self.ended = true;
                let clean = scrubber.push_last(data)?;
                self.note_scrubbed();
                Ok(clean)
            }
            Some(scrubber) => Ok(scrubber.push(data)?),
        }
    }

    fn scrub_rest(&mut self) -> Result<Option<Bytes>, Unscrubbed> {
        let Some(scrubber) = self.scrubber.as_mut() else { return Ok(None) };
        let rest = match &mut self.unpacker {
            Some(unpacker) => scrubber.push_last(unpacker.finish()?.into())?,
            None => scrubber.finish()?,
        };
        self.note_scrubbed();
        Ok(rest)
    }

    fn note_scrubbed(&self) {
        let count = self.scrubber.as_ref().map_or(0, Scrubber::count);
        self.tally.note(|outcome| outcome.scrubbed += count);
    }

    fn unscrubbed(&mut self, why: Unscrubbed) -> Cut {
        self.lease = None;
        let code = match why {
            Unscrubbed::Unreadable(why) => {
                let why = format!(
                    "the host packed its answer although it was asked not to, and {why}, so it cannot be scrubbed"
                );
                self.tally.refuse(&Refusal::new(Code::UpstreamUnreadable, why));
                Code::UpstreamUnreadable
            }
            Unscrubbed::InPieces(InPieces) => self.tally.came_in_pieces(),
        };
        Cut(code)
    }

    fn scrub_trailers(&mut self, trailers: HeaderMap) -> HeaderMap {
        let mut trailers = crate::headers::incoming(&trailers);
        // It may not stand there (RFC 9110 §6.5.1), and some would take it.
        trailers.remove(SET_COOKIE);
        if let Some(scrubber) = &mut self.scrubber {
            trailers = crate::headers::without_names(trailers, scrubber);
            crate::headers::scrub(&mut trailers, scrubber);
        }
        trailers
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if let Some(mut fresh) = self.fresh.take() {
            fresh.push(&[], true);
            self.tally.note(|outcome| outcome.findings.extend(fresh.noted()));
        }
        let whole = self.ended || self.incoming.is_end_stream();
        if !whole {
            // Its host hears of that, be it by a reset of HTTP/2.
            self.tally.mark_abandoned();
        }
        match self.lease.take() {
            Some(lease) if whole && self.tally.is_sent() => lease.give_back(),
            _ => {}
        }
    }
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
            Body::Returned(returned) => {
                returned.tally.asked(Way::Down);
                let frame = returned.poll(cx);
                if matches!(frame, Poll::Ready(Some(Ok(_)))) {
                    returned.tally.handed(Way::Down);
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Text(text) => text.is_empty(),
            Body::Returned(returned) => {
                returned.scrubber.is_none() && returned.trailers.is_none() && returned.incoming.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Text(text) => SizeHint::with_exact(text.len() as u64),
            Body::Returned(returned) if returned.scrubber.is_none() => returned.incoming.size_hint(),
            Body::Returned(_) => SizeHint::default(),
        }
    }
}
