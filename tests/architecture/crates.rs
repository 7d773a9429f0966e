//! The floors between the crates: who may depend on whom, and what `policies`,
//! which is words and a verdict, must not touch.

use std::fs;
use std::path::Path;

use crate::source::Source;

/// Each crate below the root, and all that it may take from this workspace.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("audit", &[]),
    ("policies", &[]),
    ("proxy", &["policies"]),
    ("containers", &["doorward-guest"]),
    ("containers/guest", &[]),
    ("channels/protocol", &[]),
    // Another licence: it speaks with the daemon and is linked with none of it.
    ("channels/whatsapp", &["channel-protocol"]),
];

const WORKSPACE: [&str; 9] = [
    "audit",
    "policies",
    "proxy",
    "containers",
    "doorward-guest",
    "channel-protocol",
    "doorward-whatsapp",
    "doorward-line",
    "doorward",
];

/// Crates that do what `policies` does not: I/O, time, threads of its own.
const NOT_FOR_POLICIES: [&str; 11] = [
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
    for (line, dependency) in dependencies(manifest) {
        if WORKSPACE.contains(&dependency.as_str()) && !may_use.contains(&dependency.as_str()) {
            findings.push(format!("{name}/Cargo.toml:{line}: `{name}` may not depend on `{dependency}`"));
        }
        if name == "policies" && NOT_FOR_POLICIES.contains(&dependency.as_str()) {
            findings.push(format!("{name}/Cargo.toml:{line}: `policies` is pure and does without `{dependency}`"));
        }
    }
    findings
}

/// Where shipping code of `policies` reaches for files, sockets, the clock, or
/// its surroundings.
pub fn impure(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, text) in source.shipping() {
        if let Some(word) = IMPURE.iter().find(|word| has_word(&text, word)) {
            findings
                .push(format!("{}:{line}: `{word}` in `policies`, which does no I/O and knows no clock", source.path));
        }
    }
    findings
}

fn has_word(text: &str, word: &str) -> bool {
    let edge = |character: Option<char>| !character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next()))
}

/// The names in every table of dependencies, with their lines.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            if let Some((_, name)) = table.split_once("dependencies.") {
                found.push((index + 1, name.to_string()));
            }
        } else if inside && !line.starts_with('#') {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect();
            if !name.is_empty() {
                found.push((index + 1, name));
            }
        }
    }
    found
}

#[test]
fn a_wrong_dependency_is_found() {
    let one = |name: &str, text: &str| wrong_dependencies(name, text).len();
    assert_eq!(one("policies", "[dependencies]\nserde = \"1\"\ntokio.workspace = true\n"), 1);
    assert_eq!(one("policies", "[dependencies.proxy]\nworkspace = true\n"), 1);
    assert_eq!(
        one("proxy", "[dependencies]\npolicies.workspace = true\n[dev-dependencies]\ncontainers = { path = \"\" }\n"),
        1
    );
    assert_eq!(one("containers", "[dependencies]\ndoorward-guest.workspace = true\nproxy.workspace = true\n"), 1);
    assert_eq!(one("proxy", "[package]\nname = \"containers\"\ncontainers = 1\n[dependencies]\n# containers\n"), 0);
}

#[test]
fn impure_code_is_found() {
    let count = |text: &str| impure(&Source::new("policies/src/a.rs", text)).len();
    assert_eq!(count("use std::fs;\nlet now = Instant::now();\nuse std::net::TcpStream;\n"), 3);
    assert_eq!(
        count("// std::fs\nlet a = \"std::fs\";\nstruct Instantly;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
        0
    );
}
