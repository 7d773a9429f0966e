//! Headers are rebuilt by listed rules, in both directions; never passed by default
//! where they speak to the next hop, name a network, or override what was judged.

use http::header::{CONNECTION, COOKIE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, header};

use crate::scan::Scrubber;

/// Speaks to one hop only (RFC 9110 §7.6.1), or to a proxy.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Taken off requests: settled at the door, says where we are, or asks the
/// upstream to read the request as another one than was judged.
const NOT_OUT: [&str; 16] = [
    "expect",
    "http2-settings",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
];

/// Taken off responses: names other ways to the upstream, or acts by itself.
const NOT_BACK: [&str; 3] = ["alt-svc", "refresh", "clear-site-data"];

/// The headers that go upstream, before any credential is put on. `Host` is left
/// empty: the authority is written from what was judged.
pub(crate) fn outgoing(came: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(came.len() + 2);
    // Its place: HTTP/1.1 wants it first (RFC 9110 §7.2).
    out.insert(HOST, HeaderValue::from_static(""));
    let nominated = nominated(came);
    for (name, value) in came {
        let stays = name != HOST && !is_hop_by_hop(name, &nominated) && !NOT_OUT.contains(&name.as_str());
        if stays {
            out.append(name.clone(), value.clone());
        }
    }
    join_cookies(&mut out);
    out
}

/// HTTP/2 may send cookies in several fields; HTTP/1.1 has one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// The headers that come back, before anything is scrubbed.
pub(crate) fn incoming(came: &HeaderMap) -> HeaderMap {
    let nominated = nominated(came);
    let mut back = HeaderMap::with_capacity(came.len());
    for (name, value) in came {
        if !is_hop_by_hop(name, &nominated) && !NOT_BACK.contains(&name.as_str()) {
            back.append(name.clone(), value.clone());
        }
    }
    back
}

/// Takes off every value what was put on the request.
pub(crate) fn scrub(headers: &mut HeaderMap, scrubber: &mut Scrubber) {
    for value in headers.values_mut() {
        if let Some(scrubbed) = scrubber.scrub_once(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&scrubbed).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

/// A header whose very name holds the secret does not come back (attack I02).
pub(crate) fn without_names(headers: HeaderMap, scrubber: &mut Scrubber) -> HeaderMap {
    let tells: Vec<_> =
        headers.keys().filter(|name| scrubber.scrub_once(name.as_str().as_bytes()).is_some()).cloned().collect();
    tells.into_iter().fold(headers, |mut headers, name| {
        headers.remove(name);
        headers
    })
}

/// What `Connection` names goes no further either. This happens before a
/// credential is put on, so nominating `authorization` takes nothing of ours off.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

fn is_hop_by_hop(name: &HeaderName, nominated: &[HeaderName]) -> bool {
    HOP_BY_HOP.contains(name) || nominated.contains(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    /// Attacks E08, E09, G07.
    #[test]
    fn only_end_to_end_headers_go_out() {
        let came: HeaderMap = [
            ("host", "other.test"),
            ("connection", "x-tag, authorization, close"),
            ("x-tag", "1"),
            ("authorization", "Bearer x"),
            ("proxy-authorization", "Basic x"),
            ("x-http-method-override", "DELETE"),
            ("x-forwarded-for", "10.0.0.1"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        let out = outgoing(&came);
        let names: Vec<_> = out.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(names, [("host", ""), ("accept", "*/*")]);
    }
}
