//! The keys that a policy file may have, and where.

pub(crate) const GROUP: [&str; 8] = ["use", "mode", "observe_until", "leaks", "limits", "allow", "deny", "test"];
pub(crate) const PRESET: [&str; 3] = ["allow", "deny", "test"];
pub(crate) const BASE: [&str; 4] = ["leaks", "limits", "deny", "test"];

pub(crate) const ALLOW: [&str; 14] = [
    "host",
    "scheme",
    "ports",
    "access",
    "do",
    "query",
    "json",
    "websocket",
    "tls",
    "credential",
    "private",
    "model",
    "opaque",
    "why",
];
pub(crate) const DENY: [&str; 5] = ["host", "ports", "do", "json", "why"];
pub(crate) const TEST: [&str; 3] = ["request", "body", "want"];
