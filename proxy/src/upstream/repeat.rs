//! Sending, and sending once more: what surely was not carried out, and what changes
//! nothing when it is asked twice. Nothing else is ever repeated.
//!
//! - A host says that it did nothing of a request: a stream that it refuses, or one above
//!   the last that it took when it says goodbye (RFC 9113 §8.7). Any request whose body is
//!   still there goes once more.
//! - A connection that was used before ends, and not a byte of an answer has come: most
//!   often the host had closed it while it idled. GET, HEAD and OPTIONS without a body go once
//!   more (RFC 9110 §9.2.2).
//!
//! Once more is once, on a new connection, under a record of its own, and counted again.

use std::error::Error;
use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use policies::{Code, Method, Refusal};

use super::outbound::Again;
use super::pool::{Found, Key};
use super::{Lease, Outbound, Unanswered, broken_off, exchange, open};
use crate::door::Door;
use crate::record::Audited;

type Answered = (http::Response<Incoming>, Lease);

/// Whether a request may be sent once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    WhereNothingWasDone,
    /// It makes a key, or uses one up: who sends it twice may have two, or none.
    Never,
}

/// Sends a request and waits for the head of its answer. Where it has to be sent once more,
/// `audited` becomes the record of that.
pub(crate) async fn send(
    door: &Arc<Door>,
    audited: &mut Audited,
    outbound: Outbound,
    repeats: Repeats,
) -> Result<Answered, Refusal> {
    let again = if repeats == Repeats::WhereNothingWasDone { outbound.again() } else { None };
    let key = Key::of(audited.permit());
    let lost = match first(door, audited, &key, outbound).await {
        Ok(answered) => return Ok(answered),
        Err(lost) => lost,
    };
    let refusal = lost.unanswered.to_refusal(audited);
    let Some(again) = again.filter(|again| lost.allows(again, audited)) else { return Err(refusal) };
    let second = match audited.again(door).await {
        Some(Ok(second)) => second,
        Some(Err(_)) | None => return Err(refusal),
    };
    let why = format!("{}; it was sent once more, as number {}", lost.unanswered.in_words(), second.tally().seq().0);
    audited.tally().refuse(&Refusal::new(refusal.code, why));
    *audited = second;
    once_more(door, audited, key, again).await.inspect_err(|refusal| audited.tally().refuse(refusal))
}

/// A request that got no answer.
struct Lost {
    unanswered: Unanswered,
    /// Whether its connection had been used before.
    reused: bool,
}

/// A connection that turns out to be closed before anything was written is replaced by
/// another one.
async fn first(door: &Arc<Door>, audited: &Audited, key: &Key, mut outbound: Outbound) -> Result<Answered, Lost> {
    let refused = |refusal| Lost { unanswered: Unanswered::Refused(refusal), reused: false };
    let _opening = loop {
        let mut upstream = match door.pool.take(door, key, audited.permit()).await.map_err(refused)? {
            Found::Kept(upstream) => upstream,
            Found::Room(opening) => break opening,
        };
        match exchange(door, audited, &mut upstream, outbound).await {
            Ok(answer) => return Ok((answer, Lease::new(door.clone(), key.clone(), upstream))),
            Err(Unanswered::Unsent(unsent)) => outbound = *unsent,
            Err(unanswered) => return Err(Lost { unanswered, reused: true }),
        }
    };
    let mut upstream = open(door, key, audited.permit()).await.map_err(refused)?;
    match exchange(door, audited, &mut upstream, outbound).await {
        Ok(answer) => Ok((answer, Lease::new(door.clone(), key.clone(), upstream))),
        Err(unanswered) => Err(Lost { unanswered, reused: false }),
    }
}

async fn once_more(door: &Arc<Door>, audited: &Audited, key: Key, again: Again) -> Result<Answered, Refusal> {
    let mut upstream = open(door, &key, audited.permit()).await?;
    match exchange(door, audited, &mut upstream, again.outbound(audited.tally())).await {
        Ok(answer) => Ok((answer, Lease::new(door.clone(), key, upstream).for_once())),
        Err(unanswered) => Err(unanswered.to_refusal(audited)),
    }
}

impl Lost {
    /// Whether it may go once more, for all that is known of what became of it.
    fn allows(&self, again: &Again, first: &Audited) -> bool {
        let nothing_was_done = match &self.unanswered {
            Unanswered::NotDone | Unanswered::Unsent(_) => true,
            Unanswered::Ended => {
                let reads = matches!(first.permit().facts().method, Method::Get | Method::Head | Method::Options);
                self.reused && reads && !again.has_body()
            }
            Unanswered::Broken | Unanswered::Refused(_) => false,
        };
        // A leak in the body, or a policy that was tightened: then that is the answer.
        nothing_was_done && again.is_checked(first.tally()) && first.tally().refused().is_none()
    }
}

impl Unanswered {
    fn to_refusal(&self, audited: &Audited) -> Refusal {
        match self {
            Unanswered::Refused(refusal) => refusal.clone(),
            // A leak found in the body broke it off: that is the reason to give.
            _ => audited.tally().refused().unwrap_or_else(|| match self {
                Unanswered::NotDone | Unanswered::Unsent(_) => {
                    let why = format!("{}; it can be sent again", self.in_words());
                    Refusal::new(Code::UpstreamFailed, why)
                }
                _ => broken_off(),
            }),
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Unanswered::NotDone => "the host says that it did nothing of the request",
            Unanswered::Unsent(_) => "the connection ended before anything of the request was sent",
            _ => "the connection ended before the host answered",
        }
    }
}

/// What the end of a connection says that carries nothing else. `nothing_came`: not a byte.
pub(super) fn lost_alone(nothing_came: bool) -> Unanswered {
    if nothing_came { Unanswered::Ended } else { Unanswered::Broken }
}

/// What the end of a stream says, or of the line that it was on.
pub(super) fn lost_on_a_line(error: &hyper::Error) -> Unanswered {
    let source = error.source();
    if source.is_some_and(|source| source.is::<io::Error>()) {
        return Unanswered::Ended;
    }
    match source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        Some(error) if error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM) => {
            Unanswered::NotDone
        }
        // The library says so of the streams above the last one that the host took.
        Some(error) if error.is_go_away() && error.is_remote() => Unanswered::NotDone,
        _ => Unanswered::Broken,
    }
}
