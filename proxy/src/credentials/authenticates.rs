//! Account pinning: what else could authenticate a request (attacks K01 to K03).
//!
//! A host that has a credential takes this sandbox's surrogate and nothing else:
//! with a key of its own, an agent could leave data in an account of its choosing.

use http::HeaderMap;
use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL};
use policies::{Code, Refusal};

/// A header whose name holds one of these authenticates, or may.
const IN_HEADERS: [&str; 16] = [
    "auth",
    "cookie",
    "token",
    "api-key",
    "apikey",
    "api_key",
    "access-key",
    "secret",
    "passw",
    "signature",
    "credential",
    "session",
    "jwt",
    "x-amz-security",
    "subscription-key",
    "functions-key",
];

/// A query parameter whose name holds one of these authenticates, or may.
const IN_QUERIES: [&str; 13] = [
    "auth",
    "token",
    "api-key",
    "apikey",
    "api_key",
    "access_key",
    "accesskey",
    "secret",
    "passw",
    "signature",
    "credential",
    "session",
    "subscription-key",
];

/// Names that look like it and are about paging, counting or content.
const HARMLESS: [&str; 8] =
    ["pagetoken", "nexttoken", "continuationtoken", "synctoken", "maxtokens", "tokens", "author", "authors"];

/// Refuses whatever authenticates outside of the one place. `query` is without it.
pub(super) fn refuse_others(query: &str, headers: &HeaderMap, place: Option<&HeaderName>) -> Result<(), Refusal> {
    let foreign = headers.keys().any(|name| Some(name) != place && holds(name.as_str(), &IN_HEADERS));
    // Browsers cannot set headers on a WebSocket, so some APIs take keys in this one.
    let subprotocol = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        value.contains(['.', '=']) || value.contains("bearer") || holds(&value, &IN_HEADERS)
    });
    if foreign || subprotocol || query.split(['&', ';']).any(parameter_authenticates) {
        return Err(not_the_surrogate());
    }
    Ok(())
}

/// The refusal for anything that is not this sandbox's surrogate.
pub(super) fn not_the_surrogate() -> Refusal {
    let why = "this host has a credential, so it takes this sandbox's surrogate and no other key, cookie or token";
    Refusal::new(Code::CredentialNotSurrogate, why)
}

fn parameter_authenticates(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default().to_ascii_lowercase();
    // An escape in a parameter's name has no other use than to hide it.
    name.contains('%') || matches!(name.as_str(), "key" | "sig" | "jwt") || holds(&name, &IN_QUERIES)
}

fn holds(name: &str, parts: &[&str]) -> bool {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    !HARMLESS.contains(&plain.as_str()) && parts.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["authorization", "x-api-key", "cookie", "x-goog-api-key", "private-token", "x-auth", "apikey"] {
            assert!(holds(name, &IN_HEADERS), "{name}");
        }
        for name in ["accept", "anthropic-version", "content-type", "idempotency-key", "user-agent", "x-request-id"] {
            assert!(!holds(name, &IN_HEADERS), "{name}");
        }
        for parameter in ["key=x", "api_key=x", "access_token=x", "X-Amz-Signature=x", "to%6ben=x", "sig"] {
            assert!(parameter_authenticates(parameter), "{parameter}");
        }
        for parameter in ["page=2", "pageToken=x", "sort_key=name", "author=me", "", "q=token"] {
            assert!(!parameter_authenticates(parameter), "{parameter}");
        }
    }
}
