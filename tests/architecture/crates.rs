//! The floors between the crates: who may depend on whom, and what the three crates of
//! `policies/` (words, the verdict, the policy file) and `desk` must not touch.

use std::fs;
use std::path::Path;

use crate::source::Source;

/// Each crate below the root, and all that it may take from this workspace.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("audit", &[]),
    ("desk", &[]),
    ("desk/lines", &[]),
    ("policies/words", &[]),
    ("policies", &["words"]),
    ("policies/file", &["desk", "policies"]),
    ("scan", &["words"]),
    // It knows no secret and scans nothing.
    ("proxy/gate", &["desk", "policies"]),
    ("proxy", &["gate", "policies", "scan"]),
    ("containers", &["desk", "doorward-guest", "lines"]),
    ("containers/guest", &["lines"]),
    ("channels/protocol", &[]),
    // Another licence: it speaks with the daemon and is linked with none of it.
    ("channels/whatsapp", &["channel-protocol", "lines"]),
];

const WORKSPACE: [&str; 15] = [
    "audit",
    "desk",
    "lines",
    "policies",
    "policy-file",
    "words",
    "scan",
    "gate",
    "proxy",
    "containers",
    "doorward-guest",
    "channel-protocol",
    "doorward-whatsapp",
    "doorward-line",
    "doorward",
];

/// What tests of the gate and the proxy write their policies with; neither knows a file.
const FOR_TESTS: [(&str, &str); 2] = [("proxy", "policy-file"), ("proxy/gate", "policy-file")];

/// Crates without I/O, clock and threads.
const PURE: [&str; 5] = ["desk", "desk/lines", "policies", "policies/words", "policies/file"];

/// Crates that do what the pure ones do not: I/O, time, threads of their own.
const NOT_FOR_THE_PURE: [&str; 11] = [
    "bollard",
    "chrono",
    "hickory-resolver",
    "hyper",
    "hyper-util",
    "jiff",
    "notify",
    "rusqlite",
    "rustix",
    "rustls",
    "tokio",
];

/// The same, in the standard library.
const IMPURE: [&str; 10] = [
    "std::env",
    "std::fs",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "SystemTime",
    "Instant",
    "TcpStream",
    "ToSocketAddrs",
];

/// What reads the clock.
const CLOCKS: [&str; 4] = ["Instant::now", "SystemTime", "Zoned::now", "Timestamp::now"];

/// The manifests of the crates that have rules here.
pub fn manifests() -> Vec<(&'static str, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(top.join(name).join("Cargo.toml")).unwrap();
    MAY_USE.iter().map(|(name, _)| (*name, read(name))).collect()
}

/// Dependencies that a crate may not have; those of its tests count too, for a
/// test that needs the floor above tests that floor.
pub fn wrong_dependencies(name: &str, manifest: &str) -> Vec<String> {
    let may_use = MAY_USE.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, may_use)| *may_use);
    let mut findings = Vec::new();
    for (line, dependency, for_tests) in dependencies(manifest) {
        let dependency = dependency.as_str();
        let allowed = may_use.contains(&dependency) || (for_tests && FOR_TESTS.contains(&(name, dependency)));
        if WORKSPACE.contains(&dependency) && !allowed {
            findings.push(format!("{name}/Cargo.toml:{line}: `{name}` may not depend on `{dependency}`"));
        }
        // The desk reads lengths of time with jiff; `impure` looks that it reads no clock.
        let reads_lengths = (name, dependency) == ("desk", "jiff");
        if PURE.contains(&name) && NOT_FOR_THE_PURE.contains(&dependency) && !reads_lengths {
            findings.push(format!("{name}/Cargo.toml:{line}: `{name}` is pure and does without `{dependency}`"));
        }
    }
    findings
}

/// Where shipping code of a pure crate reaches for files, sockets, the clock, or its
/// surroundings. The desk may count time that it is given.
pub fn impure(source: &Source) -> Vec<String> {
    let of_time = ["std::time", "Instant"];
    let counts_time = source.path.starts_with("desk/");
    let words = IMPURE.iter().filter(|word| !(counts_time && of_time.contains(word))).chain(&CLOCKS);
    let words: Vec<_> = words.collect();
    let mut findings = Vec::new();
    for (line, text) in source.shipping() {
        if let Some(word) = words.iter().find(|word| has_word(&text, word)) {
            findings.push(format!("{}:{line}: `{word}` in a crate that does no I/O and reads no clock", source.path));
        }
    }
    findings
}

fn has_word(text: &str, word: &str) -> bool {
    let edge = |character: Option<char>| !character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next()))
}

/// The names in every table of dependencies, with their lines, and whether they are for tests.
fn dependencies(manifest: &str) -> Vec<(usize, String, bool)> {
    let (mut inside, mut for_tests) = (false, false);
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            for_tests = table.starts_with("dev-");
            if let Some((_, name)) = table.split_once("dependencies.") {
                found.push((index + 1, name.to_string(), for_tests));
            }
        } else if inside && !line.starts_with('#') {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect();
            if !name.is_empty() {
                found.push((index + 1, name, for_tests));
            }
        }
    }
    found
}

#[test]
fn a_wrong_dependency_is_found() {
    let one = |name: &str, text: &str| wrong_dependencies(name, text).len();
    assert_eq!(one("policies", "[dependencies]\nserde = \"1\"\ntokio.workspace = true\n"), 1);
    assert_eq!(one("policies/file", "[dependencies]\njiff.workspace = true\ndesk.workspace = true\n"), 1);
    assert_eq!(one("desk", "[dependencies]\njiff.workspace = true\ntokio.workspace = true\n"), 1);
    assert_eq!(one("desk", "[dependencies]\npolicies.workspace = true\n"), 1);
    assert_eq!(one("policies", "[dependencies.proxy]\nworkspace = true\n"), 1);
    assert_eq!(
        one("proxy", "[dependencies]\npolicies.workspace = true\n[dev-dependencies]\ncontainers = { path = \"\" }\n"),
        1
    );
    assert_eq!(one("policies/file", "[dependencies]\npolicies = {}\ntokio = \"1\"\nproxy = {}\n"), 2);
    assert_eq!(one("proxy", "[dependencies]\npolicy-file = {}\n[dev-dependencies]\npolicy-file = {}\n"), 1);
    assert_eq!(one("containers", "[dependencies]\ndoorward-guest.workspace = true\nproxy.workspace = true\n"), 1);
    assert_eq!(one("proxy", "[package]\nname = \"containers\"\ncontainers = 1\n[dependencies]\n# containers\n"), 0);
}

#[test]
fn impure_code_is_found() {
    let count = |text: &str| impure(&Source::new("policies/src/a.rs", text)).len();
    let desk = |text: &str| impure(&Source::new("desk/src/a.rs", text)).len();
    assert_eq!(desk("use std::time::{Duration, Instant};\nfn a(now: Instant) {}\nlet b = Instant::now();\n"), 1);
    assert_eq!(count("use std::fs;\nlet now = Instant::now();\nuse std::net::TcpStream;\n"), 3);
    assert_eq!(
        count("// std::fs\nlet a = \"std::fs\";\nstruct Instantly;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
        0
    );
}
