//! What authenticates nobody: headers whose meaning is known, by standard or by
//! vendor, and words that only look like it.

/// Names that look as if they authenticated and are about paging, counting or content.
pub(super) const WORDS: [&str; 8] =
    ["pagetoken", "nexttoken", "continuationtoken", "synctoken", "maxtokens", "tokens", "author", "authors"];

/// Beginnings of names: content, conditions, what browsers and client libraries say
/// about themselves, tracing.
const BEGINNINGS: [&str; 11] = [
    "accept",
    "content-",
    "if-",
    "sec-fetch-",
    "sec-ch-",
    "sec-websocket-",
    "grpc-",
    "x-stainless-",
    "x-b3-",
    "x-datadog-",
    "want-",
];

/// Endings of names: which version of an API is meant.
const ENDINGS: [&str; 2] = ["-version", "-beta"];

const NAMES: [&str; 54] = [
    // Of HTTP and WebDAV.
    "cache-control",
    "connection",
    "date",
    "depth",
    "destination",
    "dnt",
    "early-data",
    "expect",
    "host",
    "keep-alive",
    "link",
    "lock-token",
    "max-forwards",
    "origin",
    "overwrite",
    "pragma",
    "prefer",
    "priority",
    "range",
    "referer",
    "save-data",
    "te",
    "timeout",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    // Of tracing and repetition.
    "baggage",
    "client-request-id",
    "correlation-id",
    "idempotency-key",
    "request-id",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "x-client-request-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-idempotency-key",
    "x-request-id",
    // Of vendors. A session of MCP must not authenticate (its specification of 2025-06-18).
    "git-protocol",
    "http-referer",
    "mcp-session-id",
    "openai-organization",
    "openai-project",
    "x-claude-code-session-id",
    "x-goog-api-client",
    "x-goog-request-params",
    "x-goog-user-project",
    "x-ms-client-request-id",
    "x-ms-date",
    "x-requested-with",
    "x-title",
];

/// Whether a header of this name (lower case) authenticates nobody, whatever it holds.
pub(super) fn is_harmless(name: &str) -> bool {
    NAMES.contains(&name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
