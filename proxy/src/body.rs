//! Bodies on their way: checked and counted going up, scrubbed and counted coming down
//! (`returned.rs`), never collected.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use policies::{Code, Refusal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep, timeout};

use crate::renamed::FieldWatch;
use crate::room::{Room, Rooms, SMALL, aside};
use gate::{Direction, Received, Tally, Unended, UntilCut};
use scan::{LeakFilter, Stop};

mod opened;
mod returned;

pub(crate) use opened::Opened;
pub(crate) use returned::{Body, Returned, Returning};

/// Makes the refusal for what stops a body, given whether parts of it contain Authorization.
type Refuse = dyn Fn(&Stop, bool) -> Refusal + Send + Sync;

/// The upstream connection of one request.
pub(crate) type Lease = crate::pool::Lease<Outgoing>;

/// A body that was cut; the reason is in the log.
#[derive(Debug, thiserror::Error)]
#[error("cut by the door: {0}")]
pub(crate) struct Cut(policies::Code);

/// A request's body as it came.
pub(crate) enum Came {
    /// Streamed.
    Streaming(Received),
    /// Complete: a rule looks into it, or the gateway wrote it.
    Whole {
        body: Bytes,
        /// The leak check is done, and the body may already contain a secret.
        checked: bool,
        /// Whether a piece was just given out, so that other tasks run before the next.
        rests: bool,
        slot: Option<Held>,
    },
}

/// The right to hold a body in memory, kept for as long as it is held.
pub(crate) type Held = Arc<OwnedSemaphorePermit>;

/// A request's body on its way up.
pub(crate) struct Outgoing {
    came: Came,
    // Boxed, because most bodies have neither and are moved often: each connection has room for 32.
    filter: Option<Box<LeakFilter>>,
    fields: Option<Box<FieldWatch>>,
    refuse: Arc<Refuse>,
    tally: Arc<Tally>,
    cut: UntilCut,
    /// Runs while the client owes the next piece.
    owed: Option<Pin<Box<Sleep>>>,
    room: Option<Room>,
    /// A piece that waits for room to be unpacked.
    waiting: Option<Bytes>,
    trailing: bool,
}

impl Came {
    pub(crate) fn with(request: http::Request<Incoming>) -> http::Request<Self> {
        let version = request.version();
        request.map(|incoming| Came::Streaming(Received::new(incoming, version)))
    }

    /// The complete body, read up to a limit. The number at a time is limited: one sandbox must not
    /// fill the daemon's memory.
    pub(crate) async fn into_whole(
        self,
        rooms: &Rooms,
        time: Duration,
        limit: u64,
    ) -> Result<(Bytes, Option<Held>), Refusal> {
        let incoming = match self {
            Came::Streaming(incoming) => incoming,
            Came::Whole { body, slot, .. } => return Ok((body, slot)),
        };
        let reading = async {
            let slot = rooms.whole_bodies.clone().acquire_owned().await;
            let slot = slot.map_err(|_| Refusal::new(Code::Revoked, "the door was shut"))?;
            Came::read(incoming, limit).await.map(|body| (body, Some(Arc::new(slot))))
        };
        timeout(time, reading).await.map_err(|_| Came::late())?
    }

    /// The same for a caller that already has a place.
    pub(crate) async fn read_in(time: Duration, incoming: Received, limit: u64) -> Result<Bytes, Refusal> {
        timeout(time, Came::read(incoming, limit)).await.map_err(|_| Came::late())?
    }

    fn late() -> Refusal {
        Refusal::new(Code::Timeout, "the request's body did not arrive in time")
    }

    async fn read(incoming: Received, limit: u64) -> Result<Bytes, Refusal> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        match Limited::new(incoming, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                let why = format!("this body is looked into, and it is longer than {limit} bytes");
                Err(Refusal::new(Code::TooLarge, why))
            }
            Err(_) => Err(Refusal::new(Code::Framing, "the request's body broke off")),
        }
    }

    /// A complete body.
    pub(crate) fn held(body: Bytes, checked: bool, slot: Option<Held>) -> Self {
        Came::Whole { body, checked, rests: false, slot }
    }

    /// Whether nothing is left to come.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Came::Streaming(incoming) => incoming.is_end_stream(),
            Came::Whole { body, .. } => body.is_empty(),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unended>>> {
        match self {
            Came::Streaming(incoming) => Pin::new(incoming).poll_frame(cx),
            Came::Whole { body, .. } if body.is_empty() => Poll::Ready(None),
            // Piece by piece, because each is checked: other tasks run in between.
            Came::Whole { body, rests, .. } => {
                *rests = !*rests;
                if !*rests {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(Frame::data(body.split_to(body.len().min(SMALL))))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Came::Streaming(incoming) => incoming.size_hint(),
            Came::Whole { body, .. } => SizeHint::with_exact(body.len() as u64),
        }
    }
}

impl Outgoing {
    /// `refuse` makes the refusal for what stops the body.
    pub(crate) fn new(mut came: Came, refuse: Arc<Refuse>, tally: Arc<Tally>) -> Self {
        if came.is_end_stream() {
            tally.mark_sent();
        } else {
            tally.expect_body();
        }
        if let Came::Streaming(received) = &mut came {
            received.goes_with(tally.clone());
        }
        let cut = tally.until_cut();
        let (filter, fields, owed, room, waiting) = (None, None, None, None, None);
        Outgoing { came, filter, fields, refuse, tally, cut, owed, room, waiting, trailing: false }
    }

    /// Adds a check for what must not leave; `room` is for unpacking.
    pub(crate) fn checked(self, filter: Option<LeakFilter>, room: Room) -> Self {
        Outgoing { filter: filter.map(Box::new), room: Some(room), ..self }
    }

    /// Adds a check of field names.
    pub(crate) fn watching(self, fields: Option<FieldWatch>) -> Self {
        Outgoing { fields: fields.map(Box::new), ..self }
    }

    fn look_at_fields(&mut self, data: &[u8]) -> Result<(), Cut> {
        let last = self.came.is_end_stream();
        let looked = self.fields.as_mut().map_or(Ok(()), |fields| fields.look(data, last));
        looked.map_err(|refusal| self.cut_by(&refusal))
    }

    /// The same body again, if it is available: an empty one, or one held in memory.
    pub(crate) fn spare(&self) -> Option<Spare> {
        let (body, checked, slot) = match &self.came {
            Came::Streaming(incoming) if incoming.is_end_stream() => (Bytes::new(), true, None),
            Came::Streaming(_) => return None,
            Came::Whole { body, slot, .. } => {
                (body.clone(), self.filter.is_none() && self.fields.is_none(), slot.clone())
            }
        };
        Some(Spare { body, checked, slot, refuse: self.refuse.clone() })
    }

    fn stopped<T>(&self, checked: Result<T, Stop>) -> Result<T, Cut> {
        let fields = self.fields.as_deref();
        let in_parts = fields.is_some_and(FieldWatch::says_authorization);
        checked.map_err(|stop| self.cut_by(&(self.refuse)(&stop, in_parts)))
    }

    fn cut_by(&self, refusal: &Refusal) -> Cut {
        // The answer, if it has begun, ends as well.
        self.tally.cut(refusal);
        Cut(refusal.code)
    }

    fn end(&mut self) -> Result<Option<Bytes>, Cut> {
        if self.trailing {
            return Ok(None);
        }
        self.last(Bytes::new())
    }

    /// Checks the last piece and completes the checks.
    fn last(&mut self, data: Bytes) -> Result<Option<Bytes>, Cut> {
        self.trailing = true;
        let Some(mut filter) = self.filter.take() else {
            self.tally.mark_sent();
            return Ok(Some(data).filter(|data| !data.is_empty()));
        };
        let rest = if filter.unpacks(&data) { aside(|| filter.push_last(data)) } else { filter.push_last(data) };
        if let Some(room) = &mut self.room {
            room.leave();
        }
        let noted: Vec<String> = filter.noted().iter().map(ToString::to_string).collect();
        if !noted.is_empty() {
            self.tally.note(|outcome| outcome.findings.extend(noted));
        }
        let rest = self.stopped(rest)?;
        self.tally.mark_sent();
        Ok(rest)
    }

    /// Whether the client has owed the next piece for too long. Once the host has begun to answer,
    /// a body without a stated length may pause: both sides may be talking.
    fn owes_for_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let patience = self.tally.patience();
            let owed = self.owed.get_or_insert_with(|| Box::pin(sleep(patience)));
            if owed.as_mut().poll(cx).is_pending() {
                return false;
            }
            if self.came.size_hint().exact().is_some() || !self.tally.is_answered() {
                return true;
            }
            self.owed = None;
        }
    }

    fn give_up(&self) -> Cut {
        self.tally.cut(&Refusal::new(Code::Timeout, "the rest of the request's body did not arrive in time"));
        Cut(Code::Timeout)
    }

    /// Counts one piece as it arrived, for the limits, and checks it. The last piece also completes
    /// the check: after a body of known length no end is polled for.
    fn pass(&mut self, data: Bytes) -> Result<Option<Bytes>, Cut> {
        self.tally.add_up(data.len()).map_err(|refusal| self.cut_by(&refusal))?;
        self.look_at_fields(&data)?;
        if self.came.is_end_stream() {
            return self.last(data);
        }
        let pushed = match &mut self.filter {
            Some(filter) if filter.unpacks(&data) => aside(|| filter.push(data)),
            Some(filter) => filter.push(data),
            None => Ok(Some(data)),
        };
        self.stopped(pushed)
    }
}

/// A body that may have to be resent.
pub(crate) struct Spare {
    body: Bytes,
    /// It needs no check, or its check is complete.
    checked: bool,
    slot: Option<Arc<OwnedSemaphorePermit>>,
    refuse: Arc<Refuse>,
}

impl Spare {
    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Whether every byte of it was checked: here, or when it was first sent.
    pub(crate) fn is_checked(&self, first: &Tally) -> bool {
        self.checked || first.is_sent()
    }

    pub(crate) fn outgoing(self, tally: Arc<Tally>) -> Outgoing {
        let came = Came::Whole { body: self.body, checked: true, rests: false, slot: self.slot };
        Outgoing::new(came, self.refuse, tally)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.tally.asked(Direction::Up);
        let frame = self.poll(cx);
        // After the last piece there is no further poll.
        if matches!(frame, Poll::Ready(Some(Ok(_)))) && !self.tally.is_sent() {
            self.tally.handed(Direction::Up);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let nothing_is_held = self.waiting.is_none() && self.filter.as_ref().is_none_or(|filter| filter.held() == 0);
        self.trailing || (self.came.is_end_stream() && nothing_is_held)
    }

    fn size_hint(&self) -> SizeHint {
        // Bytes held back still count, so that an exact length stays exact.
        let held = self.filter.as_ref().map_or(0, |filter| filter.held() as u64);
        let waits = self.waiting.as_ref().map_or(0, |data| data.len() as u64);
        let came = self.came.size_hint();
        match came.exact() {
            Some(exact) => SizeHint::with_exact(exact + held + waits),
            None => came,
        }
    }
}

impl Outgoing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if self.trailing {
                return Poll::Ready(None);
            }
            if Pin::new(&mut self.cut).poll(cx).is_ready() {
                return Poll::Ready(Some(Err(Cut(Code::Revoked))));
            }
            let data = match self.waiting.take() {
                Some(data) => data,
                None => match ready!(self.poll_data(cx)) {
                    Some(data) => data?,
                    None => return Poll::Ready(self.end().transpose().map(|bytes| bytes.map(Frame::data))),
                },
            };
            if self.unpacks(&data) && self.room.as_mut().is_some_and(|room| room.poll_enter(cx).is_pending()) {
                self.waiting = Some(data);
                return Poll::Pending;
            }
            match self.pass(data) {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Ok(None) => {}
                Err(cut) => return Poll::Ready(Some(Err(cut))),
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            let Poll::Ready(came) = self.came.poll_frame(cx) else {
                return match self.owes_for_too_long(cx) {
                    true => Poll::Ready(Some(Err(self.give_up()))),
                    false => Poll::Pending,
                };
            };
            self.owed = None;
            match came {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(frame) => {
                        // Trailers are dropped: they are not judged, and no known client needs them.
                        let trailers = frame.into_trailers().unwrap_or_default();
                        if let Err(cut) = self.check_trailers(&trailers) {
                            return Poll::Ready(Some(Err(cut)));
                        }
                    }
                },
                Some(Err(_)) => {
                    self.tally.refuse(&Refusal::new(Code::Framing, "the request's body broke off"));
                    return Poll::Ready(Some(Err(Cut(Code::Framing))));
                }
            }
        }
    }

    /// A secret in a trailer was meant to leave.
    fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), Cut> {
        let Some(filter) = &self.filter else { return Ok(()) };
        self.stopped(filter.check_trailers(trailers))
    }

    fn unpacks(&self, data: &[u8]) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.unpacks(data))
    }
}
