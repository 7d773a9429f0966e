//! The floors inside the root crate: a module imports from its own floor or below.

use crate::source::Source;

/// Every module of `src/`, with its floor. The crates below are floors 1 and 0;
/// `crates.rs` looks after those.
const FLOORS: &[(&str, u8)] = &[
    ("main", 4),
    ("lib", 4),
    ("alarms", 3),
    ("claude", 3),
    ("cli", 3),
    ("control", 3),
    ("daemon", 3),
    ("drill", 3),
    ("gateway", 3),
    ("operations", 3),
    ("pipeline", 3),
    ("sandboxes", 3),
    ("tour", 3),
    ("channels", 2),
    ("config", 2),
    ("home", 2),
    ("loopback", 2),
    ("memory", 2),
    ("budget", 2),
    ("clock", 2),
    ("resolver", 2),
    ("store", 2),
    ("vault", 2),
];

/// What this file imports from above itself.
pub fn climbing(source: &Source) -> Vec<String> {
    let inside = modules(&source.path);
    let Some(own) = floor(inside[0]) else {
        return vec![format!(
            "{}: the module `{}` has no floor; give it one in tests/architecture/floors.rs",
            source.path, inside[0]
        )];
    };
    let mut findings = Vec::new();
    for (line, name) in imported(source, inside.len()) {
        if let Some(other) = floor(&name).filter(|other| *other > own) {
            findings.push(format!(
                "{}:{line}: `{}` (floor {own}) imports `{name}` (floor {other}); imports only go down",
                source.path, inside[0]
            ));
        }
    }
    findings
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// `src/cli/chat.rs` is the module `cli::chat`, of whichever crate.
pub fn modules(path: &str) -> Vec<&str> {
    let path = path.split_once("src/").map_or(path, |(_, path)| path);
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').collect()
}

/// The top-level modules that are named in code, with the line.
pub fn imported(source: &Source, depth: usize) -> Vec<(usize, String)> {
    let mut text = String::new();
    let mut starts = Vec::new();
    for (number, line) in source.code() {
        starts.push((text.len(), number));
        text.push_str(&line);
        text.push('\n');
    }
    let line_of = |at: usize| starts.iter().rev().find(|(start, _)| *start <= at).map_or(0, |(_, number)| *number);
    let mut found = Vec::new();
    // `super::` often enough leads to the top as well; one more in an inline module.
    let climbs = ["super::".repeat(depth), "super::".repeat(depth + 1)];
    for root in ["crate::", "doorward::", &climbs[0], &climbs[1]] {
        for (at, _) in text.match_indices(root) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':' || before == '$')
            {
                continue;
            }
            let rest = &text[at + root.len()..];
            for (offset, name) in first_names(rest) {
                found.push((line_of(at + root.len() + offset), name));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first segment of a path, or of each path in `{a, b::{c, d}}`.
fn first_names(rest: &str) -> Vec<(usize, String)> {
    let word = |at: usize| -> String {
        rest[at..].chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
    };
    if !rest.starts_with('{') {
        return vec![(0, word(0))];
    }
    let mut names = Vec::new();
    let mut nested = 0;
    let mut expecting = true;
    for (at, character) in rest.char_indices() {
        match character {
            '{' => nested += 1,
            '}' if nested == 1 => break,
            '}' => nested -= 1,
            ',' if nested == 1 => expecting = true,
            other if expecting && !other.is_whitespace() => {
                names.push((at, word(at)));
                expecting = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn a_climbing_import_is_found() {
    let finds = |path: &str, text: &str| climbing(&Source::new(path, text));
    let up = finds("src/store/messages.rs", "use crate::home::Home;\n// use crate::cli;\nuse crate::cli::chat;\n");
    assert_eq!(up.len(), 1);
    assert!(up[0].starts_with("src/store/messages.rs:3: `store` (floor 2) imports `cli` (floor 3)"), "{up:?}");
    let grouped = finds("src/vault.rs", "use crate::{\n    home::{Home, pipeline},\n    gateway::Gateway,\n};\n");
    assert_eq!(grouped.len(), 1, "{grouped:?}");
    assert!(grouped[0].starts_with("src/vault.rs:3:"), "{grouped:?}");
    assert_eq!(finds("src/config/file.rs", "fn a() { super::super::daemon::run() }\n").len(), 1);
    assert_eq!(finds("src/config.rs", "use super::tour;\n").len(), 1);
    assert_eq!(finds("src/cli/chat.rs", "use doorward::main;\n").len(), 1);
}

#[test]
fn importing_down_or_beside_is_fine() {
    let finds = |path: &str, text: &str| climbing(&Source::new(path, text));
    assert!(finds("src/cli/chat.rs", "use crate::{pipeline, store::Store};\nuse super::tour;\n").is_empty());
    assert!(finds("src/main.rs", "fn main() { doorward::cli::run() }\n").is_empty());
    assert!(finds("src/store/mod.rs", "use mycrate::cli;\nuse super::home;\n").is_empty());
}

#[test]
fn a_module_without_a_floor_is_found() {
    assert_eq!(climbing(&Source::new("src/attic/mod.rs", "")).len(), 1);
}
