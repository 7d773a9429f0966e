//! Response bodies: unpacked, scrubbed and counted as they pass, until they are cut.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::ETAG;
use http_body::{Body as HttpBody, Frame, SizeHint};
use policies::{Code, Refusal};

use super::opened::Opened;
use super::{Cut, Lease};
use crate::credentials::Handing;
use crate::room::{Room, aside};
use crate::usage::Metered;
use gate::{Arriving, Direction, Tally, UntilCut};
use scan::{FreshKeys, InPieces, Scrubber};

/// The body of an answer.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// Text of our own.
    Text(Bytes),
    /// From upstream.
    Returned(Box<Returned>),
}

/// A response's body on its way down.
pub(crate) struct Returned {
    incoming: Arriving,
    /// Unpacks and inspects the body, if it has to be scrubbed.
    opened: Option<Opened>,
    /// Taken if that needs much memory.
    room: Room,
    scrubber: Option<Scrubber>,
    /// Remembers keys that the host may have made, on their way to the sandbox.
    fresh: Option<(FreshKeys, Handing)>,
    /// What a model used for it, as the sandbox reads it.
    metered: Option<Metered>,
    in_pieces: Box<dyn Fn() -> Refusal + Send + Sync>,
    /// A frame that arrived before it was asked for.
    ahead: Option<Frame<Bytes>>,
    trailers: Option<HeaderMap>,
    tally: Arc<Tally>,
    cut: UntilCut,
    lease: Option<Lease>,
    ended: bool,
}

/// How an answer is processed on its way back.
pub(crate) struct Returning {
    /// Inspects the body, if it has to be scrubbed, and room if that takes much memory.
    pub(crate) opened: Option<Opened>,
    pub(crate) room: Room,
    pub(crate) scrubber: Option<Scrubber>,
    pub(crate) fresh: Option<(FreshKeys, Handing)>,
    pub(crate) metered: Option<Metered>,
    /// The consequence of a secret that came in pieces.
    pub(crate) in_pieces: Box<dyn Fn() -> Refusal + Send + Sync>,
}

impl Returned {
    pub(crate) fn new(incoming: Arriving, returning: Returning, tally: Arc<Tally>, lease: Lease) -> Self {
        let Returning { opened, room, scrubber, fresh, metered, in_pieces } = returning;
        let cut = tally.until_cut();
        let (ahead, trailers, lease, ended) = (None, None, Some(lease), false);
        Returned {
            incoming,
            opened,
            room,
            scrubber,
            fresh,
            metered,
            in_pieces,
            ahead,
            trailers,
            tally,
            cut,
            lease,
            ended,
        }
    }

    /// Waits until the beginning of the answer is known.
    pub(crate) async fn begin(&mut self) -> Result<(), Cut> {
        if let Some(frame) = std::future::poll_fn(|cx| self.poll(cx)).await {
            self.ahead = Some(frame?);
        }
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(frame) = self.ahead.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let polled = self.poll_clean(cx);
        if let (Some(metered), Poll::Ready(Some(Ok(frame)))) = (&mut self.metered, &polled)
            && let Err(used_up) = metered.push(frame.data_ref().map_or(&[][..], |data| data))
        {
            return Poll::Ready(Some(Err(self.ended_by(&used_up))));
        }
        match (&mut self.fresh, &polled) {
            (Some((fresh, handing)), Poll::Ready(Some(Ok(frame)))) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                fresh.push(data, false);
                handing.push(data);
                if self.ended {
                    handing.end();
                }
            }
            (Some((_, handing)), Poll::Ready(None)) => handing.end(),
            _ => {}
        }
        polled
    }

    fn poll_clean(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if self.ended {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            // A leak found in the request's body, or a tightened policy, ends the answer too.
            if Pin::new(&mut self.cut).poll(cx).is_ready() {
                self.lease = None;
                return Poll::Ready(Some(Err(Cut(Code::Revoked))));
            }
            if self.opened.as_ref().is_some_and(Opened::is_large) {
                ready!(self.room.poll_enter(cx));
            }
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => {
                    self.ended = true;
                    match self.scrub_rest() {
                        Ok(Some(rest)) => return Poll::Ready(Some(Ok(Frame::data(rest)))),
                        Ok(None) => continue,
                        Err(why) => return Poll::Ready(Some(Err(self.ended_by(&why)))),
                    }
                }
                Some(Ok(frame)) => frame,
                Some(Err(unended)) => return Poll::Ready(Some(Err(self.ended_by(&unended.of_an_answer())))),
            };
            match frame.into_data() {
                Ok(data) => {
                    self.tally.add_down(data.len());
                    match self.scrub(data) {
                        Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        Ok(None) => {}
                        Err(why) => return Poll::Ready(Some(Err(self.ended_by(&why)))),
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok().map(|trailers| self.scrub_trailers(trailers)),
            }
        }
    }

    /// The last piece also ends the scrubbing: after an answer of known length no end is polled
    /// for.
    fn scrub(&mut self, data: Bytes) -> Result<Option<Bytes>, Refusal> {
        let last = self.incoming.is_end_stream();
        let data = match &mut self.opened {
            Some(opened) if opened.unpacks() => aside(|| seen(opened, data, last))?,
            Some(opened) => seen(opened, data, last)?,
            None => data,
        };
        let Some(scrubber) = &mut self.scrubber else { return Ok(Some(data).filter(|data| !data.is_empty())) };
        tell_what_begins(&mut self.opened, scrubber);
        self.ended = last;
        let clean = if last { scrubber.push_last(data) } else { scrubber.push(data) };
        if last {
            self.note_scrubbed();
        }
        clean.map_err(|InPieces| (self.in_pieces)())
    }

    fn scrub_rest(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Some(scrubber) = self.scrubber.as_mut() else { return Ok(None) };
        let rest = match &mut self.opened {
            Some(opened) => opened.finish()?,
            None => Bytes::new(),
        };
        tell_what_begins(&mut self.opened, scrubber);
        let clean = scrubber.push_last(rest);
        self.note_scrubbed();
        clean.map_err(|InPieces| (self.in_pieces)())
    }

    fn note_scrubbed(&self) {
        let count = self.scrubber.as_ref().map_or(0, Scrubber::count);
        self.tally.note(|outcome| outcome.scrubbed += count);
    }

    fn ended_by(&mut self, refusal: &Refusal) -> Cut {
        self.tally.refuse(refusal);
        self.lease = None;
        Cut(refusal.code)
    }

    fn scrub_trailers(&mut self, trailers: HeaderMap) -> HeaderMap {
        // Cookies are not allowed there (RFC 9110 §6.5.1), but some clients would take them.
        let mut trailers = crate::headers::returning(&trailers, false, &mut self.scrubber);
        if self.scrubber.is_some() {
            crate::headers::without_digests(&mut trailers, false);
            trailers.remove(ETAG);
        }
        trailers
    }
}

/// Restarts the search for disguises with each file, also for files that the body contains as they are.
fn tell_what_begins(opened: &mut Option<Opened>, scrubber: &mut Scrubber) {
    opened.iter_mut().flat_map(Opened::begun).for_each(|part| scrubber.begins_within(part));
}

/// The inspected bytes; with the last ones, all that are left.
fn seen(opened: &mut Opened, data: Bytes, last: bool) -> Result<Bytes, Refusal> {
    let seen = opened.push(data)?;
    if !last {
        return Ok(seen);
    }
    let rest = opened.finish()?;
    Ok(if rest.is_empty() { seen } else { [seen, rest].concat().into() })
}

impl Drop for Returned {
    fn drop(&mut self) {
        if let Some((mut fresh, mut handing)) = self.fresh.take() {
            fresh.push(&[], true);
            handing.end();
            self.tally.note(|outcome| outcome.findings.extend(fresh.noted()));
        }
        let whole = self.ended || self.incoming.is_end_stream();
        if let Some(metered) = self.metered.take() {
            self.tally.note(|outcome| outcome.tokens = metered.ends(whole));
        }
        if !whole {
            // The host learns of this, for example by an HTTP/2 reset.
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
                returned.tally.asked(Direction::Down);
                let frame = returned.poll(cx);
                if matches!(frame, Poll::Ready(Some(Ok(_)))) {
                    returned.tally.handed(Direction::Down);
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
