//! Headers of answers, rebuilt by listed rules (those of requests are in the gate); and what
//! they are cleaned of.

use http::HeaderMap;
use http::header::{self, HeaderValue, SET_COOKIE};

use gate::{HOP_BY_HOP, nominated};
use scan::Scrubber;

mod validators;

pub use validators::TagSecret;
pub(crate) use validators::{Validators, without_digests, without_lengths};

/// Taken off responses: names other ways to the upstream, acts by itself, or is ours to say.
const NOT_BACK: [&str; 5] = ["alt-svc", "refresh", "clear-site-data", "x-doorward", "x-doorward-note"];

/// How long names and values are, all together.
pub(crate) fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// What the client is to hear about what did not go out. It asked for a part and gets the whole.
pub(crate) fn with_notes<B>(mut response: http::Response<B>, notes: &[String]) -> http::Response<B> {
    let headers = response.headers_mut();
    for note in notes.iter().filter_map(|note| HeaderValue::from_str(note).ok()) {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        headers.append("x-doorward-note", note);
    }
    response
}

/// The head of an answer as a sandbox may have it, or its trailers: by listed rules, and without
/// what must not come back, in names and in values. `cookies`: whether those of the host may.
pub(crate) fn returning<'s>(
    came: &HeaderMap,
    cookies: bool,
    scrubbers: impl IntoIterator<Item = &'s mut Scrubber>,
) -> HeaderMap {
    let mut back = incoming(came);
    if !cookies {
        back.remove(SET_COOKIE);
    }
    for scrubber in scrubbers {
        back = without_names(back, scrubber);
        scrub(&mut back, scrubber);
    }
    back
}

/// The headers that come back, before anything is scrubbed.
fn incoming(came: &HeaderMap) -> HeaderMap {
    let nominated = nominated(came);
    let mut back = HeaderMap::with_capacity(came.len());
    for (name, value) in came {
        if !(HOP_BY_HOP.contains(name) || nominated.contains(name) || NOT_BACK.contains(&name.as_str())) {
            back.append(name.clone(), value.clone());
        }
    }
    back
}

/// Takes off every value what was put on the request.
fn scrub(headers: &mut HeaderMap, scrubber: &mut Scrubber) {
    for value in headers.values_mut() {
        if let Some(scrubbed) = scrubber.scrub_once(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&scrubbed).unwrap_or(HeaderValue::from_static(""));
        }
    }
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
