//! The floors inside the root crate: a module imports from its own floor or below.

use crate::modules::{Tree, Workspace};
use crate::reach::arrows;

/// Every module of `src/`, with its floor. The crates below are floors 1 and 0;
/// `crates.rs` looks after those.
const FLOORS: &[(&str, u8)] = &[
    ("main", 4),
    ("lib", 4),
    ("absence", 3),
    ("agents", 3),
    ("alarms", 3),
    ("approvals", 3),
    ("backup", 3),
    ("cli", 3),
    ("control", 3),
    ("daemon", 3),
    ("drill", 3),
    ("edit", 3),
    ("digest", 3),
    ("gateway", 3),
    ("delegation", 3),
    ("operations", 3),
    ("pipeline", 3),
    ("sandboxes", 3),
    ("tour", 3),
    ("units", 3),
    ("upgrade", 3),
    ("channels", 2),
    ("config", 2),
    ("home", 2),
    ("images", 2),
    ("loopback", 2),
    ("memory", 2),
    ("phrases", 2),
    ("registration", 2),
    ("schedule", 2),
    ("skills", 2),
    ("budget", 2),
    ("meters", 2),
    ("clock", 2),
    ("resolver", 2),
    ("store", 2),
    ("vault", 2),
];

/// What a module of the root crate imports from above itself, in its tests too.
pub fn climbing(workspace: &Workspace) -> Vec<String> {
    let top = workspace.modules.iter().filter(|module| module.path.len() == 2 && module.path[0] == "doorward");
    let homeless = top.filter(|module| floor(&module.path[1]).is_none()).map(|module| {
        let path = &workspace.files[module.file].path;
        format!("{path}: the module `{}` has no floor; give it one in tests/architecture/floors.rs", module.path[1])
    });
    let mut findings: Vec<_> = homeless.collect();
    for ((from, to), place) in arrows(workspace, "doorward") {
        if let (Some(own), Some(other)) = (floor(&from), floor(&to))
            && other > own
        {
            findings
                .push(format!("{place}: `{from}` (floor {own}) imports `{to}` (floor {other}); imports only go down"));
        }
    }
    findings
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

#[cfg(test)]
fn finds(path: &str, text: &str) -> Vec<String> {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let modules =
        "mod cli; mod config; mod gateway; mod home; mod pipeline; mod store; mod tour; mod vault; mod daemon;";
    let mut tree = Tree::from([
        file("Cargo.toml", "[workspace]\nmembers = [\".\"]\n[package]\nname = \"doorward\"\n"),
        file("src/lib.rs", &format!("{modules} {}", if path.contains("attic") { "mod attic;" } else { "" })),
        file("src/cli.rs", "mod chat;"),
        file("src/config.rs", "mod file;"),
        file("src/store.rs", "mod messages;"),
    ]);
    let empty = ["cli/chat", "config/file", "store/messages", "gateway", "home", "pipeline", "tour", "vault", "daemon"];
    tree.extend(empty.map(|name| file(&format!("src/{name}.rs"), "pub fn run() {}")));
    tree.insert(path.to_owned(), text.to_owned());
    climbing(&Workspace::with_tests(&tree))
}

#[test]
fn a_climbing_import_is_found() {
    let up = finds("src/store/messages.rs", "use crate::home::Home;\n// use crate::cli;\nuse crate::cli::chat;\n");
    assert_eq!(up.len(), 1);
    assert!(up[0].starts_with("src/store/messages.rs:3: `store` (floor 2) imports `cli` (floor 3)"), "{up:?}");
    let grouped = finds("src/vault.rs", "use crate::{\n    home::{Home, pipeline},\n    gateway::Gateway,\n};\n");
    assert_eq!(grouped.len(), 1, "{grouped:?}");
    assert_eq!(finds("src/config/file.rs", "fn a() { super::super::daemon::run() }\n").len(), 1);
    assert_eq!(finds("src/config.rs", "use super::tour;\n").len(), 1);
    assert_eq!(finds("src/config.rs", "#[cfg(test)] mod tests { use crate::tour::run; }\n").len(), 1);
}

#[test]
fn importing_down_or_beside_is_fine() {
    assert!(finds("src/cli/chat.rs", "use crate::{pipeline, store::Store};\nuse super::super::tour;\n").is_empty());
    assert!(finds("src/main.rs", "fn main() { doorward::cli::run() }\n").is_empty());
    assert!(finds("src/store/messages.rs", "use mycrate::cli;\nuse crate::home;\n").is_empty());
}

#[test]
fn a_module_without_a_floor_is_found() {
    assert_eq!(finds("src/attic.rs", "").len(), 1);
}
