//! One request, top to bottom: read, judged, checked, recorded, sent, returned.
//!
//! Each stage takes the result of the one before, and cannot be called without it:
//! `Request → Asked → Judged → Clean, Admitted, BodyJudged → Audited → answer`. Leaving a stage out
//! does not compile (`scripts/stages.sh` tries). The policy and the credentials that a request is
//! judged by are in its case and its keys, which were taken when it was read.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use policies::{Code, Facts, Method, Refusal};
use tokio::time::timeout;

use gate::{Arriving, Asked, Audited, Case, Denied, Judged, Record};

use crate::answer;
use crate::asking::{self, Answered};
use crate::body::{Body, Came, Lease, Opened, Outgoing, Returned, Returning};
use crate::credentials::{IN_PARTS, Placed};
use crate::door::Door;
use crate::keeper::{Keeper, Keys, Taking};
use crate::onward::Onward;
use crate::prepared::{Errand, Exchange, HeadRoom, Prepared, Unsettled, Waiting, prepared};
use crate::room::Room;
use crate::send::{Repeats, Sender};
use crate::usage::Metered;
use crate::{headers, internal, minted, readable, refresh, websocket};
use scan::{Borders, FreshKeys};

/// Answers one request, whatever becomes of it. `onward`: the protocol that follows on its connection. Each part is
/// boxed, so that a request that waits long for the owner holds no memory for the parts before and after.
pub(crate) async fn handle(
    door: &Arc<Door>,
    case: Case,
    onward: &Onward,
    request: http::Request<Incoming>,
) -> Response<Body> {
    let mut record = Record::of(&door.gate, &case, &request);
    let keys = door.keeper.keys();
    let passed = Box::pin(pass(door, (&case, &keys), onward, request, &mut record)).await;
    let passed = match passed {
        Ok(Passed::Answered(response)) => Ok(response),
        Ok(Passed::Asks(waiting)) => Box::pin(asked(door, (&case, &keys), onward, *waiting, &mut record)).await,
        Err(refusal) => Err(refusal),
    };
    passed.unwrap_or_else(|refusal| {
        let facts = record.facts_to_show();
        let asked = facts.as_ref().map(|facts| (&door.identity().group, facts));
        answer::refused(record.refuse(refusal), asked)
    })
}

/// How far a request gets without the owner.
enum Passed {
    Answered(Response<Body>),
    /// The owner has to be asked.
    Asks(Box<Waiting>),
}

/// From the door to upstream and back, one line per stage; `sent` continues.
async fn pass(
    door: &Arc<Door>,
    seen: (&Case, &Keys),
    onward: &Onward,
    mut request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Passed, Refusal> {
    let (case, keys) = seen;
    let entered = record.enter()?;
    let asked = record.read(entered, case, &mut request, |facts| keys.keyring.path_to_show(facts))?;
    let asked = match whose(seen, asked, &request) {
        Whose::Ours(facts) => {
            return Box::pin(internal::answer(door, seen, facts, request, record)).await.map(Passed::Answered);
        }
        Whose::Endpoint(facts) => {
            return Box::pin(refresh::answer(door, seen, facts, request, record)).await.map(Passed::Answered);
        }
        Whose::Hosts(asked) => asked,
    };
    let room = HeadRoom::of(door, asked.0.facts(), request.headers()).await;
    let judged = room.within(|| judge(seen, asked, request.headers()));
    drop(room);
    let request = Came::with(request);
    let prepared = match judged {
        Ok(judged) => prepared(door, seen, judged, request, None).await,
        Err(denied) => Err(Unsettled::of(keys, denied, request)),
    };
    match prepared {
        Ok(prepared) => sent(door, seen, onward, prepared, record).await.map(Passed::Answered),
        Err(Unsettled::Asks(waiting)) => Ok(Passed::Asks(waiting)),
        Err(Unsettled::Refused(refusal)) => Err(refusal),
    }
}

/// Stores a prepared request as allowed, and sends it.
async fn sent(
    door: &Arc<Door>,
    seen: (&Case, &Keys),
    onward: &Onward,
    prepared: Prepared,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    let Prepared { judged, clean, placed, admitted, errand, body } = prepared;
    errand.reserved().into_iter().for_each(|tokens| record.reserves(tokens));
    let (audited, head) = record.allow(judged, clean, body, admitted, placed.findings()).await?;
    let notes: Vec<String> = placed.notes().collect();
    let response = match errand {
        Errand::Upgrade(client, place) => {
            let (gate, keeper) = (door.gate.clone(), door.keeper.clone());
            let open = websocket::Open { gate, keeper, keys: seen.1.clone(), rooms: door.rooms.clone(), audited };
            Box::pin(websocket::open(open, head, placed, client, place, onward)).await
        }
        Errand::Exchange(exchange) => Box::pin(exchange.perform(door, seen, (audited, head), placed, record)).await,
    };
    Ok(headers::with_notes(response?, &notes))
}

/// Waits for the owner's answer, and continues under what is in force then.
async fn asked(
    door: &Arc<Door>,
    seen: (&Case, &Keys),
    onward: &Onward,
    Waiting { ask, request, admitted }: Waiting,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    let Answered { case, keys, judged, request } = asking::until_answered(door, seen, ask, request, record).await?;
    let seen = (&case, &keys);
    let prepared = Box::pin(prepared(door, seen, judged, request, admitted)).await;
    Box::pin(sent(door, seen, onward, prepared.map_err(Unsettled::into_refusal)?, record)).await
}

/// Who answers a request.
enum Whose {
    /// The host itself, at its own name.
    Ours(Facts),
    /// The gateway, for a token endpoint.
    Endpoint(Facts),
    /// The host that it names.
    Hosts(ToHost),
}

/// A request for the host that it names, as it was read.
struct ToHost(Asked);

fn whose((case, keys): (&Case, &Keys), asked: Asked, request: &http::Request<Incoming>) -> Whose {
    if internal::is_for(case, request) {
        Whose::Ours(asked.into_facts())
    } else if keys.keyring.token_endpoint(asked.facts()).is_some() {
        Whose::Endpoint(asked.into_facts())
    } else {
        Whose::Hosts(ToHost(asked))
    }
}

/// The verdict: no rule, no permit.
fn judge((case, _): (&Case, &Keys), ToHost(asked): ToHost, headers: &HeaderMap) -> Result<Judged, Denied> {
    gate::judge(case, asked, headers)
}

impl Exchange {
    /// Sends the request, and returns the answer as the sandbox may have it.
    async fn perform(
        self: Box<Self>,
        door: &Door,
        (case, keys): (&Case, &Keys),
        (mut audited, head): (Audited, gate::OutboundHead),
        placed: Placed,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let Exchange { offer, body, look, fields, minting, asked, mut metered } = *self;
        if let Some(metered) = &mut metered {
            metered.goes_out(audited.tally());
        }
        let unchecked = !matches!(body, Came::Whole { checked: true, .. }) && !body.is_end_stream();
        let authority = audited.permit().facts().authority.clone();
        let taking = door.keeper.taking(placed, &authority);
        let filter =
            if unchecked { keys.leak_filter(audited.permit(), case.policy().blocks_lookalikes()) } else { None };
        let borders = Borders::going_up(head.headers());
        let filter = filter.map(|filter| filter.looking(look).within(borders));
        let (keeper, who) = (door.keeper.clone(), keys.who.clone());
        let refuse = Arc::new(move |stop: &_, in_parts: bool| {
            let keyring = keeper.keyring.now();
            keyring.stopped(&who, &authority, stop, in_parts.then_some(IN_PARTS))
        });
        let outgoing = Outgoing::new(body, refuse, audited.tally().clone())
            .checked(filter, Room::new(&door.rooms.unpacked))
            .watching(fields);
        let repeats = if minting.is_some() || asked { Repeats::Never } else { Repeats::WhereNothingWasDone };
        let sender = Sender { gate: &door.gate, pool: &door.pool, case, offer };
        let (answer, lease) = sender.send(&mut audited, head.with(outgoing), repeats).await?;
        record.follows(&audited);
        audited.tally().answered(answer.status().as_u16());
        match minting.filter(|_| answer.status().is_success()) {
            Some(minting) => {
                let (keeper, time) = ((&*door.keeper, &keys.who), door.gate.limits().body_time);
                minted::captured(keeper, time, &audited, answer, taking.scrubber, lease, &minting).await
            }
            None => returned(door, &audited, answer, taking, (lease, metered)).await,
        }
    }
}

/// The answer on its way back: headers by listed rules, and every secret that was put on removed.
async fn returned(
    door: &Door,
    audited: &Audited,
    answer: http::Response<Arriving>,
    Taking { put_on, mut scrubber }: Taking,
    (lease, mut metered): (Lease, Option<Metered>),
) -> Result<Response<Body>, Refusal> {
    let status = answer.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new(Code::UpstreamUnreadable, "the host switched protocols without being asked"));
    }
    readable::transferred(answer.headers())?;
    let (facts, keeper) = (audited.permit().facts(), &door.keeper);
    if let (StatusCode::UNAUTHORIZED, Some(name)) = (status, &put_on) {
        keeper.secrets.rejected(name);
    }
    let mut opened = None;
    if let Some(scrubber) = &scrubber {
        // An answer without a body hides nothing in it.
        let opaque = audited.permit().opaque() || answer.body().is_end_stream();
        opened = Some(Opened::new(readable::by_head(status, answer.headers(), opaque)?, scrubber));
    }
    let guard = keeper.keyring.now().guard_of(&facts.authority);
    let mut headers = headers::returning(answer.headers(), guard.is_none(), &mut scrubber);
    if scrubber.is_some() {
        // If no coding had to be undone.
        if readable::coding(answer.headers()).is_ok() {
            headers.remove(CONTENT_ENCODING);
        }
        headers::without_lengths(&mut headers, facts.method == Method::Head && readable::is_as_long(answer.headers()));
        without_validators(keeper, facts, answer.body(), &mut headers);
    }
    let mut fresh = guard.map(|handing| (FreshKeys::new(keeper.secrets.watchlist()), handing));
    if let Some((_, handing)) = &mut fresh {
        for value in headers.values() {
            handing.push(value.as_bytes());
            handing.end();
        }
    }
    if let Some(metered) = &mut metered {
        metered.answered(status, answer.headers(), opened.is_some());
    }
    let borders = Borders::coming_down(answer.headers());
    let scrubber = scrubber.map(|scrubber| scrubber.within(borders));
    // It is polled before the client asks for it: if its first bytes cannot be read, the refusal can still have words.
    let comes = opened.is_some() && answer.headers().contains_key(CONTENT_LENGTH);
    let (room, keeper, host) = (Room::new(&door.rooms.unpacked_down), keeper.clone(), facts.authority.clone());
    let in_pieces = Box::new(move || keeper.set_aside(&host));
    let returning = Returning { opened, room, scrubber, fresh, metered, in_pieces };
    let mut body = Returned::new(answer.into_body(), returning, audited.tally().clone(), lease);
    if comes && timeout(door.gate.limits().handshake_time, body.begin()).await.is_ok_and(|begun| begun.is_err()) {
        return Err(audited
            .tally()
            .refused()
            .unwrap_or_else(|| Refusal::new(Code::UpstreamFailed, "the answer broke off")));
    }
    let mut response = Response::new(Body::Returned(Box::new(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Removes digests and replaces a body's ETag: the body may come back changed. An upload's ETag comes
/// without a body and is needed as it is, in the body of the request that completes it (S3).
fn without_validators(keeper: &Keeper, facts: &Facts, body: &Arriving, headers: &mut HeaderMap) {
    let in_registry = facts.path.as_str().starts_with("/v2/");
    match &keeper.validators {
        _ if !facts.method.is_read() && body.is_end_stream() => headers::without_digests(headers, in_registry),
        Some(validators) => validators.veil(headers, in_registry),
        None => {
            headers::without_digests(headers, in_registry);
            headers.remove(ETAG);
        }
    }
}
