//! The house keeps its floors: what may import what, where a permit is made, and
//! how big a file may be. Plain text work on the tree's own files, so that it
//! fails with a file and a line, and builds in a moment.
//!
//! Every check has a case below that it must find, so none can pass by being blind.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, unreachable_pub)]

#[path = "architecture/attributes.rs"]
mod attributes;
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
#[path = "architecture/guest.rs"]
mod guest;
#[path = "architecture/layout.rs"]
mod layout;
#[path = "architecture/linked.rs"]
mod linked;
#[path = "architecture/made_up.rs"]
mod made_up;
#[path = "architecture/modules.rs"]
mod modules;
#[path = "architecture/naming.rs"]
mod naming;
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
use naming::Code;
use source::{Source, tree};

/// Longer files are split, or they are several stories.
const MOST_LINES: usize = 450;

/// Crates of programs of their own, which run in a sandbox or speak with the daemon from outside.
const PROGRAMS: [&str; 4] = ["containers/guest/", "channels/whatsapp/", "channels/line/", "tests/architecture/"];

/// It runs where the daemon is built, and starts cargo.
const BUILD: &str = "containers/build.rs";

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
    let ours = daemon(workspace());
    assert!(ours.len() > 100, "found only {} files", ours.len());
    ours
}

fn daemon(workspace: &Workspace) -> Vec<Source> {
    let others = |path: &str| PROGRAMS.iter().any(|program| path.starts_with(program)) || path == BUILD;
    let ours = workspace.files.iter().filter(|file| !others(&file.path));
    ours.map(|file| Source::new(&file.path, &file.text)).collect()
}

/// The same, read once more: what it says.
fn said_by_the_daemon() -> Vec<Code> {
    of_the_daemon().iter().map(|source| Code::read(&source.path, &source.text)).collect()
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
fn every_exit_is_on_the_page() {
    let (codes, page) = (said_by_the_daemon(), include_str!("../docs/exits.md"));
    holds(exits::differing(&codes, page));
    holds(codes.iter().flat_map(|code| exits::renamed(code, page)).collect());
    holds(codes.iter().flat_map(|code| exits::allowed(code, page)).collect());
    holds(exits::not_searched_for(include_str!("../.clippy.toml")));
    holds(codes.iter().flat_map(guest::used).collect());
}

/// A file is a test's if it is declared as one, whatever it is called.
#[test]
fn what_ships_by_the_name_of_a_test_is_searched() {
    let found = |declared: &str| {
        let files = [
            ("Cargo.toml", "\nmembers = [\".\"]\n"),
            ("src/lib.rs", declared),
            ("src/tests.rs", "#![allow(clippy::disallowed_methods)]\nfn a() {\n    TcpStream::connect(b);\n}\n"),
        ];
        let tree = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let sources = daemon(&Workspace::read(&tree));
        let codes: Vec<_> = sources.iter().map(|source| Code::read(&source.path, &source.text)).collect();
        exits::differing(&codes, "").len()
    };
    assert_eq!(found("mod tests;\n"), 1);
    assert_eq!(found("#[cfg(test)]\nmod tests;\n"), 0);
}

/// A file of its own in a crate's folder would take the place of the workspace's, and a manifest, an attribute or
/// cargo's settings could switch a lint off.
#[test]
fn one_list_of_lints_holds_for_the_daemon() {
    let all = files::below("", &["toml"]).into_iter().chain(files::below(".cargo", &["toml"]));
    let (lists, manifests): (Vec<_>, Vec<_>) = all.partition(|(path, _)| path.ends_with("clippy.toml"));
    let lists: Vec<_> = lists.into_iter().map(|(path, _)| path).collect();
    assert_eq!(lists, [".clippy.toml", "containers/guest/.clippy.toml"]);
    let tree = manifests.into_iter().collect();
    holds(attributes::in_manifests(&tree, &linked::folders(&tree, &PROGRAMS)));
    holds(said_by_the_daemon().iter().flat_map(attributes::hiding).collect());
    holds(
        [include_str!("../Makefile"), include_str!("../.ci/run")]
            .into_iter()
            .flat_map(attributes::run_leniently)
            .collect(),
    );
}

#[test]
fn what_is_linked_is_named() {
    let tree = files::workspace();
    holds(linked::differing(&tree, &linked::folders(&tree, &PROGRAMS), include_str!("architecture/linked.txt")));
    holds(linked::outside(&tree));
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
    let page = include_str!("../AUDIT.md");
    holds(reading_list::differing(page, &promises[0], &sums[0], &ways));
    holds(reading_list::not_named(page, &said_by_the_daemon(), include_str!("../src/operations/table.rs")));
}

#[test]
fn crates_keep_apart() {
    holds(crates::manifests().iter().flat_map(|(name, text)| crates::wrong_dependencies(name, text)).collect());
}

#[test]
fn pure_crates_do_no_io() {
    let pure = ["policies/src/", "policies/words/src/", "policies/file/src/", "desk/"];
    let sources: Vec<_> = of_the_daemon()
        .into_iter()
        .filter(|source| pure.iter().any(|folder| source.path.starts_with(folder)))
        .collect();
    assert!(sources.len() > 50, "found only {} files under policies/ and desk/", sources.len());
    holds(sources.iter().flat_map(crates::impure).collect());
}

#[test]
fn permits_are_made_in_one_place() {
    let codes = said_by_the_daemon();
    holds(codes.iter().flat_map(boundaries::elsewhere).collect());
    for (proof, place, most) in permit::MADE {
        let folder = place.split("src/").next().unwrap_or_default();
        let ours = codes.iter().filter(|code| code.path.starts_with(folder));
        let made =
            ours.flat_map(|code| permit::made(code, proof).into_iter().map(|line| format!("{}:{line}", code.path)));
        let made: Vec<_> = made.collect();
        let is_right = made.len() == most && made.iter().all(|made| made.starts_with(&format!("{place}:")));
        assert!(is_right, "`{proof}` is made in {place} alone, {most} times: {made:?}");
    }
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
