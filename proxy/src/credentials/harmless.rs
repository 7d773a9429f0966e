//! Names that authenticate nobody: headers with a known meaning, by standard or by vendor, and
//! words that only look like keys (in the normal form of names).

use std::collections::HashSet;
use std::sync::LazyLock;

use gate::{is_sent_anew, is_sent_anew_by_its_kind};

/// Names of paging tokens and token counts: `nextPageToken`, `max_output_tokens`.
const OF_PAGING: [&str; 34] = [
    "page",
    "paging",
    "pagination",
    "next",
    "prev",
    "previous",
    "first",
    "last",
    "skip",
    "sync",
    "continuation",
    "continue",
    "starting",
    "start",
    "ending",
    "end",
    "cursor",
    "resume",
    "resumption",
    "delta",
    "changes",
    "change",
    "requestsync",
    "list",
    "results",
    "max",
    "min",
    "output",
    "input",
    "completion",
    "prompt",
    "total",
    "reasoning",
    "num",
];

/// Endings of parameters that describe something that authenticates: `token_count`.
pub(super) const ABOUT: [&str; 14] = [
    "count", "type", "version", "changed", "enabled", "required", "limit", "length", "size", "duration", "expires",
    "expired", "expiry", "status",
];

/// Headers that authenticate by their name, but not with this value: it says that no token is sent,
/// asks for one, or names its kind.
const PAIRS: [(&str, &str); 8] = [
    ("x-atlassian-token", "no-check"),
    ("x-atlassian-token", "nocheck"),
    ("x-csrf-token", "fetch"),
    ("npm-auth-type", "web"),
    ("npm-auth-type", "legacy"),
    ("x-snowflake-authorization-token-type", "keypair_jwt"),
    ("x-snowflake-authorization-token-type", "oauth"),
    ("x-snowflake-authorization-token-type", "programmatic_access_token"),
];

/// Words that only end like a key.
pub(super) const WORDS: [&str; 15] = [
    "monkey", "donkey", "turkey", "hockey", "jockey", "whiskey", "turnkey", "hotkey", "lackey", "mickey", "smokey",
    "pokey", "malarkey", "lowkey", "offkey",
];

/// Words that contain the letters of authenticating ones, and what may not follow: `authorId`, but
/// not `authorization`.
const OTHER_WORDS: [(&str, &[&str]); 6] = [
    ("author", &["iz", "is"]),
    ("tokeniz", &[]),
    ("possession", &[]),
    ("obsession", &[]),
    ("secretary", &[]),
    ("secretari", &[]),
];

/// Keys of sorting, paging and storage: `sort_key`. No service authenticates by one, so the value
/// does not matter.
pub(super) const KEYS_IN_ORDER: [&str; 37] = [
    "sort",
    "order",
    "group",
    "start",
    "startafter",
    "exclusivestart",
    "end",
    "first",
    "last",
    "lastevaluated",
    "evaluated",
    "next",
    "prev",
    "previous",
    "page",
    "paging",
    "cursor",
    "marker",
    "primary",
    "foreign",
    "partition",
    "shard",
    "row",
    "range",
    "hash",
    "column",
    "index",
    "cache",
    "surrogate",
    "lookup",
    "routing",
    "dedup",
    "deduplication",
    "idempotency",
    "incident",
    "unique",
    "natural",
];

/// Keys that also name things: `project_key=NOTES`. Here the value decides.
pub(super) const KEYS_OF_THINGS: [&str; 62] = [
    "issue",
    "project",
    "space",
    "object",
    "file",
    "folder",
    "document",
    "doc",
    "sheet",
    "table",
    "field",
    "property",
    "attribute",
    "setting",
    "config",
    "option",
    "flag",
    "feature",
    "event",
    "entity",
    "item",
    "record",
    "tag",
    "label",
    "category",
    "node",
    "board",
    "epic",
    "sprint",
    "task",
    "plan",
    "build",
    "job",
    "branch",
    "repo",
    "repository",
    "metric",
    "dimension",
    "translation",
    "message",
    "country",
    "city",
    "language",
    "locale",
    "theme",
    "icon",
    "image",
    "media",
    "asset",
    "component",
    "element",
    "layer",
    "template",
    "widget",
    "resource",
    "parent",
    "type",
    "status",
    "meta",
    "metadata",
    "query",
    "search",
];

/// Beginnings of names: what browsers and client libraries say about themselves, tracing; and an
/// owner's metadata: names and values stored beside an object.
const BEGINNINGS: [&str; 15] = [
    "sec-fetch-",
    "sec-ch-",
    "x-stainless-",
    "x-amz-meta-",
    "x-amz-checksum-",
    "x-goog-meta-",
    "x-goog-upload-",
    "x-ms-meta-",
    "x-bz-info-",
    "x-checksum-",
    "x-object-meta-",
    "x-container-meta-",
    "x-claude-code-",
    "x-claude-remote-",
    "anthropic-client-",
];

/// Endings of names: the version of an API, the checksum of a body.
const ENDINGS: [&str; 3] = ["-version", "-beta", "-checksum"];

const NAMES: [&str; 129] = [
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
    "digest",
    "dnt",
    "early-data",
    "expect",
    "from",
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
    "repr-digest",
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
    // Vendors' headers: each is documented, and says nothing about who is asking, except for an
    // account within the credential's own. An MCP session must not authenticate (its specification
    // of 2025-06-18); npm's and kubectl's are random numbers per run.
    "client-session-id",
    "dropbox-api-arg",
    "dropbox-api-path-root",
    "dropbox-api-select-admin",
    "dropbox-api-select-user",
    "filename",
    "git-protocol",
    "http-referer",
    "last-event-id",
    "mcp-session-id",
    "oci-subject",
    "openai-organization",
    "openai-project",
    "pacote-integrity",
    "pacote-pkg-id",
    "sforce-call-options",
    "sforce-query-options",
    "slug",
    "soapaction",
    "stripe-account",
    "stripe-context",
    "surrogate-key",
    "upload-checksum",
    "upload-concat",
    "upload-metadata",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-expected-bucket-owner",
    "x-amz-tagging",
    "x-amz-target",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-anchormailbox",
    "x-apollo-operation-id",
    "x-audit-log-reason",
    "x-bz-content-sha1",
    "x-bz-file-name",
    "x-claude-code-session-id",
    "x-claude-remote-session-id",
    "x-content-sha256",
    "x-elastic-client-meta",
    "x-file-name",
    "x-filename",
    "x-firebase-client",
    "x-github-media-type",
    "x-goog-authuser",
    "x-goog-fieldmask",
    "x-goog-hash",
    "x-goog-request-params",
    "x-goog-user-project",
    "x-ms-blob-content-md5",
    "x-ms-client-session-id",
    "x-ms-content-crc64",
    "x-ms-continuation",
    "x-ms-correlation-request-id",
    "x-ms-documentdb-partitionkey",
    "x-ms-lease-id",
    "x-ms-proposed-lease-id",
    "x-nuget-session-id",
    "x-presto-session",
    "x-rep-hints",
    "x-requested-with",
    "x-stripe-client-user-agent",
    "x-title",
    "x-trino-session",
    "xero-tenant-id",
];

/// A word without the words in it that only contain the letters of others.
pub(super) fn without_other_words(word: &str) -> String {
    OTHER_WORDS.iter().fold(word.to_owned(), |word, (other, but)| {
        let mut parts = word.split(other);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            let stays = but.iter().any(|but| part.starts_with(but));
            format!("{text}{}{part}", if stays { other } else { "." })
        })
    })
}

/// Whether a name, by its letters, is that of a paging token or a token count.
pub(super) fn is_of_paging(letters: &str) -> bool {
    fn made_of(rest: &str) -> bool {
        rest.is_empty() || OF_PAGING.iter().any(|word| rest.strip_prefix(word).is_some_and(made_of))
    }
    let of = letters.strip_suffix("tokens").or(letters.strip_suffix("token").filter(|of| !of.is_empty()));
    of.is_some_and(made_of)
}

/// Whether a header, by its letters, holds a paging token: `x-next-page-token`.
pub(super) fn is_of_paging_in_a_header(letters: &str) -> bool {
    let bare = letters.strip_prefix("xms").or(letters.strip_prefix('x')).unwrap_or(letters);
    bare.ends_with("token") && is_of_paging(bare)
}

/// Whether a header of this name (lower case) does not authenticate with this value.
pub(super) fn is_known_pair(name: &str, value: &[u8]) -> bool {
    PAIRS.iter().any(|(known, harmless)| *known == name && value.eq_ignore_ascii_case(harmless.as_bytes()))
}

/// Whether a header of this name (lower case) does not authenticate, whatever its value.
pub(super) fn is_known(name: &str) -> bool {
    static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| NAMES.into_iter().collect());
    KNOWN.contains(name) || is_sent_anew(name)
}

/// The same by the kind of name, for a header that does not say that it authenticates.
pub(super) fn is_of_a_kind(name: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || is_sent_anew_by_its_kind(name)
}
