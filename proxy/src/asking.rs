//! A request that the owner is asked about, before it waits: the leak check comes first, so that nothing
//! that must not leave is ever part of a question; then the body is read, so that it can be described.

use std::sync::Arc;

use bytes::Bytes;
use gate::{Case, Judged, Record, Told};
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Uri};
use policies::{ASKED_AT_MOST, Ask, Code, Refusal};
use scan::{Borders, WatchedKind};

use crate::body::{Came, Held};
use crate::credentials::Keyring;
use crate::door::Door;
use crate::judge;
use crate::keeper::Keys;
use crate::prepared::look;

mod described;

/// A request that the owner has answered, and the case that judges it now.
pub(crate) struct Answered {
    pub(crate) case: Case,
    pub(crate) keys: Keys,
    pub(crate) judged: Judged,
    pub(crate) request: Request<Came>,
}

/// Waits for the owner's answer.
pub(crate) async fn until_answered(
    door: &Door,
    seen: (&Case, &Keys),
    ask: Box<Ask>,
    request: Request<Came>,
    record: &mut Record,
) -> Result<Answered, Refusal> {
    let (case, keys) = seen;
    let (head, body) = request.into_parts();
    let head = apart(head);
    let (going_out, _) = gate::check_asked(&ask, &head.headers, |going_out| {
        Ok(judge::check(keys, case.policy(), ask.terms(), going_out)?.with_surrogate())
    })?;
    let (body, slot) = whole(door, &ask, body).await?;
    look_through(door, seen, &ask, &head, &body)?;
    let facts = ask.terms().facts();
    let told = Told {
        head: going_out,
        shown: keys.keyring.path_to_show(facts).unwrap_or_else(|| facts.path.clone()),
        fields: described::fields(&head.headers, &body),
    };
    let answered = gate::answered(&door.gate, case, ask, (&head.headers, &body), &told).await;
    let (case, judged) = answered.map_err(|denied| judge::refusal(keys, &head.headers, denied))?;
    record.is_judged_by(&case);
    let request = Request::from_parts(head, Came::held(body, false, slot));
    Ok(Answered { case, keys: door.keeper.keys(), judged, request })
}

/// The complete body. A request whose body does not end is not asked about.
async fn whole(door: &Door, ask: &Ask, body: Came) -> Result<(Bytes, Option<Held>), Refusal> {
    let full = |_| Refusal::new(Code::GroupLimit, "too many requests of the sandbox wait for the owner's answer");
    let place = door.rooms.asked.clone().try_acquire_owned().map_err(full)?;
    let body = match body {
        Came::Whole { body, .. } => Ok(body),
        Came::Streaming(incoming) => Came::read_in(door.gate.limits().body_time, incoming, ASKED_AT_MOST).await,
    };
    let body = body.map_err(|refusal| if refusal.code == Code::TooLarge { ask.by().too_large() } else { refusal })?;
    if body.len() as u64 > ASKED_AT_MOST {
        return Err(ask.by().too_large());
    }
    Ok((Bytes::copy_from_slice(&body), Some(Arc::new(place))))
}

/// Copies the head into memory of its own, as is done for the body: both lie in the connection's
/// read buffer and would keep all of it for as long as they wait.
fn apart(mut head: Parts) -> Parts {
    let own = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or_else(|_| name.clone());
        let mut own = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
        own.set_sensitive(value.is_sensitive());
        (name, own)
    };
    head.headers = head.headers.iter().map(own).collect();
    head.uri = Uri::try_from(head.uri.to_string()).unwrap_or(head.uri);
    head
}

/// The leak check of the body. A value in the place of a credential is checked when it is sent.
fn look_through(
    door: &Door,
    (case, keys): (&Case, &Keys),
    ask: &Ask,
    head: &Parts,
    body: &Bytes,
) -> Result<(), Refusal> {
    let (terms, blocks) = (ask.terms(), case.policy().blocks_lookalikes());
    let Some(filter) = keys.leak_filter(terms, blocks) else { return Ok(()) };
    let authority = &terms.facts().authority;
    let filter = match keys.keyring.body_limit(authority) {
        None => filter,
        Some(_) => {
            let (own, tolerated) = (keys.who.group.clone(), Keyring::tolerates(&keys.who, terms, !blocks));
            let in_place =
                move |what: &WatchedKind| matches!(what, WatchedKind::Surrogate { group, .. } if *group == own);
            filter.tolerating(move |what| in_place(what) || tolerated(what))
        }
    };
    let mut filter = filter.looking(look((case, keys), &head.headers)?).within(Borders::going_up(&head.headers));
    let looked = filter.push_last(body.clone());
    let keyring = door.keeper.keyring.now();
    looked.map(drop).map_err(|stop| keyring.stopped(&keys.who, authority, &stop, None))
}
