//! Requests to the host itself: `http://doorward.internal`, plain, through a door, in absolute form
//! or inside a CONNECT to `doorward.internal:80`, and by no other way. They are checked, counted,
//! read completely and stored here; their effect is behind a port ([`crate::ports::Internal`]).
//!
//! The name is never resolved or dialled: nothing here can reach upstream. Web pages are shut out:
//! a request with `Origin` is refused, whatever the origin is (DNS rebinding and cross-site
//! requests of a browser inside the sandbox).

use bytes::Bytes;
use http::header::{HOST, HeaderValue, ORIGIN};
use http::{HeaderMap, Response, Uri};
use hyper::body::Incoming;
use policies::{Code, Facts, Refusal, Scheme};
use tokio::time::timeout;

use gate::{Case, Record};

use crate::body::{Body, Came, Held};
use crate::credentials::Head;
use crate::door::Door;
use crate::keeper::Keys;
use crate::ports::Caller;

/// The name under which the host answers, in exactly this spelling.
pub(crate) const NAME: &str = "doorward.internal";

/// The same in a CONNECT, which always includes the port.
const TUNNEL: &str = "doorward.internal:80";

/// The longest body: requests here are short, except for files that go to a chat.
const LONGEST: u64 = 256 << 10;
const LONGEST_FILE: u64 = 8 << 20;

/// The path of uploaded files.
const FILES: &str = "/files/";

/// Whether a request is for the host itself. Another spelling, port or scheme of the name is not:
/// the verdict refuses it like every reserved name.
pub(crate) fn is_for<B>(case: &Case, request: &http::Request<B>) -> bool {
    let said = request.uri().authority().map(http::uri::Authority::as_str);
    match case.within() {
        None => said == Some(NAME),
        Some(within) => within.to_ourselves && within.scheme == Scheme::Http && said.is_none_or(|said| said == NAME),
    }
}

/// Whether a CONNECT is one through which the host can be asked: with plain HTTP inside,
/// as clients do that open a tunnel whatever the scheme is.
pub(crate) fn is_tunnel<B>(request: &http::Request<B>) -> bool {
    request.uri().authority().map(http::uri::Authority::as_str) == Some(TUNNEL)
}

/// From the door to the host and back, one line per stage.
pub(crate) async fn answer(
    door: &Door,
    (case, keys): (&Case, &Keys),
    facts: Facts,
    request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    record.is_local();
    check(keys, &facts, request.headers())?;
    let admitted = door.gate.admit_local(case).await?;
    let (head, body) = Came::with(request).into_parts();
    let longest = if facts.path.as_str().starts_with(FILES) { LONGEST_FILE } else { LONGEST };
    let (body, _slot) = whole(door, body, longest).await?;
    let (asked, tally) = record.allow_local(case, admitted).await?;
    let caller = Caller::new(&door.gate, case.policy(), asked);
    let request = handed_on(&facts, &head.headers, body)?;
    let answering = door.internal().answer(caller, request);
    let answer = timeout(door.gate.limits().body_time, answering)
        .await
        .map_err(|_| Refusal::new(Code::Timeout, "Doorward itself did not answer in time"))?;
    tally.answered(answer.status().as_u16());
    tally.add_down(answer.body().len());
    Ok(answer.map(Body::text))
}

/// Refuses what a request to the host must not be or contain.
fn check(keys: &Keys, facts: &Facts, headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::new(Code::OperationRefused, why));
    if let Some(leak) = keys.keyring.leak_in(&keys.who, Head::new(facts, headers), &keys.watchlist) {
        return Err(leak);
    }
    if headers.contains_key(ORIGIN) {
        return refuse("a request with an Origin comes from a web page, and no web page asks anything of Doorward");
    }
    if headers.get(HOST).is_some_and(|host| host.as_bytes() != NAME.as_bytes()) {
        return refuse("the Host header spells doorward.internal in another way");
    }
    if facts.upgrade.is_some() {
        return refuse("Doorward itself speaks no WebSocket");
    }
    if facts.query.is_some() {
        return refuse("nothing that is asked of Doorward takes a query");
    }
    Ok(())
}

async fn whole(door: &Door, body: Came, longest: u64) -> Result<(Bytes, Option<Held>), Refusal> {
    let whole = body.into_whole(&door.rooms, door.gate.limits().body_time, longest);
    whole.await.map_err(|refusal| match refusal.code {
        Code::TooLarge => {
            Refusal::new(Code::TooLarge, format!("what is asked of Doorward is at most {longest} bytes long here"))
        }
        _ => refusal,
    })
}

/// The request as the host gets it: the facts, and headers by the listed rules.
fn handed_on(facts: &Facts, came: &HeaderMap, body: Bytes) -> Result<http::Request<Bytes>, Refusal> {
    let unwritable = || Refusal::new(Code::Unsupported, "the request cannot be handed on");
    let uri = Uri::try_from(format!("http://{NAME}{}", facts.path)).map_err(|_| unwritable())?;
    let mut request =
        http::Request::builder().method(facts.method.as_str()).uri(uri).body(body).map_err(|_| unwritable())?;
    *request.headers_mut() = gate::outgoing(came);
    request.headers_mut().insert(HOST, HeaderValue::from_static(NAME));
    Ok(request)
}
