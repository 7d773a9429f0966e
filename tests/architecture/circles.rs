//! No circles among the modules of a crate: it can be read bottom up, and a module can be
//! left out of an audit with all that stands on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Tree, Workspace};
use crate::reach::{Arrows, arrows};

/// What is wrong with a workspace.
pub fn closed(workspace: &Workspace) -> Vec<String> {
    let mut folders = BTreeMap::<String, Arrows>::new();
    for (folder, krate) in workspace.crates() {
        folders.entry(folder).or_default().extend(arrows(workspace, krate));
    }
    folders.values().flat_map(wrong).collect()
}

fn wrong(arrows: &Arrows) -> Vec<String> {
    let all: BTreeSet<_> = arrows.keys().cloned().collect();
    let closing = arrows.iter().filter(|((from, to), _)| reaches(&all, to, from));
    closing
        .map(|((from, to), place)| format!("{place}: `{from}` imports `{to}`, which leads back to `{from}`"))
        .collect()
}

fn reaches(arrows: &BTreeSet<(String, String)>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut waiting = vec![from.to_owned()];
    while let Some(at) = waiting.pop() {
        if at == to {
            return true;
        }
        let next = arrows.iter().filter(|(source, _)| *source == at).map(|(_, target)| target.clone());
        waiting.extend(next.filter(|target| seen.insert(target.clone())).collect::<Vec<_>>());
    }
    false
}

#[test]
fn a_circle_is_found_and_a_line_is_none() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let tree = Tree::from([
        file("Cargo.toml", "[workspace]\nmembers = [\"proxy\"]\n"),
        file("proxy/Cargo.toml", "[package]\nname = \"proxy\"\n"),
        file("proxy/src/lib.rs", "mod a; mod b; mod c; mod d; pub use crate::a::A;\n"),
        file("proxy/src/a.rs", "use crate::b::B;\n"),
        file("proxy/src/b.rs", "use crate::c::{self, C};\n"),
        file("proxy/src/c.rs", "fn c() { crate::A::run() }\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}\n"),
        file("proxy/src/d.rs", "use crate::a;\n"),
    ]);
    let arrows = arrows(&Workspace::read(&tree), "proxy");
    assert_eq!(arrows.len(), 4, "{arrows:?}");
    let found = wrong(&arrows);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("proxy/src/a.rs:1: `a` imports `b`"), "{found:?}");
    let mut open = arrows.clone();
    open.retain(|(from, to), _| (from.as_str(), to.as_str()) != ("c", "a"));
    assert_eq!((open.len(), wrong(&open)), (3, Vec::new()));
}
