//! No circles among the modules of a crate: it can be read bottom up, and a module can be
//! left out of an audit with all that stands on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::floors;
use crate::source::Source;

/// The crates' folders.
pub const CRATES: [&str; 7] = [
    "audit/src",
    "policies/src",
    "proxy/src",
    "containers/src",
    "containers/guest/src",
    "channels/whatsapp/src",
    "src",
];

/// Arrows that still close a circle, with their crate. This list may only shrink: an arrow that
/// is gone, or closes none any more, has to leave it.
const LEFT: [(&str, &str, &str); 19] = [
    ("policies/src", "file", "blocks"),
    ("policies/src", "file", "limits"),
    ("policies/src", "file", "observe"),
    ("proxy/src", "audit", "ports"),
    ("proxy/src", "body", "upstream"),
    ("proxy/src", "connection", "flow"),
    ("proxy/src", "connection", "internal"),
    ("proxy/src", "connection", "tunnel"),
    ("proxy/src", "door", "connection"),
    ("proxy/src", "door", "refresh"),
    ("proxy/src", "door", "upstream"),
    ("proxy/src", "flow", "internal"),
    ("proxy/src", "flow", "refresh"),
    ("proxy/src", "ports", "record"),
    ("proxy/src", "record", "connection"),
    ("proxy/src", "request", "connection"),
    ("proxy/src", "tally", "door"),
    ("proxy/src", "tally", "upstream"),
    ("proxy/src", "websocket", "flow"),
];

/// The arrows of one crate: who imports whom, and the first place that does.
type Arrows = BTreeMap<(String, String), String>;

/// What is wrong with one crate.
pub fn closed(folder: &str, sources: &[Source]) -> Vec<String> {
    let left: BTreeSet<_> = LEFT.iter().filter(|(of, ..)| *of == folder).map(|(_, from, to)| (*from, *to)).collect();
    wrong(folder, &arrows(folder, sources), &left)
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

/// `lib.rs` names every module and `main.rs` starts them: neither is a room.
fn arrows(folder: &str, sources: &[Source]) -> Arrows {
    let of = |source: &Source| floors::modules(&source.path)[0].to_owned();
    let rooms: BTreeSet<_> = sources.iter().map(of).filter(|name| name != "lib" && name != "main").collect();
    let mut arrows = Arrows::new();
    for source in sources.iter().filter(|source| source.path.starts_with(folder)) {
        let depth = floors::modules(&source.path).len();
        let shipping = Source { path: source.path.clone(), text: text(source) };
        for (line, name) in floors::imported(&shipping, depth) {
            let from = of(source);
            if from != name && rooms.contains(&from) && rooms.contains(&name) {
                arrows.entry((from, name)).or_insert_with(|| format!("{}:{line}", source.path));
            }
        }
    }
    arrows
}

/// What ships, each line where it stood.
fn text(source: &Source) -> String {
    let mut lines = vec![String::new(); source.text.lines().count()];
    for (number, line) in source.shipping() {
        lines[number - 1] = line;
    }
    lines.join("\n")
}

#[test]
fn a_circle_is_found_and_an_exception_that_is_none_too() {
    let source = |name: &str, text: &str| Source::new(&format!("proxy/src/{name}.rs"), text);
    let three = [
        source("a", "use crate::b::B;\n"),
        source("b", "use crate::c::{self, C};\n"),
        source("c", "fn c() { crate::a::run() }\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}\n"),
        source("d", "use crate::a;\n"),
        source("lib", "pub use crate::a::A;\n"),
    ];
    let arrows = arrows("proxy/src", &three);
    assert_eq!(arrows.len(), 4, "{arrows:?}");
    let found = wrong("proxy/src", &arrows, &BTreeSet::new());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("proxy/src/a.rs:1: `a` imports `b`"), "{found:?}");
    assert!(wrong("proxy/src", &arrows, &BTreeSet::from([("c", "a")])).is_empty());
    assert_eq!(wrong("proxy/src", &arrows, &BTreeSet::from([("c", "a"), ("d", "a")])).len(), 1);
}
