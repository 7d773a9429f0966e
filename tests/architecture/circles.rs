//! No circles among the modules of a crate: it can be read bottom up, and a module can be
//! left out of an audit with all that stands on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Tree, Workspace};
use crate::reach::{Arrows, arrows};

/// Arrows that still close a circle, with their crate. This list may only shrink: an arrow that
/// is gone, or closes none any more, has to leave it.
const LEFT: [(&str, &str, &str); 0] = [];

/// What is wrong with a workspace.
pub fn closed(workspace: &Workspace) -> Vec<String> {
    let mut folders = BTreeMap::<String, Arrows>::new();
    for (folder, krate) in workspace.crates() {
        folders.entry(folder).or_default().extend(arrows(workspace, krate));
    }
    let left = |folder: &str| -> BTreeSet<_> {
        LEFT.iter().filter(|(of, ..)| *of == folder).map(|(_, from, to)| (*from, *to)).collect()
    };
    folders.iter().flat_map(|(folder, arrows)| wrong(folder, arrows, &left(folder))).collect()
}

fn wrong(folder: &str, arrows: &Arrows, left: &BTreeSet<(&str, &str)>) -> Vec<String> {
    let is_left = |(from, to): &(String, String)| left.contains(&(from.as_str(), to.as_str()));
    let kept: BTreeSet<_> = arrows.keys().filter(|arrow| !is_left(arrow)).cloned().collect();
    let mut findings = Vec::new();
    for ((from, to), place) in arrows {
        if kept.contains(&(from.clone(), to.clone())) && reaches(&kept, to, from) {
            findings.push(format!("{place}: `{from}` imports `{to}`, which leads back to `{from}`"));
        }
    }
    for (from, to) in left {
        let arrow = (from.to_string(), to.to_string());
        let mut with_it = kept.clone();
        with_it.insert(arrow.clone());
        if !arrows.contains_key(&arrow) || !reaches(&with_it, to, from) {
            findings.push(format!("{folder}: `{from}` → `{to}` closes no circle; take it out of circles.rs"));
        }
    }
    findings
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
fn a_circle_is_found_and_an_exception_that_is_none_too() {
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
    let found = wrong("proxy/src", &arrows, &BTreeSet::new());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("proxy/src/a.rs:1: `a` imports `b`"), "{found:?}");
    assert!(wrong("proxy/src", &arrows, &BTreeSet::from([("c", "a")])).is_empty());
    assert_eq!(wrong("proxy/src", &arrows, &BTreeSet::from([("c", "a"), ("d", "a")])).len(), 1);
}
