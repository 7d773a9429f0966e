//! One request, top to bottom: read, judged, checked, written down, sent, returned.
//!
//! Each stage takes what the one before it made, and cannot be called without it:
//! `Request → Facts → Permit → Placed → Audited → answer`. What a stage judges by stands in the
//! case and the keys, which were taken when the request was read.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use policies::{Code, Facts, Method, Permit, Refusal};
use tokio::time::timeout;

use crate::answer;
use crate::body::{Body, Came, Lease, Opened, Outgoing, Returned, Returning};
use crate::credentials::{self, Head, Placed};
use crate::door::Door;
use crate::gate::Case;
use crate::judge::{Denied, judge};
use crate::keeper::{Keeper, Keys, Taking};
use crate::minted::{Asked, Minting};
use crate::onward::Onward;
use crate::outbound::Outbound;
use crate::record::{self, Audited, Record};
use crate::renamed::FieldWatch;
use crate::room::{Room, SMALL, aside};
use crate::send::{Repeats, Sender};
use crate::{headers, internal, minted, readable, refresh, renamed, request, websocket};
use scan::packed::Look;
use scan::{Borders, FreshKeys};

/// Answers one request, whatever becomes of it. `onward`: what its connection goes on with.
pub(crate) async fn handle(
    door: &Arc<Door>,
    case: Case,
    onward: &Onward,
    request: http::Request<Incoming>,
) -> Response<Body> {
    let mut record = Record::of(&door.gate, &case, &request);
    match pass(door, (&case, &door.keeper.keys()), onward, request, &mut record).await {
        Ok(response) => response,
        Err(refusal) => {
            let facts = record.facts_to_show();
            answer::refused(record.refuse(refusal), facts.as_ref())
        }
    }
}

/// From the door to upstream and back, one line a stage.
async fn pass(
    door: &Arc<Door>,
    seen: (&Case, &Keys),
    onward: &Onward,
    request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    let (case, keys) = seen;
    record.enter()?;
    let facts = request::read(case.within.as_deref(), &request)?;
    record.read(&facts, keys.keyring.path_to_show(&facts));
    if internal::is_for(case, &request) {
        return internal::answer(door, seen, facts, request, record).await;
    }
    if keys.keyring.token_endpoint(&facts).is_some() {
        return refresh::answer(door, seen, facts, request, record).await;
    }
    let long = headers::length(request.headers()) + facts.path_and_query().len() > LONG_HEAD;
    let room = if long { door.rooms.unpacked.acquire().await.ok() } else { None };
    let permit = in_its_turn(long, || judged(seen, facts, request.headers()))?;
    refresh::ready(door, seen, &permit, request.headers()).await?;
    let mut placed = in_its_turn(long, || place(seen, &door.keeper, &permit, request.headers()))?;
    drop(room);
    request::refuse_dns(request.headers())?;
    admit(door, case, &permit, &placed).await?;
    let errand = Errand::of(door, seen, &permit, &mut placed, request).await?;
    let audited = record.allow(permit, head(&placed)).await?;
    let notes: Vec<String> = placed.notes().collect();
    let response = match errand {
        Errand::Upgrade(client, place) => {
            let (gate, keeper) = (door.gate.clone(), door.keeper.clone());
            let open = websocket::Open { gate, keeper, keys: keys.clone(), rooms: door.rooms.clone(), audited };
            websocket::open(open, placed, client, place, onward).await
        }
        Errand::Exchange(exchange) => exchange.perform(door, seen, audited, placed, record).await,
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
fn judged((case, keys): (&Case, &Keys), facts: Facts, headers: &HeaderMap) -> Result<Permit, Refusal> {
    judge(case, facts, headers).map_err(|denied| match denied {
        Denied::ByHeader(refusal) => refusal,
        Denied::ByPolicy(facts, refusal) => {
            let leak = keys.keyring.leak_in(&keys.who, Head::new(&facts, headers), &keys.watchlist);
            leak.unwrap_or_else(|| liftable(keys, &facts, refusal))
        }
    })
}

/// What would lift a refusal names no surrogate: it is another one tomorrow.
fn liftable(keys: &Keys, facts: &Facts, mut refusal: Refusal) -> Refusal {
    if let Some(path) = keys.keyring.path_to_show(facts) {
        for line in &mut refusal.lift {
            *line = line.replace(facts.path.as_str(), path.as_str());
        }
    }
    refusal
}

/// Headers by listed rules, then leak check, account pinning and the swap.
fn place((case, keys): (&Case, &Keys), keeper: &Keeper, permit: &Permit, came: &HeaderMap) -> Result<Placed, Refusal> {
    headers::refuse_other_methods(came, permit.facts().method)?;
    let mut headers = headers::outgoing(came);
    let host = &permit.facts().authority;
    if keys.keyring.guards(host) {
        keeper.validators.iter().for_each(|validators| validators.unveil(&mut headers));
    }
    let placed = keys.keyring.place(&keys.who, permit, headers, &*keeper.secrets, &keys.watchlist)?;
    refuse_lookalikes((case, keys), permit, &placed)?;
    if let Some(name) = placed.credential().filter(|_| keeper.secrets.is_set_aside(&keys.who.group, host)) {
        let why = format!(
            "credential {name} is not put on at {host}: the host sent a secret back in pieces. The owner decides whether \
             to trust it again: doorward secret trust {} {host}",
            keys.who.group
        );
        return Err(Refusal::new(Code::SecretUnavailable, why));
    }
    Ok(placed)
}

/// What only looks like a secret is refused where the policy says so.
fn refuse_lookalikes((case, keys): (&Case, &Keys), permit: &Permit, placed: &Placed) -> Result<(), Refusal> {
    match placed.lookalikes().first() {
        Some(finding) if case.policy.blocks_lookalikes() => {
            Err(keys.keyring.misplaced(&keys.who, &permit.facts().authority, finding))
        }
        _ => Ok(()),
    }
}

/// What the group may use up over time.
async fn admit(door: &Door, case: &Case, permit: &Permit, placed: &Placed) -> Result<(), Refusal> {
    let by_wildcard = permit.by_wildcard().then(|| &permit.facts().authority.host);
    door.gate.admit(case, by_wildcard, placed.head_bytes()).await
}

/// What the log has of the head.
fn head(placed: &Placed) -> record::Head {
    record::Head {
        bytes: placed.head_bytes(),
        credential: placed.credential().cloned(),
        swap: placed.place(),
        findings: placed.findings(),
    }
}

/// What an allowed request is about.
enum Errand {
    /// Another protocol, once the host agrees.
    Upgrade(hyper::upgrade::OnUpgrade, websocket::Place),
    Exchange(Exchange),
}

/// A request with a body, if it has one, and an answer.
struct Exchange {
    body: Came,
    /// What the body is packed with.
    look: Option<Look>,
    /// What looks at the names of its fields.
    fields: Option<FieldWatch>,
    /// What the answer brings, where that is a new key.
    minting: Option<(Minting, Asked)>,
}

impl Errand {
    /// All that is to be known of the body before the request is stored.
    async fn of(
        door: &Door,
        seen: (&Case, &Keys),
        permit: &Permit,
        placed: &mut Placed,
        mut request: http::Request<Incoming>,
    ) -> Result<Self, Refusal> {
        if permit.facts().upgrade.is_some() {
            let place = websocket::place(&door.rooms, permit, request.body())?;
            return Ok(Errand::Upgrade(hyper::upgrade::on(&mut request), place));
        }
        let look = look(seen, request.headers())?;
        let (head, body) = request.into_parts();
        let empty = body.is_end_stream();
        let mut body = judged_body(door, seen, permit, placed, body).await?;
        let fields = if empty { None } else { fields(seen, permit, &head.headers)? };
        let mut minting = None;
        if let Some(mints) = seen.1.keyring.mints(permit.facts(), placed.credential()) {
            let (read, said) = said(door, body).await?;
            body = read;
            minting = Some((mints, Asked::new(permit.facts(), &head.headers, &said)?));
        }
        Ok(Errand::Exchange(Exchange { body, look, fields, minting }))
    }
}

/// What the body is packed with, if it says so; refused where something is looked for
/// and it could not be found (attack J03).
fn look((case, keys): (&Case, &Keys), headers: &HeaderMap) -> Result<Option<Look>, Refusal> {
    if keys.watchlist.is_empty() && !case.policy.blocks_lookalikes() {
        return Ok(None);
    }
    Look::declared(headers).map(Some).map_err(|why| credentials::unreadable(&why))
}

/// What looks for fields of the body that ask for another method, where the policy would
/// refuse that one (attack G07), and for others that authenticate, where the host has a
/// credential (attack K08).
fn fields((case, keys): (&Case, &Keys), permit: &Permit, headers: &HeaderMap) -> Result<Option<FieldWatch>, Refusal> {
    let refusal = case.policy.refusal_of_other_methods(permit, case.today);
    let asking = refusal.map(|refusal| renamed::Look {
        is_one: Box::new(policies::field_asks),
        in_json: true,
        refusal: Box::new(move |_, _| refusal.clone()),
    });
    let foreign = keys.keyring.foreign_field(&permit.facts().authority);
    FieldWatch::of(headers, asking.into_iter().chain(foreign).collect())
}

/// Where a rule looks into the body, or a credential may stand in it, all of it is read
/// and judged before anything is sent; otherwise it goes by as it comes.
async fn judged_body(
    door: &Door,
    (case, keys): (&Case, &Keys),
    permit: &Permit,
    placed: &mut Placed,
    body: Incoming,
) -> Result<Came, Refusal> {
    let conditions = permit.body_conditions();
    let limit = conditions.map(|conditions| conditions.limit());
    let Some(limit) = limit.or_else(|| keys.keyring.body_limit(&permit.facts().authority)) else {
        return Ok(Came::Streaming(body));
    };
    let (body, slot) = Came::whole(&door.rooms, door.gate.limits().body_time, body, limit).await?;
    if !body.is_empty() && !placed.says_json() {
        let why = "this body is judged as JSON in UTF-8, and its Content-Type says something else; \
                   send \"Content-Type: application/json\"";
        return Err(Refusal::new(Code::BodyUnreadable, why));
    }
    let (secrets, long) = (&*door.keeper.secrets, body.len() > SMALL);
    let judge = || {
        conditions.map_or(Ok(()), |conditions| conditions.check(&body))?;
        keys.keyring.place_in_body(&keys.who, permit, placed, body, secrets, &keys.watchlist)
    };
    let body = in_its_turn(long, judge)?;
    refuse_lookalikes((case, keys), permit, placed)?;
    Ok(Came::held(body.bytes, body.checked, Some(slot)))
}

/// The body, and all of it to look at once the answer is there.
async fn said(door: &Door, body: Came) -> Result<(Came, Bytes), Refusal> {
    match body {
        Came::Streaming(body) => {
            let time = door.gate.limits().body_time;
            let (said, slot) = Came::whole(&door.rooms, time, body, minted::LONGEST_ASKED).await?;
            Ok((Came::held(said.clone(), false, Some(slot)), said))
        }
        Came::Whole { body: ref said, .. } => {
            let said = said.clone();
            Ok((body, said))
        }
    }
}

impl Exchange {
    /// Sends it, and gives the answer as the sandbox may have it.
    async fn perform(
        self,
        door: &Door,
        (case, keys): (&Case, &Keys),
        mut audited: Audited,
        placed: Placed,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let Exchange { body, look, fields, minting } = self;
        let unchecked = !matches!(body, Came::Whole { checked: true, .. });
        let (headers, target, taking) = door.keeper.part(placed, &audited.permit().facts().authority);
        let filter = keys.leak_filter(audited.permit(), case.policy.blocks_lookalikes()).filter(|_| unchecked);
        let filter = filter.map(|filter| filter.looking(look).within(Borders::going_up(&headers)));
        let (keeper, who, authority) =
            (door.keeper.clone(), keys.who.clone(), audited.permit().facts().authority.clone());
        let refuse = Arc::new(move |stop: &_| keeper.keyring.now().stopped(&who, &authority, stop));
        let outgoing = Outgoing::new(body, refuse, audited.tally().clone())
            .checked(filter, Room::new(&door.rooms.unpacked))
            .watching(fields);
        let repeats = if minting.is_some() { Repeats::Never } else { Repeats::WhereNothingWasDone };
        let sender = Sender { gate: &door.gate, pool: &door.pool, case };
        let (answer, lease) = sender.send(&mut audited, Outbound::new(headers, target, outgoing), repeats).await?;
        record.follows(&audited);
        audited.tally().answered(answer.status().as_u16());
        match minting.filter(|_| answer.status().is_success()) {
            Some(minting) => {
                let (keeper, time) = ((&*door.keeper, &keys.who), door.gate.limits().body_time);
                minted::captured(keeper, time, &audited, answer, taking.scrubber, lease, &minting).await
            }
            None => returned(door, &audited, answer, taking, lease).await,
        }
    }
}

/// The answer on its way back: headers by listed rules, and everything that was
/// put on taken off again.
async fn returned(
    door: &Door,
    audited: &Audited,
    answer: http::Response<Incoming>,
    Taking { put_on, mut scrubber }: Taking,
    lease: Lease,
) -> Result<Response<Body>, Refusal> {
    let status = answer.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new(Code::UpstreamUnreadable, "the host switched protocols without being asked"));
    }
    let (facts, keeper) = (audited.permit().facts(), &door.keeper);
    if let (StatusCode::UNAUTHORIZED, Some(name)) = (status, &put_on) {
        keeper.secrets.rejected(name);
    }
    let mut opened = None;
    if let Some(scrubber) = &scrubber {
        // What has no body hides nothing in it.
        let opaque = audited.permit().opaque() || answer.body().is_end_stream();
        opened = Some(Opened::new(readable::by_head(status, answer.headers(), opaque)?, scrubber));
    }
    let guard = keeper.keyring.now().guard_of(&facts.authority);
    let mut headers = headers::returning(answer.headers(), guard.is_none(), &mut scrubber);
    if scrubber.is_some() {
        headers.remove(CONTENT_ENCODING);
        if facts.method != Method::Head {
            headers.remove(CONTENT_LENGTH);
        }
        without_validators(keeper, facts, answer.body(), &mut headers);
    }
    let mut fresh = guard.map(|handing| (FreshKeys::new(keeper.secrets.watchlist()), handing));
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
    let (room, keeper, host) = (Room::new(&door.rooms.unpacked_down), keeper.clone(), facts.authority.clone());
    let in_pieces = Box::new(move || keeper.set_aside(&host));
    let returning = Returning { opened, room, scrubber, fresh, in_pieces };
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

/// What a body adds up to is not told, nor an ETag of one: it may come back changed. What an
/// upload got for an ETag is needed as it is, in the body that ends it (S3), and has no body.
fn without_validators(keeper: &Keeper, facts: &Facts, body: &Incoming, headers: &mut HeaderMap) {
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
