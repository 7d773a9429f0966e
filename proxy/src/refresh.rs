//! Access tokens (RFC 6749 §6): fetched by the gateway when one is due, by the same way
//! as any other request and with a record of its own; and the token endpoint as a
//! sandbox sees it, which takes and gives surrogates.
//!
//! One fetch at a time for each credential, whoever waits for it. It is a task of its
//! own: a client that hangs up must not lose a refresh token that was replaced.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use policies::{Code, Facts, Permit, Refusal, Verdict};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::audit::Protocol;
use crate::body::{Body, Came, Outgoing};
use crate::connection::Connection;
use crate::credentials::{Credential, Grant, not_the_surrogate};
use crate::door::Door;
use crate::flow;
use crate::ports::{SecretUnavailable, TokenRequest};
use crate::record::{Audited, Record};
use crate::upstream::{self, Outbound, Repeats};

/// The longest request to, and answer of, a token endpoint.
const LONGEST: usize = 64 << 10;

/// The fetches under way, by credential.
#[derive(Default)]
pub struct Refreshes {
    by_credential: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>,
}

/// What a sandbox sent to the token endpoint, as far as it matters.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    grant_type: String,
    refresh_token: String,
}

/// Sees to it that the credential which a request will have put on can be.
pub(crate) async fn ready(connection: &Connection, permit: &Permit, headers: &HeaderMap) -> Result<(), Refusal> {
    let keyring = connection.door.keyring.load_full();
    match keyring.needs_token(permit, headers) {
        Some(credential) => fetched(connection, credential).await,
        None => Ok(()),
    }
}

/// Answers a sandbox that wants to refresh its token by itself: nothing of what it
/// sends goes any further.
pub(crate) async fn answer(
    connection: &Connection,
    facts: Facts,
    request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    let door = &connection.door;
    let keyring = door.keyring.load_full();
    let Some((credential, grant)) = keyring.token_endpoint(&facts).and_then(|one| Some((one, one.grant.as_ref()?)))
    else {
        return Err(not_the_surrogate());
    };
    let permit = permit(door, grant, facts)?;
    door.admit(None, 0).await?;
    let (body, _held) = flow::whole(connection, request.into_body(), LONGEST as u64).await?;
    let asked = read(&body);
    if asked.grant_type != "refresh_token" {
        let why = "Doorward answers for this token endpoint; it only refreshes (grant_type=refresh_token)";
        return Err(Refusal::new(Code::SurrogateScope, why));
    }
    if asked.refresh_token != *grant.surrogate {
        let watchlist = door.gateway.secrets.watchlist();
        let finding = watchlist.find_in(asked.refresh_token.as_bytes());
        let misplaced = finding.map(|it| door.keyring.load().misplaced(&door.identity, &permit.facts().authority, &it));
        return Err(misplaced.unwrap_or_else(not_the_surrogate));
    }
    fetched(connection, credential).await?;
    let audited = record.allow_own(permit, &credential.name, "oauth:surrogate").await?;
    audited.tally().mark_sent();
    audited.tally().note(|outcome| outcome.status = Some(200));
    Ok(surrogates(door, credential, grant))
}

fn surrogates(door: &Door, credential: &Credential, grant: &Grant) -> Response<Body> {
    let lifetime = door.gateway.secrets.lifetime(&credential.name);
    let mut answer = serde_json::json!({
        "access_token": &*credential.surrogate,
        "token_type": "Bearer",
        "refresh_token": &*grant.surrogate,
    });
    if let Some(lifetime) = lifetime {
        answer["expires_in"] = lifetime.as_secs().into();
    }
    let mut response = Response::new(Body::text(Bytes::from(answer.to_string())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A form or JSON; what is neither asks for nothing.
fn read(body: &[u8]) -> Asked {
    if let Ok(asked) = serde_json::from_slice(body) {
        return asked;
    }
    let text = String::from_utf8_lossy(body);
    let mut asked = Asked::default();
    for (key, value) in text.split('&').filter_map(|one| one.split_once('=')) {
        let value = percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned();
        match key {
            "grant_type" => asked.grant_type = value,
            "refresh_token" => asked.refresh_token = value,
            _ => {}
        }
    }
    asked
}

/// The owner's permit for the one request to the endpoint.
fn permit(door: &Door, grant: &Grant, facts: Facts) -> Result<Permit, Refusal> {
    match grant.policy.at((door.gateway.now)()).decide(facts) {
        Verdict::Allow(permit) => Ok(permit),
        Verdict::Deny(_, refusal) => Err(Refusal { lift: Vec::new(), ..refusal }),
    }
}

/// Waits until the secret is there, fetched by whoever was first.
async fn fetched(connection: &Connection, credential: &Credential) -> Result<(), Refusal> {
    let secrets = &connection.door.gateway.secrets;
    if secrets.due(&credential.name).map_err(|error| error.refusal(&credential.name))?.is_none() {
        return Ok(());
    }
    let (door, id, credential) = (connection.door.clone(), connection.id, credential.clone());
    let fetching = tokio::spawn(async move {
        let turn = door.gateway.refreshes.turn_of(&credential.name);
        let _turn = turn.lock().await;
        match door.gateway.secrets.due(&credential.name).map_err(|error| error.refusal(&credential.name))? {
            Some(request) => fetch(&door, id, &credential, request).await,
            None => Ok(()),
        }
    });
    fetching.await.unwrap_or_else(|_| Err(Refusal::new(Code::SecretUnavailable, "the access token was not fetched")))
}

/// Asks the endpoint, with a record that is stored before anything is sent.
async fn fetch(
    door: &Arc<Door>,
    connection: u64,
    credential: &Credential,
    request: TokenRequest,
) -> Result<(), Refusal> {
    let Some(grant) = &credential.grant else { return Ok(()) };
    let mut record = Record::bare(door, connection, Protocol::Https);
    record.read(&grant.endpoint);
    let stored = match permit(door, grant, grant.endpoint.clone()) {
        Ok(permit) => record.allow_own(permit, &credential.name, "oauth:refresh").await,
        Err(refusal) => Err(refusal),
    };
    let mut audited = match stored {
        Ok(audited) => audited,
        Err(refusal) => return Err(record.refuse(refusal)),
    };
    let secrets = &door.gateway.secrets;
    let result = match ask(door, &mut audited, request).await {
        Ok((status, body)) => secrets.granted(&credential.name, status, &body),
        Err(refusal) => {
            let name = &credential.name;
            let why = SecretUnavailable::plain(format!(
                "credential {name}: its token endpoint gave no answer: {}",
                refusal.why
            ));
            secrets.not_granted(name, &why);
            Err(why)
        }
    };
    result.map_err(|error| error.refusal(&credential.name)).inspect_err(|refusal| audited.tally().refuse(refusal))
}

async fn ask(door: &Arc<Door>, audited: &mut Audited, request: TokenRequest) -> Result<(u16, Bytes), Refusal> {
    let path = audited.permit().facts().path.as_str();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static(""));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let target = PathAndQuery::try_from(path)
        .map_err(|_| Refusal::new(Code::PathAmbiguous, "the token endpoint's path cannot be written"))?;
    let body = Bytes::copy_from_slice(request.body.expose_secret().as_bytes());
    let body = Came::held(body, true, None);
    // What it holds is meant to go there, so nothing looks for it.
    let refuse = Arc::new(|_: &_| not_the_surrogate());
    let outgoing = Outgoing::new(body, None, refuse, audited.tally().clone());
    // A refresh token is good for one use.
    let outbound = Outbound::new(headers, target, outgoing);
    let (answer, lease) = upstream::send(door, audited, outbound, Repeats::Never).await?;
    let status = answer.status().as_u16();
    audited.tally().note(|outcome| outcome.status = Some(status));
    let reading = Limited::new(answer.into_body(), LONGEST).collect();
    let unread = |why| Refusal::new(Code::UpstreamUnreadable, why);
    let body = timeout(door.gateway.limits.body_time, reading)
        .await
        .map_err(|_| unread("the token endpoint's answer did not arrive in time"))?
        .map_err(|_| unread("the token endpoint's answer broke off or is longer than 64 KiB"))?
        .to_bytes();
    audited.tally().add_down(body.len());
    lease.give_back();
    Ok((status, body))
}

impl Refreshes {
    fn turn_of(&self, credential: &Arc<str>) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.by_credential.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(credential.clone()).or_default().clone()
    }
}
