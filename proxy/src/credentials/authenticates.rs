//! Account pinning: what else could authenticate a request (attacks K01 to K03, K08).
//!
//! A host that has a credential takes this sandbox's surrogate and nothing else:
//! with a key of its own, an agent could leave data in an account of its choosing.
//! What stands in a place of the host's credentials is settled before (`place.rs`).
//! Of the rest, names that say that they authenticate (`names.rs`) are refused. A header that
//! nobody knows may have any name, so it goes on only where its value cannot be a
//! key: what is not known to be harmless is known to be short or plain.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use policies::{Code, Refusal};

use super::harmless;
use super::names::{SHORTEST_KEY, header_authenticates, header_tells, holds_a_key, parameter_authenticates};
use super::{Found, Head, Place};

/// The least characters of a key in a header that nobody knows.
const SHORTEST_UNKNOWN: usize = 12;

/// Refuses whatever says by its name that it authenticates, outside of the one place.
pub(super) fn refuse_others(head: Head<'_>, found: Option<&Found<'_>>, own: &[Place]) -> Result<(), Refusal> {
    let place = found.and_then(|found| found.place.header());
    let mut foreign = head.headers.keys().filter(|name| Some(*name) != place.as_ref() && !is_own(name, own));
    // Browsers cannot set headers on a WebSocket, so some APIs take keys in this one.
    let subprotocol = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes());
        value.contains(['.', '=']) || looks_like_a_key(&value) || header_tells(&policies::normal_name(&value))
    });
    let own_parameter = |one: &str| own.iter().any(|own| own.parameter() == one.split('=').next());
    let query = head.query_beside(found);
    let mut parameters = query.split(['&', ';']).filter(|one| !own_parameter(one));
    // `/v1/x;api_key=…`: some servers take parameters there too.
    let mut in_path = head.path().split('/').flat_map(|segment| segment.split(';').skip(1));
    let named = foreign.any(|name| header_authenticates(name.as_str()));
    if named || subprotocol || parameters.any(parameter_authenticates) || in_path.any(parameter_authenticates) {
        return Err(not_the_surrogate());
    }
    Ok(())
}

/// Takes headers off that are not known to be harmless and could hold a key.
pub(super) fn take_off_unknown(headers: &mut HeaderMap, place: Option<&HeaderName>, own: &[Place]) -> Vec<HeaderName> {
    let harmless = |name: &str| harmless::is_known(name) || harmless::is_of_a_kind(name);
    let passes = |name: &HeaderName| Some(name) == place || harmless(name.as_str()) || is_own(name, own);
    let plain = |name: &HeaderName| headers.get_all(name).iter().all(is_plain);
    let unknown: Vec<_> = headers.keys().filter(|name| !passes(name) && !plain(name)).cloned().collect();
    for name in &unknown {
        headers.remove(name);
    }
    unknown
}

/// The refusal for anything that is not this sandbox's surrogate.
pub(crate) fn not_the_surrogate() -> Refusal {
    let why = "this host has a credential, so it takes this sandbox's surrogate and no other key, cookie or token";
    Refusal::new(Code::CredentialNotSurrogate, why)
}

/// What could be a key of its own.
pub(super) fn looks_like_a_key(text: &str) -> bool {
    holds_a_key(text, SHORTEST_KEY)
}

fn is_own(name: &HeaderName, own: &[Place]) -> bool {
    own.iter().any(|own| matches!(own, Place::Header(header) if header == name))
}

fn is_plain(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| !holds_a_key(text, SHORTEST_UNKNOWN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Attack K08 once more: where browsers put keys that they cannot put into a header.
    #[test]
    fn a_subprotocol_is_a_name_and_no_key() {
        let facts = policies::Facts::parse("GET", "wss://a.test/ws").unwrap();
        let refused = |value: &'static str| {
            let headers = HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value))]);
            refuse_others(Head::new(&facts, &headers), None, &[]).is_err()
        };
        for value in ["mqtt", "chat, superchat", "graphql-transport-ws"] {
            assert!(!refused(value), "{value}");
        }
        for value in
            ["chat, base64url.bearer.c2s", "k=v", "v1.abc", "token-abc", "X-API-KEY", "chat, 0a1b2c3d4e5f6a7b8c9d"]
        {
            assert!(refused(value), "{value}");
        }
    }

    /// Attack K08: whatever the header is called.
    #[test]
    fn a_header_that_nobody_knows_holds_no_key() {
        let came = [
            ("accept", "application/json;version=a1b2c3d4e5f6a7b8c9d0"),
            ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
            ("x-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("notion-version", "2022-06-28"),
            ("x-own", "0123456789abcdefABCDEF"),
            ("x-mode", "fast, and with 2 passes"),
            ("x-unknown", "0123456789abcdefABCDEF"),
            ("grpc-metadata-x", "0123456789abcdefABCDEF"),
            ("grpc-timeout", "5S"),
            ("x-short", "a1b2c3d4e5f6"),
        ];
        let mut headers: HeaderMap = came
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let own = [Place::Header(HeaderName::from_static("x-own"))];
        let mut off: Vec<_> = take_off_unknown(&mut headers, None, &own).iter().map(ToString::to_string).collect();
        off.sort();
        assert_eq!(off, ["grpc-metadata-x", "x-bytes", "x-short", "x-unknown"]);
        assert_eq!(headers.len(), 7);
    }
}
