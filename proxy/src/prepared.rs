//! The preparation of a request before it is stored as allowed, one line per stage: its credential,
//! the outgoing head, the reservation for a model, its body. If the owner has to be asked because
//! of the body, preparation starts over with the answer.

use std::sync::Arc;

use bytes::Bytes;
use gate::audit::Tokens;
use gate::{Admitted, BodyJudged, Case, Clean, Denied, Judged, Offer};
use http::{HeaderMap, Version};
use policies::{Ask, AskedBy, Code, Facts, Permit, Refusal, Searched, Unfit};

use crate::body::Came;
use crate::credentials::{self, Placed};
use crate::door::Door;
use crate::keeper::{Keeper, Keys};
use crate::minted::{Minting, Said};
use crate::refresh::Ready;
use crate::renamed::FieldWatch;
use crate::room::{SMALL, aside};
use crate::usage::Metered;
use crate::{charset, headers, judge, minted, refresh, renamed, usage, websocket};
use scan::packed::Look;

/// Everything needed before a request is stored as allowed.
pub(crate) struct Prepared {
    pub(crate) judged: Judged,
    pub(crate) clean: Clean,
    pub(crate) placed: Placed,
    pub(crate) admitted: Admitted,
    pub(crate) errand: Errand,
    pub(crate) body: BodyJudged,
}

/// From the verdict to what is stored, one line per stage. `admitted`: set if the owner was asked.
pub(crate) async fn prepared(
    door: &Arc<Door>,
    seen: (&Case, &Keys),
    judged: Judged,
    request: http::Request<Came>,
    admitted: Option<Admitted>,
) -> Result<Prepared, Unsettled> {
    let room = HeadRoom::of(door, judged.permit().facts(), request.headers()).await;
    let ready = refresh::ready(door, seen, judged.permit(), request.headers()).await?;
    let (mut clean, mut placed) = room.within(|| check(seen, &door.keeper, ready, &judged, request.headers()))?;
    drop(room);
    let admitted = admitted_once(door, seen, &judged, &clean, admitted).await?;
    match Errand::of(door, seen, &judged, &mut clean, &mut placed, request).await {
        Ok((errand, body)) => Ok(Prepared { judged, clean, placed, admitted, errand, body }),
        Err(Unfitting::Refused(refusal)) => Err(refusal.into()),
        Err(Unfitting::Asks(by, request)) => {
            let (ask, admitted) = (judged.into_ask(by), Some(admitted));
            Err(Unsettled::Asks(Box::new(Waiting { ask, request, admitted })))
        }
    }
}

async fn admitted_once(
    door: &Door,
    (case, _): (&Case, &Keys),
    judged: &Judged,
    clean: &Clean,
    admitted: Option<Admitted>,
) -> Result<Admitted, Refusal> {
    match admitted {
        Some(admitted) => Ok(admitted),
        None => door.gate.admit(case, judged, clean).await,
    }
}

/// Why a request is not prepared.
pub(crate) enum Unsettled {
    Refused(Refusal),
    Asks(Box<Waiting>),
}

/// A request whose owner has to be asked.
pub(crate) struct Waiting {
    pub(crate) ask: Box<Ask>,
    pub(crate) request: http::Request<Came>,
    pub(crate) admitted: Option<Admitted>,
}

impl Unsettled {
    pub(crate) fn of(keys: &Keys, denied: Denied, request: http::Request<Came>) -> Self {
        match denied {
            Denied::Asks(ask) => Unsettled::Asks(Box::new(Waiting { ask, request, admitted: None })),
            denied => Unsettled::Refused(judge::refusal(keys, request.headers(), denied)),
        }
    }

    /// The owner is not asked twice about one request.
    pub(crate) fn into_refusal(self) -> Refusal {
        match self {
            Unsettled::Refused(refusal) => refusal,
            Unsettled::Asks(waiting) => waiting.ask.by().unanswered(),
        }
    }
}

impl From<Refusal> for Unsettled {
    fn from(refusal: Refusal) -> Self {
        Unsettled::Refused(refusal)
    }
}

/// A longer head is judged like a body that is unpacked: a few at a time per door, and aside.
/// Hostile content may take a thousand times as long as what browsers send.
const LONG_HEAD: usize = 4 << 10;

pub(crate) struct HeadRoom {
    long: bool,
    _room: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl HeadRoom {
    pub(crate) async fn of(door: &Door, facts: &Facts, headers: &HeaderMap) -> Self {
        let long = headers::length(headers) + facts.path_and_query().len() > LONG_HEAD;
        HeadRoom { long, _room: if long { door.rooms.unpacked.clone().acquire_owned().await.ok() } else { None } }
    }

    pub(crate) fn within<T>(&self, judge: impl FnOnce() -> T) -> T {
        if self.long { aside(judge) } else { judge() }
    }
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

/// The purpose of an allowed request.
pub(crate) enum Errand {
    /// A switch of protocol, once the host agrees.
    Upgrade(hyper::upgrade::OnUpgrade, websocket::Place),
    Exchange(Box<Exchange>),
}

/// A request, its body if it has one, and an answer.
pub(crate) struct Exchange {
    /// The protocols that the host is offered.
    pub(crate) offer: Offer,
    pub(crate) body: Came,
    /// How the body is packed.
    pub(crate) look: Option<Look>,
    /// The check of its field names.
    pub(crate) fields: Option<FieldWatch>,
    /// What to find in the answer, if it brings a new key.
    pub(crate) minting: Option<(Minting, Said)>,
    /// Whether the owner was asked: a yes is for sending once.
    pub(crate) asked: bool,
    /// The metering of a model.
    pub(crate) metered: Option<Metered>,
}

impl Errand {
    /// Everything that must be known about the body before the request is stored.
    async fn of(
        door: &Door,
        seen: (&Case, &Keys),
        judged: &Judged,
        clean: &mut Clean,
        placed: &mut Placed,
        mut request: http::Request<Came>,
    ) -> Result<(Self, BodyJudged), Unfitting<http::Request<Came>>> {
        let permit = judged.permit();
        if permit.facts().upgrade.is_some() {
            usage::refuse_uncounted(seen.0, permit)?;
            let (place, proof) = websocket::place(&door.rooms, judged, request.body())?;
            return Ok((Errand::Upgrade(hyper::upgrade::on(&mut request), place), proof));
        }
        let look = look(seen, request.headers())?;
        let (head, body) = request.into_parts();
        let offer = if head.version == Version::HTTP_2 { Offer::Either } else { Offer::Http1 };
        let empty = body.is_end_stream();
        let (mut body, proof) = match judged_body(door, seen, judged, (clean, placed), body).await {
            Ok(judged) => judged,
            Err(unfitting) => return Err(unfitting.map(|body| http::Request::from_parts(head, body))),
        };
        let fields = fields(seen, permit, &head.headers, !empty)?;
        let mut minting = None;
        if let Some(mints) = seen.1.keyring.mints(permit.facts(), placed.credential()) {
            let (read, said) = said(door, body).await?;
            body = read;
            minting = Some((mints, Said::new(permit.facts(), &head.headers, &said)?));
        }
        let asked = proof.granted().is_some();
        let (metered, body) = metered(door, seen, permit, body).await?;
        Ok((Errand::Exchange(Box::new(Exchange { offer, body, look, fields, minting, asked, metered })), proof))
    }

    /// The most that a model may use for it.
    pub(crate) fn reserved(&self) -> Option<&Tokens> {
        match self {
            Errand::Upgrade(..) => None,
            Errand::Exchange(exchange) => exchange.metered.as_ref().map(Metered::reserved),
        }
    }
}

/// The coding of the body, if it names one; refused if a search in the body would be impossible
/// (attack J03).
pub(crate) fn look((case, keys): (&Case, &Keys), headers: &HeaderMap) -> Result<Option<Look>, Refusal> {
    if keys.watchlist.is_empty() && !case.policy().blocks_lookalikes() {
        return Ok(None);
    }
    Look::declared(headers).map(Some).map_err(|why| credentials::unreadable(&why))
}

/// The check for body fields that ask for another method, if the policy would refuse that one
/// (attack G07), and for fields that authenticate, if the host has a credential (attack K08).
fn fields(
    (case, keys): (&Case, &Keys),
    permit: &Permit,
    headers: &HeaderMap,
    body: bool,
) -> Result<Option<FieldWatch>, Refusal> {
    let sent = renamed::Sent { query: permit.facts().query.is_some(), body };
    if !(sent.body || sent.query && charset::of_request(headers).is_some()) {
        return Ok(None);
    }
    let refusal = case.policy_now().refusal_of_other_methods(permit);
    if body {
        let lookalikes = case.policy().blocks_lookalikes();
        permit.searches(Searched { other_methods: refusal.is_some(), lookalikes });
    }
    let asking = refusal.map(|refusal| renamed::Look {
        is_one: Box::new(policies::field_asks),
        in_json: true,
        refusal: Box::new(move |_, _| refusal.clone()),
    });
    let foreign = keys.keyring.foreign_field(&permit.facts().authority);
    FieldWatch::of(headers, sent, asking.into_iter().chain(foreign).collect())
}

/// If a rule looks into the body, or it may hold a credential, it is read and judged completely
/// before anything is sent; otherwise it is streamed.
async fn judged_body(
    door: &Door,
    (case, keys): (&Case, &Keys),
    judged: &Judged,
    (clean, placed): (&mut Clean, &mut Placed),
    body: Came,
) -> Result<(Came, BodyJudged), Unfitting<Came>> {
    let permit = judged.permit();
    let for_keys = keys.keyring.body_limit(&permit.facts().authority);
    let limit = match (permit.body_conditions(), for_keys, BodyJudged::as_it_comes(judged)) {
        (_, None, Some(proof)) => return Ok((body, proof)),
        (conditions, for_keys, _) => conditions.map(|conditions| conditions.limit()).or(for_keys).unwrap_or(0),
    };
    let too_long = |refusal: Refusal| match permit.body_conditions() {
        Some(conditions) if refusal.code == Code::TooLarge => conditions.too_large(),
        _ => refusal,
    };
    let (body, slot) = body.into_whole(&door.rooms, door.gate.limits().body_time, limit).await.map_err(too_long)?;
    let (long, looking) = (body.len() > SMALL, keys.looking(case.policy().blocks_lookalikes()));
    let looking = (looking, &*door.keeper.secrets);
    let mut judge = || {
        let proof = BodyJudged::whole(judged, clean, &body, for_keys.is_some())?;
        let swap = keys.keyring.place_in_body(permit, placed, clean.headers(), &body, looking);
        let swap = swap.map_err(Unfit::Refused)?;
        let written = swap.map(|swap| clean.put_in_body(&proof, &body, &swap)).transpose();
        Ok((written.map_err(Unfit::Refused)?, proof))
    };
    match if long { aside(judge) } else { judge() } {
        Ok((written, proof)) => {
            let swapped = written.is_some();
            Ok((Came::held(written.unwrap_or(body), swapped, slot), proof))
        }
        Err(Unfit::Refused(refusal)) => Err(Unfitting::Refused(refusal)),
        Err(Unfit::Asks(by)) => Err(Unfitting::Asks(by, Came::held(body, false, slot))),
    }
}

/// Why a body may not go; with its request, if the owner has to be asked.
enum Unfitting<T> {
    Refused(Refusal),
    Asks(Arc<AskedBy>, T),
}

impl<T> Unfitting<T> {
    fn map<U>(self, map: impl FnOnce(T) -> U) -> Unfitting<U> {
        match self {
            Unfitting::Refused(refusal) => Unfitting::Refused(refusal),
            Unfitting::Asks(by, asked) => Unfitting::Asks(by, map(asked)),
        }
    }
}

impl<T> From<Refusal> for Unfitting<T> {
    fn from(refusal: Refusal) -> Self {
        Unfitting::Refused(refusal)
    }
}

/// A body that is read to estimate a model's use is no longer than models accept.
const LONGEST_TO_A_MODEL: u64 = 32 << 20;

/// The reservation for a request to a model; nothing for other requests. If the group's limits
/// apply, the body is read completely.
async fn metered(
    door: &Door,
    (case, keys): (&Case, &Keys),
    permit: &Permit,
    body: Came,
) -> Result<(Option<Metered>, Came), Refusal> {
    if !permit.model() || body.is_end_stream() {
        return Ok((None, body));
    }
    let (whole, body) = match body {
        Came::Whole { body: ref whole, .. } => (Some(whole.clone()), body),
        body if case.policy().limits().bind_models() => {
            let (whole, slot) = body.into_whole(&door.rooms, door.gate.limits().body_time, LONGEST_TO_A_MODEL).await?;
            (Some(whole.clone()), Came::held(whole, false, slot))
        }
        body => (None, body),
    };
    let metered =
        Metered::reserve(&door.gate, door.meter(), (case, &permit.facts().path, &keys.watchlist), whole.as_ref())
            .await?;
    Ok((Some(metered), body))
}

/// The body, and all of its bytes for use once the answer is there.
async fn said(door: &Door, body: Came) -> Result<(Came, Bytes), Refusal> {
    match body {
        Came::Whole { body: ref said, .. } => {
            let said = said.clone();
            Ok((body, said))
        }
        body => {
            let time = door.gate.limits().body_time;
            let (said, slot) = body.into_whole(&door.rooms, time, minted::LONGEST_ASKED).await?;
            Ok((Came::held(said.clone(), false, slot), said))
        }
    }
}
