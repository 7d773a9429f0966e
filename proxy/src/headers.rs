//! Response headers, rebuilt by listed rules (the gate does this for requests), and cleaned of
//! secrets.

use http::HeaderMap;
use http::header::{self, HeaderValue, SET_COOKIE};

use gate::{HOP_BY_HOP, nominated};
use scan::Scrubber;

mod validators;

pub use validators::TagSecret;
pub(crate) use validators::{Validators, without_digests, without_lengths};

/// Removed from responses: names other ways to the upstream, acts by itself, or is ours to set.
const NOT_BACK: [&str; 5] = ["alt-svc", "refresh", "clear-site-data", "x-doorward", "x-doorward-note"];

/// The total length of names and values.
pub(crate) fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Adds what the client should know about removed headers: it asked for a part and gets the whole.
pub(crate) fn with_notes<B>(mut response: http::Response<B>, notes: &[String]) -> http::Response<B> {
    let headers = response.headers_mut();
    for note in notes.iter().filter_map(|note| HeaderValue::from_str(note).ok()) {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        headers.append("x-doorward-note", note);
    }
    response
}

/// The head of an answer, or its trailers, as a sandbox may have them: by listed rules, and with
/// secrets removed from names and values. `cookies`: whether the host's own are allowed.
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

/// The headers that come back, before scrubbing.
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

/// Removes from every value what was put on the request.
fn scrub(headers: &mut HeaderMap, scrubber: &mut Scrubber) {
    for value in headers.values_mut() {
        if let Some(scrubbed) = scrubber.scrub_once(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&scrubbed).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

/// A header with the secret in its name does not come back (attack I02).
fn without_names(headers: HeaderMap, scrubber: &mut Scrubber) -> HeaderMap {
    let tells: Vec<_> =
        headers.keys().filter(|name| scrubber.scrub_once(name.as_str().as_bytes()).is_some()).cloned().collect();
    tells.into_iter().fold(headers, |mut headers, name| {
        headers.remove(name);
        headers
    })
}
