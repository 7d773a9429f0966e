//! The house keeps its floors: what may import what, where a permit is made, and
//! how big a file may be. Plain text work on the tree's own files, so that it
//! fails with a file and a line, and builds in a moment.
//!
//! Every check has a case below that it must find, so none can pass by being blind.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, unreachable_pub)]

#[path = "architecture/boundaries.rs"]
mod boundaries;
#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/crates.rs"]
mod crates;
#[path = "architecture/events.rs"]
mod events;
#[path = "architecture/exits.rs"]
mod exits;
#[path = "architecture/files.rs"]
mod files;
#[path = "architecture/floors.rs"]
mod floors;
#[path = "architecture/holes.rs"]
mod holes;
#[path = "architecture/layout.rs"]
mod layout;
#[path = "architecture/made_up.rs"]
mod made_up;
#[path = "architecture/modules.rs"]
mod modules;
#[path = "architecture/permit.rs"]
mod permit;
#[path = "architecture/promises.rs"]
mod promises;
#[path = "architecture/reach.rs"]
mod reach;
#[path = "architecture/reading.rs"]
mod reading;
#[path = "architecture/reading_list.rs"]
mod reading_list;
#[path = "architecture/resolving.rs"]
mod resolving;
#[path = "architecture/said.rs"]
mod said;
#[path = "architecture/shipped.rs"]
mod shipped;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/sums.rs"]
mod sums;
#[path = "architecture/tokens.rs"]
mod tokens;

use std::sync::OnceLock;

use modules::Workspace;
use source::{Source, tree};

/// Longer files are split, or they are several stories.
const MOST_LINES: usize = 450;

/// Crates of programs of their own, which run in a sandbox or speak with the daemon from outside.
const PROGRAMS: [&str; 3] = ["containers/guest/", "channels/whatsapp/", "channels/line/"];

/// Names that say nothing, and so collect everything.
const EMPTY_NAMES: [&str; 9] =
    ["common", "helper", "helpers", "manager", "managers", "misc", "util", "utilities", "utils"];

fn holds(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// What ships, read once.
fn workspace() -> &'static Workspace {
    static READ: OnceLock<Workspace> = OnceLock::new();
    READ.get_or_init(|| Workspace::read(&files::workspace()))
}

/// What ships of the daemon's own process, whichever crate it is in.
fn of_the_daemon() -> Vec<Source> {
    let ours = workspace().files.iter().filter(|file| !PROGRAMS.iter().any(|program| file.path.starts_with(program)));
    let ours: Vec<_> = ours.filter(|file| !file.path.ends_with("build.rs")).collect();
    assert!(ours.len() > 100, "found only {} files", ours.len());
    ours.into_iter().map(|file| Source::new(&file.path, &file.text)).collect()
}

#[test]
fn imports_only_go_down() {
    let workspace = Workspace::with_tests(&files::workspace());
    assert!(workspace.files.len() > 100, "found only {} files", workspace.files.len());
    holds(floors::climbing(&workspace));
}

#[test]
fn modules_stand_in_no_circle() {
    let workspace = workspace();
    assert!(workspace.crates().len() > 5, "found only {:?}", workspace.crates());
    holds(circles::closed(workspace));
}

#[test]
fn only_the_drill_makes_holes() {
    holds(tree(&["containers/src", "src"]).iter().flat_map(holes::made).collect());
}

#[test]
fn every_exit_is_on_the_page() {
    let (sources, page) = (of_the_daemon(), include_str!("../docs/exits.md"));
    holds(exits::differing(&sources, page));
    holds(sources.iter().flat_map(|source| exits::renamed(source, page)).collect());
    holds(sources.iter().flat_map(|source| exits::allowed(source, page)).collect());
}

/// A file of its own in a crate's folder would take the place of the workspace's, and a manifest
/// could switch the lint off.
#[test]
fn one_list_of_lints_holds_for_the_daemon() {
    let (lists, manifests): (Vec<_>, Vec<_>) =
        files::below("", &["toml"]).into_iter().partition(|(path, _)| path.ends_with("clippy.toml"));
    let lists: Vec<_> = lists.into_iter().map(|(path, _)| path).collect();
    assert_eq!(lists, [".clippy.toml", "containers/guest/.clippy.toml"]);
    let manifests = manifests.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    holds(manifests.filter(|(_, text)| text.contains("disallowed")).map(|(path, _)| path.clone()).collect());
}

#[test]
fn what_has_to_be_read_stays_within_its_limits() {
    let workspace = workspace();
    let lines = layout::lines(workspace).unwrap();
    let promises = sums::promises(include_str!("architecture/lines.txt")).unwrap();
    let ways = reach::Ways::of(workspace);
    let sums = sums::sums(&promises, &ways, &lines);
    holds(sums::wrong(&promises, &sums, &ways));
    holds(boundaries::giving(&promises, &ways));
    let tests: String = tree(&["policies"]).into_iter().map(|source| source.text).collect();
    holds(boundaries::untested(&promises, &tests));
    holds(reading_list::reaching_out(&promises, &ways, include_str!("../docs/exits.md")));
    holds(reading_list::differing(include_str!("../AUDIT.md"), &promises[0], &sums[0], &ways));
}

#[test]
fn crates_keep_apart() {
    holds(crates::manifests().iter().flat_map(|(name, text)| crates::wrong_dependencies(name, text)).collect());
}

#[test]
fn pure_crates_do_no_io() {
    let sources = tree(&["policies/src", "policies/words/src", "policies/file/src", "desk"]);
    assert!(sources.len() > 50, "found only {} files under policies/ and desk/", sources.len());
    holds(sources.iter().flat_map(crates::impure).collect());
}

#[test]
fn permits_are_made_in_one_place() {
    let sources = of_the_daemon();
    holds(sources.iter().flat_map(boundaries::elsewhere).collect());
    let (decision, elsewhere): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| source.path == "policies/src/decide.rs");
    holds(elsewhere.into_iter().flat_map(permit::made).collect());
    let made: usize = decision.into_iter().map(|source| permit::made(source).len()).sum();
    assert_eq!(made, 1, "policies/src/decide.rs makes a permit in {made} places; it should be one");
}

#[test]
fn what_is_said_stands_in_one_table() {
    let sources = of_the_daemon();
    assert!(sources.iter().any(|source| source.path == "src/store/outbox.rs"), "the table is where it is looked for");
    holds(sources.iter().flat_map(said::beside).collect());
}

#[test]
fn promises_have_tests() {
    let security = include_str!("../SECURITY.md");
    let sources = tree(&[
        "audit",
        "desk",
        "policies",
        "scan",
        "proxy",
        "containers/src",
        "containers/tests",
        "containers/guest/src",
        "channels",
        "src",
        "tests",
    ]);
    let code: String = sources.into_iter().map(|source| source.text).collect();
    holds(promises::broken(security, &code));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guards");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let patches: Vec<_> = files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect();
    holds(promises::unguarded(security, &patches, &code));
}

#[test]
fn every_kind_of_record_is_told() {
    let page = include_str!("../docs/audit.md");
    let sources = tree(&["proxy/gate/src", "proxy/src", "src"]);
    assert!(events::untold(&sources, "").len() > 10, "it finds what it looks for");
    holds(events::untold(&sources, page));
    holds(events::unnamed(include_str!("../policies/words/src/code.rs"), page));
}

#[test]
fn files_stay_readable() {
    let sources = tree(&["audit", "desk", "policies", "scan", "proxy", "containers", "channels", "src", "tests"]);
    holds(sources.iter().filter_map(too_long).collect());
    let mut lines: Vec<usize> = sources.iter().map(|source| source.text.lines().count()).collect();
    lines.sort_unstable();
    println!("{} files, median {} lines, longest {}", lines.len(), lines[lines.len() / 2], lines[lines.len() - 1]);
}

#[test]
fn names_say_something() {
    holds(
        tree(&["audit", "desk", "policies", "scan", "proxy", "containers", "channels", "src", "tests"])
            .iter()
            .flat_map(says_nothing)
            .collect(),
    );
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > MOST_LINES).then(|| format!("{}: {lines} lines; at most {MOST_LINES}, so split it", source.path))
}

fn says_nothing(source: &Source) -> Option<String> {
    let path = source.path.trim_end_matches(".rs");
    let name = path.split('/').find(|part| EMPTY_NAMES.contains(part))?;
    Some(format!("{}: `{name}` does not say what is in it", source.path))
}

#[test]
fn size_and_names_find_what_they_look_for() {
    assert!(too_long(&Source::new("src/long.rs", &"line\n".repeat(MOST_LINES + 1))).is_some());
    assert!(too_long(&Source::new("src/fits.rs", &"line\n".repeat(MOST_LINES))).is_none());
    assert!(says_nothing(&Source::new("src/vault/utils.rs", "")).is_some());
    assert!(says_nothing(&Source::new("src/common/mod.rs", "")).is_some());
    assert!(says_nothing(&Source::new("src/store/commons.rs", "")).is_none());
}
