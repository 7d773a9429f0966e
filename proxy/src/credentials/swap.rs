//! The swap: the real secret goes where the surrogate was found.

use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policies::{Code, Facts, Permit, Refusal};
use secrecy::{ExposeSecret, SecretString};

use super::place::{self, BasicPart, Found, Place};
use super::{Credential, PutOn, Segment};
use crate::ports::Secrets;
use scan::Replacement;

/// RFC 3986 §2.3: what stands for itself everywhere in a query.
pub(super) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Puts the secret on the headers, or on the target.
pub(super) fn put_on(
    found: Found<'_>,
    permit: &Permit,
    headers: &mut HeaderMap,
    target: &mut PathAndQuery,
    secrets: &dyn Secrets,
) -> Result<PutOn, Refusal> {
    let Found { credential, place, beside } = found;
    let secret = reveal(credential, secrets)?;
    let text = secret.expose_secret();
    match place {
        Place::Header(name) => {
            let value = beside.map_or_else(|| secret.clone(), |scheme| SecretString::from(format!("{scheme} {text}")));
            insert(headers, name.clone(), &value, credential)?;
        }
        Place::Basic(part) => {
            let other = beside.unwrap_or_default();
            let value = match part {
                BasicPart::Password => place::basic_value(&other, text),
                BasicPart::Username if text.contains(':') => return Err(unfit(credential, "a user name")),
                BasicPart::Username => place::basic_value(text, &other),
            };
            insert(headers, header::AUTHORIZATION, &value, credential)?;
        }
        Place::Query(key) => *target = with_parameter(permit.facts(), key, credential, text)?,
        // Not in the head: `in_body.rs`.
        Place::Json(_) => {}
        Place::Path(segment) => *target = with_segment(permit.facts(), segment, credential, text)?,
    }
    tracing::debug!(credential = %credential.name, host = %permit.facts().authority, "Secret put on");
    Ok(putting_on(credential, place, secret))
}

/// The real secret, at the moment it is put on.
pub(super) fn reveal(credential: &Credential, secrets: &dyn Secrets) -> Result<SecretString, Refusal> {
    if let Some(minted) = &credential.minted {
        minted.is_used();
        return Ok(minted.key.clone());
    }
    secrets.reveal(&credential.name).map_err(|error| error.refusal(&credential.name))
}

/// What was put on where, and what takes it off again.
pub(super) fn putting_on(credential: &Credential, place: &Place, secret: SecretString) -> PutOn {
    let surrogate = SecretString::from(credential.surrogate.to_string());
    PutOn {
        credential: credential.name.clone(),
        place: place.clone(),
        replacement: Replacement { secret, surrogate },
        minted: credential.minted.is_some(),
    }
}

/// What was judged, as it is written in a request.
pub(super) fn target(facts: &Facts) -> Result<PathAndQuery, Refusal> {
    PathAndQuery::try_from(facts.path_and_query()).map_err(|_| unwritable())
}

fn insert(
    headers: &mut HeaderMap,
    name: HeaderName,
    text: &SecretString,
    credential: &Credential,
) -> Result<(), Refusal> {
    let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| unfit(credential, "a header"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn with_parameter(facts: &Facts, key: &str, credential: &Credential, secret: &str) -> Result<PathAndQuery, Refusal> {
    let query = facts.query.as_ref().map(|query| query.as_str()).unwrap_or_default();
    let swapped = query.split('&').map(|one| {
        if place::is_parameter(one, key, &credential.surrogate) {
            format!("{key}={}", utf8_percent_encode(secret, ESCAPED))
        } else {
            one.to_owned()
        }
    });
    let query = swapped.collect::<Vec<_>>().join("&");
    PathAndQuery::try_from(format!("{}?{query}", facts.path)).map_err(|_| unwritable())
}

/// A secret that would be read as more than one segment, or as another one, stays here.
fn with_segment(
    facts: &Facts,
    segment: &Segment,
    credential: &Credential,
    secret: &str,
) -> Result<PathAndQuery, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
    if !secret.bytes().all(plain) || matches!(secret, "." | "..") {
        return Err(unfit(credential, "a segment of a path"));
    }
    let path = segment.with(facts.path.as_str(), secret);
    let query = facts.query.as_ref().map(|query| format!("?{}", query.as_str())).unwrap_or_default();
    PathAndQuery::try_from(format!("{path}{query}")).map_err(|_| unwritable())
}

fn unavailable(why: String) -> Refusal {
    Refusal::new(Code::SecretUnavailable, why)
}

fn unfit(credential: &Credential, place: &str) -> Refusal {
    unavailable(format!("the secret of credential {} holds characters that {place} may not hold", credential.name))
}

fn unwritable() -> Refusal {
    Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged")
}
