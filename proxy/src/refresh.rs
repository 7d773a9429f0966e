//! Access tokens (RFC 6749 §6): fetched by the gateway when one is due, in the same way as any
//! other request and with its own record; and the token endpoint as a sandbox sees it, which
//! accepts and returns surrogates.
//!
//! One fetch at a time for each credential, for all that wait for it. It is a task of its own: a
//! client that hangs up must not lose a refresh token that was replaced.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use policies::{Code, Facts, Permit, Refusal};
use secrecy::ExposeSecret;

use gate::audit::Protocol;
use gate::{Audited, Case, Offer, Record, judge_own};

use crate::body::{Body, Came, Outgoing};
use crate::credentials::{Credential, not_the_surrogate};
use crate::door::Door;
use crate::endpoint;
use crate::keeper::Keys;
use crate::ports::{SecretUnavailable, TokenRequest};
use crate::send::{Repeats, Sender};

/// The proof that the credential which a request will use, if any, is available.
pub(crate) struct Ready(());

/// Makes sure that it is.
pub(crate) async fn ready(
    door: &Arc<Door>,
    seen: (&Case, &Keys),
    permit: &Permit,
    headers: &HeaderMap,
) -> Result<Ready, Refusal> {
    if let Some(credential) = seen.1.keyring.needs_token(permit, headers) {
        fetched(door, seen, credential).await?;
    }
    Ok(Ready(()))
}

/// Answers a sandbox that wants to refresh its token itself: nothing it sends goes any further.
pub(crate) async fn answer(
    door: &Arc<Door>,
    (case, keys): (&Case, &Keys),
    facts: Facts,
    request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    let endpoint = keys.keyring.token_endpoint(&facts);
    let Some((credential, grant)) = endpoint.and_then(|one| Some((one, one.grant.as_ref()?))) else {
        return Err(not_the_surrogate());
    };
    let own = judge_own(&grant.policy, case, facts)?;
    door.gate.admit_local(case).await?;
    endpoint::asked(door, keys, grant, &own.permit().facts().authority, request).await?;
    fetched(door, (case, keys), credential).await?;
    let audited = record.allow_own(own, &credential.name, "oauth:surrogate").await?;
    audited.tally().mark_sent();
    audited.tally().answered(200);
    Ok(endpoint::surrogates(&door.keeper, credential, grant))
}

/// Waits until the secret is there, fetched by whichever request was first.
async fn fetched(door: &Arc<Door>, (case, keys): (&Case, &Keys), credential: &Credential) -> Result<(), Refusal> {
    let due = |door: &Door, name: &Arc<str>| door.keeper.secrets.due(name).map_err(|error| error.refusal(name));
    if due(door, &credential.name)?.is_none() {
        return Ok(());
    }
    let (door, case, keys, credential) = (door.clone(), case.clone(), keys.clone(), credential.clone());
    let fetching = tokio::spawn(async move {
        let turn = door.keeper.turn_of(&credential.name);
        let _turn = turn.lock().await;
        match due(&door, &credential.name)? {
            Some(request) => fetch(&door, (&case, &keys), &credential, request).await,
            None => Ok(()),
        }
    });
    fetching.await.unwrap_or_else(|_| Err(Refusal::new(Code::SecretUnavailable, "the access token was not fetched")))
}

/// Asks the endpoint, with a record that is stored before anything is sent.
async fn fetch(
    door: &Door,
    (case, keys): (&Case, &Keys),
    credential: &Credential,
    request: TokenRequest,
) -> Result<(), Refusal> {
    let Some(grant) = &credential.grant else { return Ok(()) };
    let mut record = Record::bare(&door.gate, case, Protocol::Https);
    record.is_about(&grant.endpoint, keys.keyring.path_to_show(&grant.endpoint));
    let stored = match judge_own(&grant.policy, case, grant.endpoint.clone()) {
        Ok(own) => record.allow_own(own, &credential.name, "oauth:refresh").await,
        Err(refusal) => Err(refusal),
    };
    let mut audited = match stored {
        Ok(audited) => audited,
        Err(refusal) => return Err(record.refuse(refusal)),
    };
    let secrets = &door.keeper.secrets;
    let result = match ask(door, case, &mut audited, request).await {
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

async fn ask(door: &Door, case: &Case, audited: &mut Audited, request: TokenRequest) -> Result<(u16, Bytes), Refusal> {
    let head = audited.own_head(request.content_type)?;
    let body = Bytes::copy_from_slice(request.body.expose_secret().as_bytes());
    let body = Came::held(body, true, None);
    // Its secrets are meant to go there, so nothing is searched for.
    let refuse = Arc::new(|_: &_, _| not_the_surrogate());
    let outgoing = Outgoing::new(body, refuse, audited.tally().clone());
    let sender = Sender { gate: &door.gate, pool: &door.pool, case, offer: Offer::Either };
    // A refresh token is valid for one use.
    let (answer, lease) = sender.send(audited, head.with(outgoing), Repeats::Never).await?;
    let status = answer.status().as_u16();
    audited.tally().answered(status);
    let body = endpoint::answered(answer.into_body(), door.gate.limits().body_time).await?;
    audited.tally().add_down(body.len());
    lease.give_back();
    Ok((status, body))
}
