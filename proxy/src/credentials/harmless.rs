//! What authenticates nobody: headers whose meaning is known, by standard or by
//! vendor, and words that only look like it.

/// Names that look as if they authenticated and are about paging, counting or content.
pub(super) const WORDS: [&str; 8] =
    ["pagetoken", "nexttoken", "continuationtoken", "synctoken", "maxtokens", "tokens", "author", "authors"];

/// Beginnings of names: what browsers and client libraries say about themselves, tracing.
const BEGINNINGS: [&str; 5] = ["sec-fetch-", "sec-ch-", "x-stainless-", "x-b3-", "x-datadog-"];

/// Endings of names: which version of an API is meant.
const ENDINGS: [&str; 2] = ["-version", "-beta"];

const NAMES: [&str; 86] = [
    // Of HTTP and WebDAV.
    "accept",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "depth",
    "dnt",
    "early-data",
    "expect",
    "host",
    "if",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-schedule-tag-match",
    "if-unmodified-since",
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
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "timeout",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "want-content-digest",
    "want-repr-digest",
    // Of gRPC. What begins with `grpc-metadata-` is anything at all behind its gateway.
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-previous-rpc-attempts",
    "grpc-tags-bin",
    "grpc-timeout",
    "grpc-trace-bin",
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
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The same by the kind of its name: of a header that does not say that it authenticates.
pub(super) fn is_of_a_kind(name: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
