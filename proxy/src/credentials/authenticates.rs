//! Account pinning: what else could authenticate a request (attacks K01 to K03, K08).
//!
//! A host that has a credential takes this sandbox's surrogate and nothing else:
//! with a key of its own, an agent could leave data in an account of its choosing.
//! What stands in a place of the host's credentials is settled before (`place.rs`).
//! Of the rest, names that say that they authenticate are refused. A header that
//! nobody knows may have any name, so it goes on only where its value cannot be a
//! key: what is not known to be harmless is known to be short or plain.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use policies::{Code, Refusal};

use super::harmless;
use super::{Found, Head, Place};

/// A header whose name holds one of these authenticates, or may.
const IN_HEADERS: [&str; 18] = [
    "auth",
    "bearer",
    "cookie",
    "token",
    "api-key",
    "apikey",
    "api_key",
    "access-key",
    "accesskey",
    "secret",
    "passw",
    "signature",
    "credential",
    "session",
    "jwt",
    "hmac",
    "dpop",
    "x-amz-security",
];

/// A query parameter whose name holds one of these authenticates, or may.
const IN_QUERIES: [&str; 18] = [
    "auth",
    "bearer",
    "token",
    "api-key",
    "apikey",
    "api_key",
    "access_key",
    "access-key",
    "accesskey",
    "accessid",
    "secret",
    "passw",
    "signature",
    "credential",
    "session",
    "subscription-key",
    "key-pair-id",
    "hmac",
];

/// Names of parameters that authenticate as a whole only: parts of them are in many words.
const WHOLE_IN_QUERIES: [&str; 7] = ["key", "sig", "jwt", "pass", "pwd", "pat", "sas"];

/// Names that authenticate here and there, where the value is a key.
const WITH_A_KEY: [&str; 4] = ["code", "appid", "app_id", "ticket"];

/// How keys of many vendors begin: whatever the parameter is called, this is one.
const VENDORS: [&str; 24] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "AIza",
    "ya29.",
    "AKIA",
    "ASIA",
    "eyJ",
    "hf_",
    "gsk_",
    "npm_",
    "pypi-",
    "SG.",
    "shpat_",
];

/// The least characters in a row, digits or both cases among them, that are taken for a key.
const SHORTEST_KEY: usize = 20;

/// The same in a header that nobody knows.
const SHORTEST_UNKNOWN: usize = 12;

/// Refuses whatever says by its name that it authenticates, outside of the one place.
pub(super) fn refuse_others(head: Head<'_>, found: Option<&Found<'_>>, own: &[Place]) -> Result<(), Refusal> {
    let place = found.and_then(|found| found.place.header());
    let mut foreign = head.headers.keys().filter(|name| Some(*name) != place.as_ref() && !is_own(name, own));
    // Browsers cannot set headers on a WebSocket, so some APIs take keys in this one.
    let subprotocol = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        value.contains(['.', '=']) || holds(&value, &IN_HEADERS)
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

fn holds_a_key(text: &str, shortest: usize) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '+' | '/' | '='));
    let mixed = |word: &str| {
        let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
        has(u8::is_ascii_digit) || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
    };
    words.into_iter().any(|word| word.len() >= shortest && mixed(word))
}

fn header_authenticates(name: &str) -> bool {
    !harmless::is_known(name) && (holds(name, &IN_HEADERS) || name.ends_with("key"))
}

fn parameter_authenticates(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = name.to_ascii_lowercase();
    // An escape in a parameter's name has no other use than to hide it.
    name.contains('%')
        || WHOLE_IN_QUERIES.contains(&name.as_str())
        || holds(&name, &IN_QUERIES)
        || (WITH_A_KEY.contains(&name.as_str()) && holds_a_key(value, SHORTEST_KEY))
        || (VENDORS.iter().any(|vendor| value.starts_with(vendor)) && holds_a_key(value, SHORTEST_KEY))
}

fn holds(name: &str, parts: &[&str]) -> bool {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    !harmless::WORDS.contains(&plain.as_str()) && parts.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names() {
        for name in [
            "authorization",
            "x-api-key",
            "cookie",
            "x-goog-api-key",
            "private-token",
            "x-auth",
            "apikey",
            "fastly-key",
            "accesskey",
            "x-master-key",
            "dpop",
            "x-hmac-sha256",
            "grpc-metadata-authorization",
            "content-secret",
            "x-api-key-version",
            "sec-ch-token",
        ] {
            assert!(header_authenticates(name), "{name}");
        }
        for name in [
            "accept",
            "anthropic-version",
            "content-type",
            "idempotency-key",
            "user-agent",
            "x-request-id",
            "mcp-session-id",
            "x-claude-code-session-id",
            "sec-websocket-key",
        ] {
            assert!(!header_authenticates(name), "{name}");
        }
        for parameter in [
            "key=x",
            "api_key=x",
            "access_token=x",
            "X-Amz-Signature=x",
            "to%6ben=x",
            "sig",
            "GoogleAccessId=x",
            "AWSAccessKeyId=x",
            "Key-Pair-Id=x",
            "pwd=x",
            "q=ghp_0123456789abcdef0123",
            "code=a1b2c3d4e5f6a7b8c9d0e1==",
            "code=AbCdEfGhIjKlMnOpQrStUvWx",
        ] {
            assert!(parameter_authenticates(parameter), "{parameter}");
        }
        for parameter in [
            "page=2",
            "pageToken=x",
            "sort_key=name",
            "author=me",
            "",
            "q=token",
            "code=200",
            "code=internationalisierungen",
            "code=INTERNATIONALISIERUNGEN",
            "cursor=Y3Vyc29yOjEyMzQ1Njc4OQ==",
            "sha=0123456789abcdef0123456789abcdef01234567",
            "q=sk-learn",
        ] {
            assert!(!parameter_authenticates(parameter), "{parameter}");
        }
    }

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
        for value in ["chat, base64url.bearer.c2s", "k=v", "v1.abc", "token-abc", "X-API-KEY"] {
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
