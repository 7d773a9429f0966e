//! The keys that a policy file may have, and where.

use desk::toml::{TableKeys, Vocabulary};
use policies::Limits;

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

/// What may stand in a group's file.
pub(crate) static OF_A_GROUP: Vocabulary = with_top(&GROUP);
/// What may stand in a preset.
pub(crate) static OF_A_PRESET: Vocabulary = with_top(&PRESET);
/// What may stand in base.toml.
pub(crate) static OF_THE_BASE: Vocabulary = with_top(&BASE);

const fn with_top(top: &'static [&'static str]) -> Vocabulary {
    Vocabulary { top, tables: &TABLES, synonyms: &SYNONYMS, planned: &["ask"] }
}

static TABLES: [TableKeys; 4] = [
    TableKeys { header: "[limits]", keys: &Limits::NAMES },
    TableKeys { header: "[[allow]]", keys: &ALLOW },
    TableKeys { header: "[[deny]]", keys: &DENY },
    TableKeys { header: "[[test]]", keys: &TEST },
];

static SYNONYMS: [(&str, &str); 17] = [
    ("method", "do"),
    ("methods", "do"),
    ("path", "do"),
    ("paths", "do"),
    ("request", "do"),
    ("requests", "do"),
    ("url", "host"),
    ("domain", "host"),
    ("address", "host"),
    ("reason", "why"),
    ("comment", "why"),
    ("because", "why"),
    ("preset", "use"),
    ("presets", "use"),
    ("import", "use"),
    ("include", "use"),
    ("expect", "want"),
];
