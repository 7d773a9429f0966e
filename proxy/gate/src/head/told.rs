//! What the owner is told of a head when they are asked: names and a length, for a question. What a
//! yes binds is `bound`, which looks at all of it.

use http::HeaderMap;
use http::header::HeaderName;

use super::{Carrier, SHORT, spoken};

/// What every client sends, with short values.
const ORDINARY: [&str; 8] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];

/// The most header names that are shown.
const TOLD: usize = 16;

/// The part of a head that goes beyond what every client sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Names of its headers.
    pub names: Vec<String>,
    /// Bytes in total.
    pub bytes: u64,
}

/// The part of a head that goes beyond what every client sends.
pub(crate) fn beside(headers: &HeaderMap, carrier: Option<&Carrier>) -> Beside {
    let is_carrier = |name: &HeaderName| carrier.is_some_and(|carrier| carrier.header == *name);
    let is_ordinary = |name: &HeaderName| ORDINARY.contains(&name.as_str()) || is_carrier(name);
    let said = spoken(headers, carrier).filter(|(name, value)| !is_ordinary(name) || value.len() > SHORT);
    let mut told = Beside::default();
    for (name, value) in said {
        told.bytes += value.len() as u64;
        if told.names.len() < TOLD && told.names.last().is_none_or(|last| last != name.as_str()) {
            told.names.push(name.as_str().to_owned());
        }
    }
    told
}
