//! Sending and resending: only requests that were certainly not carried out, or that change nothing
//! when they are sent twice. Nothing else is ever repeated.
//!
//! - A host says that it did not process a request: a stream that it refuses, or one above the last
//!   in its GOAWAY (RFC 9113 §8.7). Any request whose body is still available is resent.
//! - A reused connection ends before a byte of the answer: most often the host had closed it while
//!   it was idle. GET, HEAD and OPTIONS without a body are resent (RFC 9110 §9.2.2).
//!
//! A request is resent once, on a new connection, under its own record, and counted again.

use std::sync::Arc;

use policies::{Code, Method, Refusal};

use gate::{
    Arriving, Audited, Case, Destination, Exit, Gate, Line, Offer, Outbound, Unanswered, broken_off, exchange, speak,
    unreadable,
};

use crate::body::{Lease, Outgoing, Spare};
use crate::pool::{Found, Pool, Upstream};

/// The upstream connections of one door.
pub(crate) type Upstreams = Pool<Outgoing>;

type Answered = (http::Response<Arriving>, Lease);

/// Whether a request may be resent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    WhereNothingWasDone,
    /// It makes a key, or uses one up: sending it twice may give two, or none.
    Never,
}

/// Sends the requests of one case.
pub(crate) struct Sender<'a> {
    pub(crate) gate: &'a Arc<Gate>,
    pub(crate) pool: &'a Arc<Upstreams>,
    pub(crate) case: &'a Case,
    pub(crate) offer: Offer,
}

impl Sender<'_> {
    /// Sends a request and waits for the head of its answer. If it is resent, `audited` becomes the
    /// record of that.
    pub(crate) async fn send(
        &self,
        audited: &mut Audited,
        outbound: Outbound<Outgoing>,
        repeats: Repeats,
    ) -> Result<Answered, Refusal> {
        let again = if repeats == Repeats::WhereNothingWasDone { outbound.again(Outgoing::spare) } else { None };
        let key = Destination::of(audited.permit());
        let lost = match self.first(audited, &key, outbound).await {
            Ok(answered) => return Ok(answered),
            Err(lost) => lost,
        };
        let refusal = to_refusal(&lost.unanswered, audited);
        let Some(again) = again.filter(|again| lost.allows(again.body(), audited)) else { return Err(refusal) };
        let second = match audited.again(self.gate, self.case).await {
            Some(Ok(second)) => second,
            Some(Err(_)) | None => return Err(refusal),
        };
        let why =
            format!("{}; it was sent once more, as number {}", in_words(&lost.unanswered), second.tally().seq().0);
        audited.tally().refuse(&Refusal::new(refusal.code, why));
        *audited = second;
        let sent = Box::pin(self.once_more(audited, key, again)).await;
        sent.inspect_err(|refusal| audited.tally().refuse(refusal))
    }

    /// A connection that turns out to be closed before anything was written is replaced by another
    /// one.
    async fn first(
        &self,
        audited: &Audited,
        key: &Destination,
        mut outbound: Outbound<Outgoing>,
    ) -> Result<Answered, Lost> {
        let refused = |refusal| Lost { unanswered: Unanswered::Refused(refusal), reused: false };
        let _opening = loop {
            let mut upstream = match self.pool.take(key, audited.permit()).await.map_err(refused)? {
                Found::Kept(upstream) => upstream,
                Found::Room(opening) => break opening,
            };
            match exchange(self.gate, audited, upstream.over(), outbound).await {
                Ok(answer) => return Ok((answer, Lease::new(self.pool, key.clone(), upstream))),
                Err(Unanswered::Unsent(unsent)) => outbound = *unsent,
                Err(unanswered) => return Err(Lost { unanswered, reused: true }),
            }
        };
        let mut upstream = self.open(audited, key).await.map_err(refused)?;
        match exchange(self.gate, audited, upstream.over(), outbound).await {
            Ok(answer) => Ok((answer, Lease::new(self.pool, key.clone(), upstream))),
            Err(unanswered) => Err(Lost { unanswered, reused: false }),
        }
    }

    async fn once_more(
        &self,
        audited: &Audited,
        key: Destination,
        again: Outbound<Spare>,
    ) -> Result<Answered, Refusal> {
        let mut upstream = self.open(audited, &key).await?;
        let outbound = again.with_body(|body| body.outgoing(audited.tally().clone()));
        match exchange(self.gate, audited, upstream.over(), outbound).await {
            Ok(answer) => Ok((answer, Lease::new(self.pool, key, upstream).for_once())),
            Err(unanswered) => Err(to_refusal(&unanswered, audited)),
        }
    }

    /// A connection of the request's own. One that can be shared is available to others from then on.
    async fn open(&self, audited: &Audited, key: &Destination) -> Result<Upstream<Outgoing>, Refusal> {
        match speak(Exit::open(self.gate, audited, self.offer).await?).await? {
            Line::Single(single) => Ok(Upstream::Single(single)),
            Line::Shared(shared) => self.pool.opened(key, shared),
        }
    }
}

/// A request that got no answer.
struct Lost {
    unanswered: Unanswered<Outgoing>,
    /// Whether its connection had been used before.
    reused: bool,
}

impl Lost {
    /// Whether it may be resent, given what is known about its fate.
    fn allows(&self, again: &Spare, first: &Audited) -> bool {
        let nothing_was_done = match &self.unanswered {
            Unanswered::NotDone | Unanswered::Unsent(_) => true,
            Unanswered::Ended => {
                let reads = matches!(first.permit().facts().method, Method::Get | Method::Head | Method::Options);
                self.reused && reads && again.is_empty()
            }
            Unanswered::Broken | Unanswered::Unreadable | Unanswered::Refused(_) => false,
        };
        // A leak in the body, or a tightened policy: then that is the answer.
        nothing_was_done && again.is_checked(first.tally()) && first.tally().refused().is_none()
    }
}

fn to_refusal(unanswered: &Unanswered<Outgoing>, audited: &Audited) -> Refusal {
    match unanswered {
        Unanswered::Refused(refusal) => refusal.clone(),
        // A leak found in the body broke it off: that is the reason to give.
        _ => audited.tally().refused().unwrap_or_else(|| match unanswered {
            Unanswered::NotDone | Unanswered::Unsent(_) => {
                let why = format!("{}; it can be sent again", in_words(unanswered));
                Refusal::new(Code::UpstreamFailed, why)
            }
            Unanswered::Unreadable => unreadable(),
            _ => broken_off(),
        }),
    }
}

fn in_words(unanswered: &Unanswered<Outgoing>) -> &'static str {
    match unanswered {
        Unanswered::NotDone => "the host says that it did nothing of the request",
        Unanswered::Unsent(_) => "the connection ended before anything of the request was sent",
        _ => "the connection ended before the host answered",
    }
}
