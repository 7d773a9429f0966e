//! A secret and where it goes. The code that knows the secret says no more than that; it is written
//! here, and the result is compared with what was judged.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use policies::{Code, Facts, Path, Refusal};
use secrecy::{ExposeSecret, SecretString};

use crate::head;

mod inserted;

/// Where in a request a value is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The whole value of this header, which occurs once.
    Header(HeaderName),
    /// These bytes of the path, in one segment of it.
    Path(Range<usize>),
    /// These bytes of the query: everything after the `=` of one parameter.
    Query(Range<usize>),
    /// These bytes of the body: a string in JSON, with its quotation marks.
    Body(Range<usize>),
}

/// A secret that is put on a request. No `Debug`: it holds the secret.
pub struct Swap {
    /// Which credential.
    pub credential: Arc<str>,
    /// Its place, in the words of the configuration.
    pub place: String,
    /// The place in this request.
    pub slot: Slot,
    /// What goes there.
    pub secret: SecretString,
}

/// The target as it was judged, with the secret in it if that is its place.
pub(crate) fn target(facts: &Facts, swap: Option<&Swap>) -> Result<PathAndQuery, Refusal> {
    let text = swap.map_or_else(|| Ok(facts.path_and_query()), |swap| inserted::target(facts, swap))?;
    let target = PathAndQuery::try_from(text).map_err(|_| unwritable())?;
    let same = same_but_for_one_value(facts, swap.map(|swap| &swap.slot), &target);
    if same { Ok(target) } else { Err(unwritable()) }
}

/// Puts the secret on the headers, if it goes there. Never on a header that says what the request
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

/// Whether the target says what was judged: the same path and query, except for one segment if the
/// secret is in the path, or one parameter's value if it is in the query.
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

/// The one part in which two texts with the same number of parts differ; nothing if there are
/// several.
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
