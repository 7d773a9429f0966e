//! One request, top to bottom: read, judged, checked, written down, sent, returned.
//!
//! Each stage takes what the one before it made, and cannot be called without it:
//! `Request → Facts → Permit → Placed → Audited → answer`. Leaving a stage out
//! does not compile.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, SET_COOKIE};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use policies::{Code, Facts, Method, Permit, Refusal, Verdict};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::answer;
use crate::body::{Body, Came, Opened, Outgoing, Returned};
use crate::connection::Connection;
use crate::credentials::{self, Head, Keyring, Placed};
use crate::door::Door;
use crate::packed::Look;
use crate::record::{Audited, Record};
use crate::renamed::FieldWatch;
use crate::room::{SMALL, aside};
use crate::scan::{Borders, FreshKeys, LeakFilter, Scrubber};
use crate::upstream::{self, Lease, Outbound, Repeats};
use crate::{headers, internal, minted, readable, refresh, renamed, request, second_path, websocket};

/// Answers one request, whatever becomes of it.
pub(crate) async fn handle(connection: &Connection, request: http::Request<Incoming>) -> Response<Body> {
    let mut record = Record::of(connection, &request);
    match pass(connection, request, &mut record).await {
        Ok(response) => response,
        Err(refusal) => {
            let facts = record.facts_to_show();
            answer::refused(record.refuse(refusal), facts.as_ref())
        }
    }
}

/// From the door to upstream and back, one line a stage.
async fn pass(
    connection: &Connection,
    request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    record.enter()?;
    let facts = request::read(connection.tunnel.as_ref(), &request)?;
    record.read(&facts);
    if internal::is_for(connection, &request) {
        return internal::answer(connection, facts, request, record).await;
    }
    if connection.door.keyring.load().token_endpoint(&facts).is_some() {
        return refresh::answer(connection, facts, request, record).await;
    }
    let long = headers::length(request.headers()) + facts.path_and_query().len() > LONG_HEAD;
    let room = if long { connection.door.unpacked.acquire().await.ok() } else { None };
    let permit = in_its_turn(long, || decide(connection, facts, request.headers()))?;
    refresh::ready(connection, &permit, request.headers()).await?;
    let mut placed = in_its_turn(long, || place(connection, &permit, &request))?;
    drop(room);
    request::refuse_dns(request.headers())?;
    admit(connection, &permit, &placed).await?;
    if permit.facts().upgrade.is_some() {
        return websocket::open(connection, permit, placed, request, record).await;
    }
    let look = look(connection, request.headers())?;
    let (head, body) = request.into_parts();
    let empty = body.is_end_stream();
    let mut body = judged_body(connection, &permit, &mut placed, body).await?;
    let fields = if empty { None } else { fields(connection, &permit, &head.headers)? };
    let minting = connection.door.keyring.load().mints(permit.facts(), placed.credential());
    let minting = match minting {
        None => None,
        Some(minting) => {
            let (read, said) = said(connection, body).await?;
            body = read;
            Some((minting, minted::Asked::new(permit.facts(), &head.headers, &said)?))
        }
    };
    let mut audited = record.allow(permit, &placed).await?;
    let notes: Vec<String> = placed.notes().collect();
    let (outbound, taking) = outbound(connection, &audited, placed, body, look, fields);
    let repeats = if minting.is_some() { Repeats::Never } else { Repeats::WhereNothingWasDone };
    let (answer, lease) = upstream::send(&connection.door, &mut audited, outbound, repeats).await?;
    record.follows(&audited);
    let response = match minting.filter(|_| answer.status().is_success()) {
        Some(minting) => minted::captured(connection, &audited, answer, taking.scrubber, lease, &minting).await,
        None => returned(connection, &audited, answer, taking, lease).await,
    };
    Ok(headers::with_notes(response?, &notes))
}

/// A head that is longer is judged like a body that is unpacked: a few of a door's at a time,
/// and aside. What it is made of may take a thousand times as long as what browsers send.
const LONG_HEAD: usize = 4 << 10;

fn in_its_turn<T>(long: bool, judge: impl FnOnce() -> T) -> T {
    if long { aside(judge) } else { judge() }
}

/// The verdict: no rule, no permit. A surrogate or secret on its way to a denied
/// host is a leak attempt before it is anything else: the owner is told, and no
/// line is suggested that would allow it (attack H01).
fn decide(connection: &Connection, facts: Facts, headers: &HeaderMap) -> Result<Permit, Refusal> {
    let door = &connection.door;
    let policy = door.policy.load();
    let policy = policy.at((door.gateway.now)());
    match policy.decide(facts) {
        Verdict::Allow(permit) => {
            second_path::judge(policy, permit.facts(), headers)?;
            Ok(permit)
        }
        Verdict::Deny(facts, refusal) => {
            let watchlist = door.gateway.secrets.watchlist();
            let head = Head::new(&facts, headers);
            Err(door
                .keyring
                .load()
                .leak_in(&door.identity, head, &watchlist)
                .unwrap_or_else(|| liftable(door, &facts, refusal)))
        }
    }
}

/// What would lift a refusal names no surrogate: it is another one tomorrow.
fn liftable(door: &Door, facts: &Facts, mut refusal: Refusal) -> Refusal {
    if let Some(path) = door.keyring.load().path_to_show(facts) {
        for line in &mut refusal.lift {
            *line = line.replace(facts.path.as_str(), path.as_str());
        }
    }
    refusal
}

/// Headers by listed rules, then leak check, account pinning and the swap.
fn place(connection: &Connection, permit: &Permit, request: &http::Request<Incoming>) -> Result<Placed, Refusal> {
    let door = &connection.door;
    headers::refuse_other_methods(request.headers(), permit.facts().method)?;
    let mut headers = headers::outgoing(request.headers());
    if door.keyring.load().guards(&permit.facts().authority) {
        door.validators.iter().for_each(|validators| validators.unveil(&mut headers));
    }
    let secrets = &*door.gateway.secrets;
    let placed = door.keyring.load().place(&door.identity, permit, headers, secrets, &secrets.watchlist())?;
    refuse_lookalikes(door, permit, &placed)?;
    let host = &permit.facts().authority;
    if let Some(name) = placed.credential().filter(|_| secrets.is_set_aside(&door.identity.group, host)) {
        let why = format!(
            "credential {name} is not put on at {host}: the host sent a secret back in pieces. The owner decides whether \
             to trust it again: doorward secret trust {} {host}",
            door.identity.group
        );
        return Err(Refusal::new(Code::SecretUnavailable, why));
    }
    Ok(placed)
}

/// What only looks like a secret is refused where the policy says so.
fn refuse_lookalikes(door: &Door, permit: &Permit, placed: &Placed) -> Result<(), Refusal> {
    match placed.lookalikes().first() {
        Some(finding) if door.policy.load().blocks_lookalikes() => {
            Err(door.keyring.load().misplaced(&door.identity, &permit.facts().authority, finding))
        }
        _ => Ok(()),
    }
}

/// What the group may use up over time.
async fn admit(connection: &Connection, permit: &Permit, placed: &Placed) -> Result<(), Refusal> {
    let by_wildcard = permit.by_wildcard().then(|| &permit.facts().authority.host);
    connection.door.admit(by_wildcard, placed.head_bytes()).await
}

/// What the body is packed with, if it says so; refused where something is looked for
/// and it could not be found (attack J03).
fn look(connection: &Connection, headers: &HeaderMap) -> Result<Option<Look>, Refusal> {
    let door = &connection.door;
    if door.gateway.secrets.watchlist().is_empty() && !door.policy.load().blocks_lookalikes() {
        return Ok(None);
    }
    Look::declared(headers).map(Some).map_err(|why| credentials::unreadable(&why))
}

/// What looks for fields of the body that ask for another method, where the policy would
/// refuse that one (attack G07), and for others that authenticate, where the host has a
/// credential (attack K08).
fn fields(connection: &Connection, permit: &Permit, headers: &HeaderMap) -> Result<Option<FieldWatch>, Refusal> {
    let door = &connection.door;
    let refusal = door.policy.load().at((door.gateway.now)()).refusal_of_other_methods(permit);
    let asking = refusal.map(|refusal| renamed::Look {
        is_one: Box::new(policies::field_asks),
        in_json: true,
        refusal: Box::new(move |_| refusal.clone()),
    });
    let foreign = door.keyring.load().foreign_field(&permit.facts().authority).map(|is_one| renamed::Look {
        is_one: Box::new(is_one),
        in_json: false,
        refusal: Box::new(credentials::foreign_field),
    });
    FieldWatch::of(headers, asking.into_iter().chain(foreign).collect())
}

/// Where a rule looks into the body, or a credential may stand in it, all of it is read
/// and judged before anything is sent; otherwise it goes by as it comes.
async fn judged_body(
    connection: &Connection,
    permit: &Permit,
    placed: &mut Placed,
    body: Incoming,
) -> Result<Came, Refusal> {
    let door = &connection.door;
    let conditions = permit.body_conditions();
    let limit = conditions.map(|conditions| conditions.limit());
    let Some(limit) = limit.or_else(|| door.keyring.load().body_limit(&permit.facts().authority)) else {
        return Ok(Came::Streaming(body));
    };
    let (body, slot) = whole(connection, body, limit).await?;
    if !body.is_empty() && !placed.says_json() {
        let why = "this body is judged as JSON in UTF-8, and its Content-Type says something else; \
                   send \"Content-Type: application/json\"";
        return Err(Refusal::new(Code::BodyUnreadable, why));
    }
    let secrets = &*door.gateway.secrets;
    let long = body.len() > SMALL;
    let judge = || {
        conditions.map_or(Ok(()), |conditions| conditions.check(&body))?;
        door.keyring.load().place_in_body(&door.identity, permit, placed, body, secrets, &secrets.watchlist())
    };
    let body = if long { aside(judge) } else { judge() }?;
    refuse_lookalikes(door, permit, placed)?;
    Ok(Came::held(body.bytes, body.checked, Some(slot)))
}

/// The body, and all of it to look at once the answer is there.
async fn said(connection: &Connection, body: Came) -> Result<(Came, Bytes), Refusal> {
    match body {
        Came::Streaming(body) => {
            let (said, slot) = whole(connection, body, minted::LONGEST_ASKED).await?;
            Ok((Came::held(said.clone(), false, Some(slot)), said))
        }
        Came::Whole { body: ref said, .. } => {
            let said = said.clone();
            Ok((body, said))
        }
    }
}

/// The right to hold a body in memory, for as long as it is held.
pub(crate) type Held = OwnedSemaphorePermit;

/// Reads a body whole. So many at a time: what one sandbox sends must not fill the
/// daemon's memory.
pub(crate) async fn whole(connection: &Connection, body: Incoming, limit: u64) -> Result<(Bytes, Held), Refusal> {
    let door = &connection.door;
    let reading = async {
        let slot = door.whole_bodies.clone().acquire_owned().await;
        let slot = slot.map_err(|_| Refusal::new(Code::Revoked, "the door was shut"))?;
        Came::whole(body, limit).await.map(|body| (body, slot))
    };
    timeout(door.gateway.limits.body_time, reading)
        .await
        .map_err(|_| Refusal::new(Code::Timeout, "the request's body did not arrive in time"))?
}

/// The request to send: what was judged, the headers with the secret put on, and
/// the body, checked as it goes by.
fn outbound(
    connection: &Connection,
    audited: &Audited,
    placed: Placed,
    body: Came,
    look: Option<Look>,
    fields: Option<FieldWatch>,
) -> (Outbound, Taking) {
    let door = connection.door.clone();
    let put_on = placed.base_credential().cloned();
    let (keyring, secrets) = (door.keyring.load_full(), &*door.gateway.secrets);
    let (headers, target, scrubber) = placed.into_parts_with(|put_on| {
        door.coming_back.scrubber(&keyring, &audited.permit().facts().authority, put_on, secrets)
    });
    let unchecked = !matches!(body, Came::Whole { checked: true, .. });
    let borders = Borders::going_up(&headers);
    let filter = leak_filter(&door, audited).filter(|_| unchecked);
    let filter = filter.map(|filter| filter.looking(look).within(borders));
    let authority = audited.permit().facts().authority.clone();
    let refuse = Arc::new(move |stop: &_| door.keyring.load().stopped(&door.identity, &authority, stop));
    (
        Outbound::new(headers, target, Outgoing::new(body, filter, refuse, audited.tally().clone()).watching(fields)),
        Taking { put_on, scrubber },
    )
}

/// What is to be taken off the answer, and the credential that was put on the request.
struct Taking {
    put_on: Option<Arc<str>>,
    scrubber: Option<Scrubber>,
}

/// What must not leave in a body; nothing to look for costs nothing.
pub(crate) fn leak_filter(door: &Door, audited: &Audited) -> Option<LeakFilter> {
    let watchlist = door.gateway.secrets.watchlist();
    let blocks = door.policy.load().blocks_lookalikes();
    let tolerated = Keyring::tolerates(&door.identity, audited.permit(), !blocks);
    (blocks || !watchlist.is_empty()).then(|| watchlist.filter().with_lookalikes().tolerating(tolerated))
}

/// The answer on its way back: headers by listed rules, and everything that was
/// put on taken off again.
async fn returned(
    connection: &Connection,
    audited: &Audited,
    answer: http::Response<Incoming>,
    Taking { put_on, mut scrubber }: Taking,
    lease: Lease,
) -> Result<Response<Body>, Refusal> {
    let status = answer.status();
    audited.tally().note(|outcome| outcome.status = Some(status.as_u16()));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new(Code::UpstreamUnreadable, "the host switched protocols without being asked"));
    }
    let facts = audited.permit().facts();
    let mut headers = headers::incoming(answer.headers());
    let mut fresh = None;
    let keyring = connection.door.keyring.load();
    if keyring.guards(&facts.authority) {
        headers.remove(SET_COOKIE);
        fresh = Some((FreshKeys::new(connection.door.gateway.secrets.watchlist()), keyring.handing(&facts.authority)));
    }
    drop(keyring);
    if let (StatusCode::UNAUTHORIZED, Some(name)) = (status, &put_on) {
        connection.door.gateway.secrets.rejected(name);
    }
    let mut opened = None;
    if let Some(scrubber) = &mut scrubber {
        // What has no body hides nothing in it.
        let opaque = audited.permit().opaque() || answer.body().is_end_stream();
        let reading = readable::by_head(status, answer.headers(), opaque)?;
        opened = Some(Opened::new(reading, scrubber));
        headers.remove(CONTENT_ENCODING);
        if facts.method != Method::Head {
            headers.remove(CONTENT_LENGTH);
        }
        headers = headers::without_names(headers, scrubber);
        headers::scrub(&mut headers, scrubber);
        without_validators(&connection.door, facts, answer.body(), &mut headers);
    }
    if let Some((_, handing)) = &mut fresh {
        for value in headers.values() {
            handing.push(value.as_bytes());
            handing.end();
        }
    }
    let borders = Borders::coming_down(answer.headers());
    let scrubber = scrubber.map(|scrubber| scrubber.within(borders));
    // It comes, whoever waits: what cannot be read by its first bytes is refused in words.
    let comes = opened.is_some() && answer.headers().contains_key(CONTENT_LENGTH);
    let mut body = Returned::new(answer.into_body(), opened, scrubber, fresh, audited.tally().clone(), lease);
    if comes
        && timeout(connection.door.gateway.limits.handshake_time, body.begin()).await.is_ok_and(|begun| begun.is_err())
    {
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

/// What a body adds up to is not told, nor an ETag of one: it may come back changed. What an
/// upload got for an ETag is needed as it is, in the body that ends it (S3), and has no body.
fn without_validators(door: &Door, facts: &Facts, body: &Incoming, headers: &mut HeaderMap) {
    let in_registry = facts.path.as_str().starts_with("/v2/");
    match &door.validators {
        _ if !facts.method.is_read() && body.is_end_stream() => headers::without_digests(headers, in_registry),
        Some(validators) => validators.veil(headers, in_registry),
        None => {
            headers::without_digests(headers, in_registry);
            headers.remove(ETAG);
        }
    }
}
