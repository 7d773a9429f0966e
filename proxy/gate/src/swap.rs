//! A secret and where it goes. Who knows it says no more than that; it is written here, and
//! what is written is held against what was judged.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policies::{Code, Facts, Path, Refusal};
use secrecy::{ExposeSecret, SecretString};

use crate::head;

/// RFC 3986 §2.3: what stands for itself everywhere in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where in a request one value stands that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// All of this header, which is there once.
    Header(HeaderName),
    /// These bytes of the path, in one segment of it.
    Path(Range<usize>),
    /// These bytes of the query: all behind the `=` of one parameter.
    Query(Range<usize>),
    /// These bytes of the body: a string in JSON, with its quotation marks.
    Body(Range<usize>),
}

/// A secret that is put on a request. No `Debug`: it holds it.
pub struct Swap {
    /// Which credential.
    pub credential: Arc<str>,
    /// Its place in the words of the configuration.
    pub place: String,
    /// The same as it stands in this request.
    pub slot: Slot,
    /// What goes there.
    pub secret: SecretString,
}

/// The target as it was judged, with the secret in its place if that is there.
pub(crate) fn target(facts: &Facts, swap: Option<&Swap>) -> Result<PathAndQuery, Refusal> {
    let (path, query) = (facts.path.as_str(), facts.query.as_ref().map(|query| query.as_str()));
    let (text, slot) = match swap {
        Some(Swap { slot: Slot::Path(at), secret, credential, .. }) => {
            let path = replaced(path, at, segment(secret, credential)?)?;
            (query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")), swap)
        }
        Some(Swap { slot: Slot::Query(at), secret, .. }) => {
            let secret = utf8_percent_encode(secret.expose_secret(), ESCAPED).to_string();
            (format!("{path}?{}", replaced(query.unwrap_or_default(), at, &secret)?), swap)
        }
        _ => (facts.path_and_query(), None),
    };
    let target = PathAndQuery::try_from(text).map_err(|_| unwritable())?;
    if same_but_for_one_value(facts, slot.map(|swap| &swap.slot), &target) { Ok(target) } else { Err(unwritable()) }
}

/// Puts the secret on the headers, if it goes there. Never on one that says what the request
/// is, whom it is for, or where it ends.
pub(crate) fn put_on_headers(headers: &mut HeaderMap, swap: &Swap) -> Result<(), Refusal> {
    let Slot::Header(name) = &swap.slot else { return Ok(()) };
    if head::is_the_gates(name) || headers.get_all(name).iter().count() != 1 {
        return Err(unwritable());
    }
    let value = HeaderValue::from_str(swap.secret.expose_secret());
    let mut value = value.map_err(|_| unfit(&swap.credential, "a header"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Writes the secret into a body that was judged, as a string in JSON.
pub(crate) fn put_in_body(headers: &mut HeaderMap, body: &Bytes, swap: &Swap) -> Result<Bytes, Refusal> {
    let Slot::Body(at) = &swap.slot else { return Err(unwritable()) };
    let (Some(before), Some(behind)) = (body.get(..at.start), body.get(at.end..)) else { return Err(unwritable()) };
    let is_string = body.get(at.clone()).is_some_and(|text| serde_json::from_slice::<String>(text).is_ok());
    if !is_string {
        return Err(unwritable());
    }
    let written = SecretString::from(serde_json::Value::from(swap.secret.expose_secret()).to_string());
    let body = Bytes::from([before, written.expose_secret().as_bytes(), behind].concat());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(body)
}

/// A secret that would be read as more than one segment, or as another one, stays here.
fn segment<'s>(secret: &'s SecretString, credential: &str) -> Result<&'s str, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
    let secret = secret.expose_secret();
    if !secret.bytes().all(plain) || matches!(secret, "." | "..") {
        return Err(unfit(credential, "a segment of a path"));
    }
    Ok(secret)
}

fn replaced(text: &str, at: &Range<usize>, by: &str) -> Result<String, Refusal> {
    match (text.get(..at.start), text.get(at.end..)) {
        (Some(before), Some(behind)) => Ok(format!("{before}{by}{behind}")),
        _ => Err(unwritable()),
    }
}

/// Whether the target that is sent says what was judged: the same path and query, but for one
/// segment where the secret stands in the path, or one parameter's value where it stands in
/// the query.
fn same_but_for_one_value(facts: &Facts, slot: Option<&Slot>, target: &PathAndQuery) -> bool {
    let (path, query) = (facts.path.as_str(), facts.query.as_ref().map(|query| query.as_str()));
    match slot {
        Some(Slot::Path(_)) => {
            let reads_the_same = Path::parse(target.path()).is_ok_and(|path| path.as_str() == target.path());
            reads_the_same && target.query() == query && differing(target.path(), path, '/').is_some()
        }
        Some(Slot::Query(_)) => {
            let differ = differing(target.query().unwrap_or_default(), query.unwrap_or_default(), '&');
            let same_key = |(sent, judged): &(&str, &str)| key(judged).is_some() && key(sent) == key(judged);
            let has_query = target.query().is_some() && query.is_some();
            has_query && target.path() == path && differ.is_some_and(|differ| differ.iter().all(same_key))
        }
        _ => target.path() == path && target.query() == query,
    }
}

fn key(parameter: &str) -> Option<&str> {
    parameter.split_once('=').map(|(key, _)| key)
}

/// The one part in which two texts differ that have the same number of parts; nothing where there
/// are more.
fn differing<'t>(sent: &'t str, judged: &'t str, by: char) -> Option<Vec<(&'t str, &'t str)>> {
    let (sent, judged) = (sent.split(by), judged.split(by));
    let same_count = sent.clone().count() == judged.clone().count();
    let differ: Vec<_> = sent.zip(judged).filter(|(sent, judged)| sent != judged).collect();
    (same_count && differ.len() <= 1).then_some(differ)
}

fn unfit(credential: &str, place: &str) -> Refusal {
    let why = format!("the secret of credential {credential} holds characters that {place} may not hold");
    Refusal::new(Code::SecretUnavailable, why)
}

fn unwritable() -> Refusal {
    Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged")
}

#[cfg(test)]
mod tests;
