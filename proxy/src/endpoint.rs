//! What is said at a token endpoint: a sandbox's request to refresh, and its answer in surrogates;
//! and how the real endpoint's answer is read.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use policies::{Authority, Code, Refusal};
use tokio::time::timeout;

use gate::Arriving;

use crate::body::{Body, Came};
use crate::credentials::{Credential, Grant, not_the_surrogate};
use crate::door::Door;
use crate::keeper::{Keeper, Keys};

/// The longest request to, and answer of, a token endpoint.
const LONGEST: usize = 64 << 10;

/// The relevant parts of a sandbox's request to the token endpoint.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RefreshRequest {
    grant_type: String,
    refresh_token: String,
}

/// Reads a sandbox's request, and refuses it unless it asks for a refresh, with the surrogate.
pub(crate) async fn asked(
    door: &Door,
    keys: &Keys,
    grant: &Grant,
    authority: &Authority,
    request: http::Request<Incoming>,
) -> Result<(), Refusal> {
    let time = door.gate.limits().body_time;
    let (body, _held) = Came::with(request).into_body().into_whole(&door.rooms, time, LONGEST as u64).await?;
    let asked = read(&body);
    if asked.grant_type != "refresh_token" {
        let why = "Doorward answers for this token endpoint; it only refreshes (grant_type=refresh_token)";
        return Err(Refusal::new(Code::SurrogateScope, why));
    }
    if asked.refresh_token != *grant.surrogate {
        let finding = keys.watchlist.find_in(asked.refresh_token.as_bytes());
        let misplaced = finding.map(|it| keys.keyring.misplaced(&keys.who, authority, &it));
        return Err(misplaced.unwrap_or_else(not_the_surrogate));
    }
    Ok(())
}

/// A form or JSON; anything else asks for nothing.
fn read(body: &[u8]) -> RefreshRequest {
    if let Ok(asked) = serde_json::from_slice(body) {
        return asked;
    }
    let text = String::from_utf8_lossy(body);
    let mut asked = RefreshRequest::default();
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

/// The answer to it.
pub(crate) fn surrogates(keeper: &Keeper, credential: &Credential, grant: &Grant) -> Response<Body> {
    let lifetime = keeper.secrets.lifetime(&credential.name);
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

/// The body of the real endpoint's answer.
pub(crate) async fn answered(body: Arriving, time: Duration) -> Result<Bytes, Refusal> {
    let unread = |why| Refusal::new(Code::UpstreamUnreadable, why);
    let body = timeout(time, Limited::new(body, LONGEST).collect())
        .await
        .map_err(|_| unread("the token endpoint's answer did not arrive in time"))?
        .map_err(|_| unread("the token endpoint's answer broke off or is longer than 64 KiB"))?;
    Ok(body.to_bytes())
}
