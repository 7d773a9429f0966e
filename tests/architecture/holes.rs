//! Only the drill makes holes: what starts sandboxes for people and agents cannot.

use crate::source::Source;

/// Where the word may stand: the two that carry it, and the drill that says it.
const MAY: [&str; 3] = ["containers/src/sandbox.rs", "src/sandboxes.rs", "src/drill/"];

/// Where a sandbox with a hole is started by somebody else.
pub fn made(source: &Source) -> Vec<String> {
    if MAY.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let said = source.shipping().into_iter().filter(|(_, line)| line.contains("start_with_hole"));
    said.map(|(line, _)| format!("{}:{line}: a sandbox with a hole outside the drill", source.path)).collect()
}

#[test]
fn a_hole_outside_the_drill_is_found() {
    let line = "let sandbox = sandboxes.start_with_hole(&group, hole).await?;\n";
    assert_eq!(made(&Source::new("src/control/server.rs", line)).len(), 1);
    assert!(made(&Source::new("src/drill/subject.rs", line)).is_empty());
}
