//! One request, top to bottom: read, judged, checked, written down, sent, returned.
//!
//! Each stage takes what the one before it made, and cannot be called without it:
//! `Request → Facts → Permit → Placed → Audited → answer`. Leaving a stage out
//! does not compile.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Uri};
use hyper::body::Incoming;
use policies::{Code, Facts, Method, Permit, Refusal, Verdict};

use crate::answer;
use crate::body::{Body, Outgoing, Returned};
use crate::connection::Connection;
use crate::credentials::{Keyring, Placed};
use crate::record::{Audited, Record};
use crate::scan::Scrubber;
use crate::upstream::{self, Lease};
use crate::{headers, request};

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
    let facts = request::read(connection.tunnel.as_ref(), &request)?;
    record.read(&facts);
    let permit = decide(connection, facts, request.headers())?;
    let placed = place(connection, &permit, &request)?;
    let audited = record.allow(permit, &placed)?;
    let (outbound, scrubber) = outbound(connection, &audited, placed, request)?;
    let (answer, lease) = upstream::send(&connection.door, &audited, outbound).await?;
    returned(connection, &audited, answer, scrubber, lease)
}

/// The verdict: no rule, no permit. A surrogate or secret on its way to a denied
/// host is a leak attempt before it is anything else: the owner is told, and no
/// line is suggested that would allow it (attack H01).
fn decide(connection: &Connection, facts: Facts, headers: &HeaderMap) -> Result<Permit, Refusal> {
    let door = &connection.door;
    match door.policy.load().decide(facts) {
        Verdict::Allow(permit) => Ok(permit),
        Verdict::Deny(facts, refusal) => {
            let watchlist = door.gateway.secrets.watchlist();
            Err(door.keyring.leak_in(&door.identity, &facts, headers, &watchlist).unwrap_or(refusal))
        }
    }
}

/// Headers by listed rules, then leak check, account pinning and the swap.
fn place(connection: &Connection, permit: &Permit, request: &http::Request<Incoming>) -> Result<Placed, Refusal> {
    let door = &connection.door;
    let headers = headers::outgoing(permit.facts(), request.headers())?;
    let secrets = &*door.gateway.secrets;
    door.keyring.place(&door.identity, permit, headers, secrets, &secrets.watchlist())
}

/// The request to send: method, path and query from what was judged, the body
/// checked as it goes by.
fn outbound(
    connection: &Connection,
    audited: &Audited,
    placed: Placed,
    request: http::Request<Incoming>,
) -> Result<(http::Request<Outgoing>, Option<Scrubber>), Refusal> {
    let facts = audited.permit().facts();
    let uri = Uri::try_from(facts.path_and_query())
        .map_err(|_| Refusal::new(Code::PathAmbiguous, "the path cannot be sent as it was judged"))?;
    let method = http::Method::from_bytes(facts.method.as_str().as_bytes())
        .map_err(|_| Refusal::new(Code::MethodDenied, "the method cannot be sent as it was judged"))?;
    let (mut headers, scrubber) = placed.into_parts();
    if request.headers().contains_key(TRANSFER_ENCODING) {
        // Left unsaid, hyper drops the body of a GET.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let body = checked_body(connection, audited, request.into_body());
    let mut outbound = http::Request::new(body);
    *outbound.method_mut() = method;
    *outbound.uri_mut() = uri;
    *outbound.headers_mut() = headers;
    Ok((outbound, scrubber))
}

fn checked_body(connection: &Connection, audited: &Audited, body: Incoming) -> Outgoing {
    let door = connection.door.clone();
    let watchlist = door.gateway.secrets.watchlist();
    let filter = (!watchlist.is_empty())
        .then(|| watchlist.filter().tolerating(Keyring::tolerates(&door.identity, audited.permit())));
    let authority = audited.permit().facts().authority.clone();
    let refuse = Arc::new(move |finding: &_| door.keyring.misplaced(&door.identity, &authority, finding));
    Outgoing::new(body, filter, refuse, audited.tally().clone())
}

/// The answer on its way back: headers by listed rules, and everything that was
/// put on taken off again.
fn returned(
    connection: &Connection,
    audited: &Audited,
    answer: http::Response<Incoming>,
    mut scrubber: Option<Scrubber>,
    lease: Lease,
) -> Result<Response<Body>, Refusal> {
    let status = answer.status();
    audited.tally().note(|outcome| outcome.status = Some(status.as_u16()));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new(Code::UpstreamUnreadable, "the host switched protocols without being asked"));
    }
    let facts = audited.permit().facts();
    let mut headers = headers::incoming(answer.headers());
    if connection.door.keyring.guards(&facts.authority) {
        headers.remove(SET_COOKIE);
    }
    if let Some(scrubber) = &mut scrubber {
        readable(answer.headers())?;
        if facts.method != Method::Head {
            headers.remove(CONTENT_LENGTH);
        }
        headers = without_names(headers, scrubber);
        for value in headers.values_mut() {
            if let Some(scrubbed) = scrubber.scrub_once(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&scrubbed).unwrap_or(HeaderValue::from_static(""));
            }
        }
    }
    let body = Returned::new(answer.into_body(), scrubber, audited.tally().clone(), lease);
    let mut response = Response::new(Body::Returned(Box::new(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// A header whose very name holds the secret does not come back (attack I02).
fn without_names(headers: HeaderMap, scrubber: &mut Scrubber) -> HeaderMap {
    let tells: Vec<_> =
        headers.keys().filter(|name| scrubber.scrub_once(name.as_str().as_bytes()).is_some()).cloned().collect();
    tells.into_iter().fold(headers, |mut headers, name| {
        headers.remove(name);
        headers
    })
}

/// What cannot be read cannot be scrubbed (attack I03). hyper undoes no coding of
/// a transfer but chunks.
fn readable(headers: &HeaderMap) -> Result<(), Refusal> {
    let content = headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding.as_bytes() != b"identity");
    let mut transfer = headers.get_all(TRANSFER_ENCODING).iter();
    if content || transfer.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        let why = "the host compressed its answer although it was asked not to, so it cannot be scrubbed";
        return Err(Refusal::new(Code::UpstreamUnreadable, why));
    }
    Ok(())
}
