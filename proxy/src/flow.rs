//! One request, top to bottom: read, judged, checked, written down, sent, returned.
//!
//! Each stage takes what the one before it made, and cannot be called without it:
//! `Request → Asked → Judged → Clean, Admitted, BodyJudged → Audited → answer`. Leaving a stage
//! out does not compile (`scripts/stages.sh` tries). What a stage judges by stands in the case and
//! the keys, which were taken when the request was read.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use policies::{Code, Facts, Method, Permit, Refusal};
use tokio::time::timeout;

use gate::{Arriving, Asked, Audited, BodyJudged, Case, Clean, Judged, Offer, Record};

use crate::answer;
use crate::body::{Body, Came, Lease, Opened, Outgoing, Returned, Returning};
use crate::credentials::{self, Placed};
use crate::door::Door;
use crate::keeper::{Keeper, Keys, Taking};
use crate::minted::{Minting, Said};
use crate::onward::Onward;
use crate::refresh::Ready;
use crate::renamed::FieldWatch;
use crate::room::{Room, SMALL, aside};
use crate::send::{Repeats, Sender};
use crate::{headers, internal, judge, minted, readable, refresh, renamed, websocket};
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
    let entered = record.enter()?;
    let asked = record.read(entered, case, &request, |facts| keys.keyring.path_to_show(facts))?;
    let asked = match whose(seen, asked, &request) {
        Whose::Ours(facts) => return internal::answer(door, seen, facts, request, record).await,
        Whose::Endpoint(facts) => return refresh::answer(door, seen, facts, request, record).await,
        Whose::Hosts(asked) => asked,
    };
    let room = HeadRoom::of(door, &asked, request.headers()).await;
    let judged = room.within(|| judge(seen, asked, request.headers()))?;
    let ready = refresh::ready(door, seen, judged.permit(), request.headers()).await?;
    let (mut clean, mut placed) = room.within(|| check(seen, &door.keeper, ready, &judged, request.headers()))?;
    drop(room);
    let admitted = door.gate.admit(case, &judged, &clean).await?;
    let (errand, body) = Errand::of(door, seen, &judged, &mut clean, &mut placed, request).await?;
    let (audited, head) = record.allow(judged, clean, body, admitted, placed.findings()).await?;
    let notes: Vec<String> = placed.notes().collect();
    let response = match errand {
        Errand::Upgrade(client, place) => {
            let (gate, keeper) = (door.gate.clone(), door.keeper.clone());
            let open = websocket::Open { gate, keeper, keys: keys.clone(), rooms: door.rooms.clone(), audited };
            websocket::open(open, head, placed, client, place, onward).await
        }
        Errand::Exchange(exchange) => exchange.perform(door, seen, (audited, head), placed, record).await,
    };
    Ok(headers::with_notes(response?, &notes))
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

/// What was read of a request that is for the host that it names.
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

/// A head that is longer is judged like a body that is unpacked: a few of a door's at a time,
/// and aside. What it is made of may take a thousand times as long as what browsers send.
const LONG_HEAD: usize = 4 << 10;

struct HeadRoom {
    long: bool,
    _room: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl HeadRoom {
    async fn of(door: &Door, ToHost(asked): &ToHost, headers: &HeaderMap) -> Self {
        let long = headers::length(headers) + asked.facts().path_and_query().len() > LONG_HEAD;
        HeadRoom { long, _room: if long { door.rooms.unpacked.clone().acquire_owned().await.ok() } else { None } }
    }

    fn within<T>(&self, judge: impl FnOnce() -> T) -> T {
        if self.long { aside(judge) } else { judge() }
    }
}

/// The verdict: no rule, no permit.
fn judge((case, keys): (&Case, &Keys), ToHost(asked): ToHost, headers: &HeaderMap) -> Result<Judged, Refusal> {
    gate::judge(case, asked, headers).map_err(|denied| judge::refusal(keys, headers, denied))
}

/// Headers by listed rules, then leak check, account pinning and the swap.
fn check(
    (case, keys): (&Case, &Keys),
    keeper: &Keeper,
    _: Ready,
    judged: &Judged,
    came: &HeaderMap,
) -> Result<(Clean, Placed), Refusal> {
    let facts = judged.permit().facts();
    let host = &facts.authority;
    gate::check(judged, came, |mut headers| {
        if keys.keyring.guards(host) {
            keeper.validators.iter().for_each(|validators| validators.unveil(&mut headers));
        }
        let checked = judge::check(keys, case.policy(), judged.permit(), headers)?;
        let (dressed, placed) = checked.put_on(facts, &*keeper.secrets)?;
        if let Some(name) = placed.credential().filter(|_| keeper.secrets.is_set_aside(&keys.who.group, host)) {
            let why = format!(
                "credential {name} is not put on at {host}: the host sent a secret back in pieces. The owner decides \
                 whether to trust it again: doorward secret trust {} {host}",
                keys.who.group
            );
            return Err(Refusal::new(Code::SecretUnavailable, why));
        }
        Ok((dressed, placed))
    })
}

/// What an allowed request is about.
enum Errand {
    /// Another protocol, once the host agrees.
    Upgrade(hyper::upgrade::OnUpgrade, websocket::Place),
    Exchange(Box<Exchange>),
}

/// A request with a body, if it has one, and an answer.
struct Exchange {
    /// What its host is asked to speak.
    offer: Offer,
    body: Came,
    /// What the body is packed with.
    look: Option<Look>,
    /// What looks at the names of its fields.
    fields: Option<FieldWatch>,
    /// What the answer brings, where that is a new key.
    minting: Option<(Minting, Said)>,
}

impl Errand {
    /// All that is to be known of the body before the request is stored.
    async fn of(
        door: &Door,
        seen: (&Case, &Keys),
        judged: &Judged,
        clean: &mut Clean,
        placed: &mut Placed,
        mut request: http::Request<Incoming>,
    ) -> Result<(Self, BodyJudged), Refusal> {
        let permit = judged.permit();
        if permit.facts().upgrade.is_some() {
            let (place, proof) = websocket::place(&door.rooms, judged, request.body())?;
            return Ok((Errand::Upgrade(hyper::upgrade::on(&mut request), place), proof));
        }
        let look = look(seen, request.headers())?;
        let (head, body) = request.into_parts();
        let offer = if head.version == Version::HTTP_2 { Offer::Either } else { Offer::Http1 };
        let empty = body.is_end_stream();
        let (mut body, proof) = judged_body(door, seen, judged, (clean, placed), body).await?;
        let fields = if empty { None } else { fields(seen, permit, &head.headers)? };
        let mut minting = None;
        if let Some(mints) = seen.1.keyring.mints(permit.facts(), placed.credential()) {
            let (read, said) = said(door, body).await?;
            body = read;
            minting = Some((mints, Said::new(permit.facts(), &head.headers, &said)?));
        }
        Ok((Errand::Exchange(Box::new(Exchange { offer, body, look, fields, minting })), proof))
    }
}

/// What the body is packed with, if it says so; refused where something is looked for
/// and it could not be found (attack J03).
fn look((case, keys): (&Case, &Keys), headers: &HeaderMap) -> Result<Option<Look>, Refusal> {
    if keys.watchlist.is_empty() && !case.policy().blocks_lookalikes() {
        return Ok(None);
    }
    Look::declared(headers).map(Some).map_err(|why| credentials::unreadable(&why))
}

/// What looks for fields of the body that ask for another method, where the policy would
/// refuse that one (attack G07), and for others that authenticate, where the host has a
/// credential (attack K08).
fn fields((case, keys): (&Case, &Keys), permit: &Permit, headers: &HeaderMap) -> Result<Option<FieldWatch>, Refusal> {
    let refusal = case.policy_now().refusal_of_other_methods(permit);
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
    judged: &Judged,
    (clean, placed): (&mut Clean, &mut Placed),
    body: Incoming,
) -> Result<(Came, BodyJudged), Refusal> {
    let permit = judged.permit();
    let for_keys = keys.keyring.body_limit(&permit.facts().authority);
    let limit = match (permit.body_conditions(), for_keys, BodyJudged::as_it_comes(judged)) {
        (_, None, Some(proof)) => return Ok((Came::Streaming(body), proof)),
        (conditions, for_keys, _) => conditions.map(|conditions| conditions.limit()).or(for_keys).unwrap_or(0),
    };
    let (body, slot) = Came::whole(&door.rooms, door.gate.limits().body_time, body, limit).await?;
    let (long, looking) = (body.len() > SMALL, keys.looking(case.policy().blocks_lookalikes()));
    let looking = (looking, &*door.keeper.secrets);
    let mut judge = || {
        let proof = BodyJudged::whole(judged, clean, &body)?;
        let swap = keys.keyring.place_in_body(permit, placed, clean.headers(), &body, looking)?;
        let written = swap.map(|swap| clean.put_in_body(&proof, &body, &swap)).transpose()?;
        Ok::<_, Refusal>((written, proof))
    };
    let (written, proof) = if long { aside(judge) } else { judge() }?;
    let swapped = written.is_some();
    Ok((Came::held(written.unwrap_or(body), swapped, Some(slot)), proof))
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
        self: Box<Self>,
        door: &Door,
        (case, keys): (&Case, &Keys),
        (mut audited, head): (Audited, gate::OutboundHead),
        placed: Placed,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let Exchange { offer, body, look, fields, minting } = *self;
        let unchecked = !matches!(body, Came::Whole { checked: true, .. }) && !body.is_end_stream();
        let taking = door.keeper.taking(placed, &audited.permit().facts().authority);
        let filter =
            if unchecked { keys.leak_filter(audited.permit(), case.policy().blocks_lookalikes()) } else { None };
        let filter = filter.map(|filter| filter.looking(look).within(Borders::going_up(head.headers())));
        let (keeper, who, authority) =
            (door.keeper.clone(), keys.who.clone(), audited.permit().facts().authority.clone());
        let refuse = Arc::new(move |stop: &_| keeper.keyring.now().stopped(&who, &authority, stop));
        let outgoing = Outgoing::new(body, refuse, audited.tally().clone())
            .checked(filter, Room::new(&door.rooms.unpacked))
            .watching(fields);
        let repeats = if minting.is_some() { Repeats::Never } else { Repeats::WhereNothingWasDone };
        let sender = Sender { gate: &door.gate, pool: &door.pool, case, offer };
        let (answer, lease) = sender.send(&mut audited, head.with(outgoing), repeats).await?;
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
    answer: http::Response<Arriving>,
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
