//! AUDIT.md leads through what the first promise's sum counts: no file more, none less.

use std::collections::BTreeSet;

use crate::files::top;
use crate::reach::Ways;
use crate::sums::{Promise, Sum, thousands};

/// What of the page is not as it was computed, or names a file that is not there.
pub fn differing(page: &str, promise: &Promise, sum: &Sum, ways: &Ways) -> Vec<String> {
    let files = &ways.workspace.files;
    let counted: BTreeSet<_> = sum.reached.iter().map(|reached| files[reached.file].path.clone()).collect();
    let listed: BTreeSet<_> = names(section(page, "Reading list")).filter(|name| name.ends_with(".rs")).collect();
    let missing = counted.difference(&listed).map(|path| format!("AUDIT.md: {path} counts, and no step names it"));
    let needless = listed.difference(&counted).map(|path| format!("AUDIT.md: {path} does not count"));
    let without: BTreeSet<_> = promise.without.iter().map(|(module, _)| module.clone()).collect();
    let left_out: BTreeSet<_> = names(section(page, "Left out")).collect();
    let unsaid = without.difference(&left_out).map(|module| format!("AUDIT.md: does not say why {module} is left out"));
    let more = left_out.difference(&without).filter(|name| name.contains("::"));
    let more = more.map(|module| format!("AUDIT.md: {module} is not left out in lines.txt"));
    let mut findings: Vec<_> = missing.chain(needless).chain(unsaid).chain(more).collect();
    let said = [("at most", promise.limit), ("the goal is", promise.goal.unwrap_or_default())];
    let said = said.map(|(words, number)| format!("{words} {}", thousands(number)));
    findings.extend(said.into_iter().filter(|said| !page.contains(said)).map(|said| format!("AUDIT.md: it is {said}")));
    let gone = names(page).filter(|name| is_path(name) && !top().join(name).exists());
    findings.extend(gone.map(|name| format!("AUDIT.md: there is no {name}")));
    findings
}

/// Files that are left out of a sum, though a sandbox's request could bring about that they reach out.
pub fn reaching_out(promises: &[Promise], ways: &Ways, exits: &str) -> Vec<String> {
    let table = section(exits, "What a sandbox's request can bring about");
    let left_out = promises.iter().flat_map(|promise| &promise.without);
    // What another promise counts is read for that one.
    let left_out = left_out.filter(|(_, why)| !why.starts_with("other: ")).flat_map(|(module, _)| ways.within(module));
    let paths: BTreeSet<_> = left_out.map(|file| &ways.workspace.files[file].path).collect();
    let wrong = paths.into_iter().filter(|path| table.contains(&format!("| `{path}` |")));
    wrong.map(|path| format!("lines.txt: {path} is left out, and docs/exits.md says that it reaches out")).collect()
}

fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let after = page.split_once(&format!("\n## {title}\n")).map_or("", |(_, after)| after);
    after.split("\n## ").next().unwrap_or_default()
}

/// What stands between backticks; `a/{b,c}.rs` is two names.
fn names(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).flat_map(|span| {
        let parts = span.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        let Some((before, (among, after))) = parts else { return vec![span.to_owned()] };
        among.split(',').map(|one| format!("{before}{}{after}", one.trim())).collect()
    })
}

fn is_path(name: &str) -> bool {
    let ending = [".rs", ".md", ".toml", ".txt", ".json"].iter().any(|ending| name.ends_with(ending));
    ending && name.contains('/') && !name.contains(['*', ' '])
}

#[test]
fn a_page_that_says_something_else_is_found() {
    let tree = [
        ("Cargo.toml", "\nmembers = [\"a\"]\n"),
        ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
        ("a/src/lib.rs", "mod b; mod c; mod d;"),
        ("a/src/b.rs", "use crate::{c, d};"),
        ("a/src/c.rs", ""),
        ("a/src/d.rs", ""),
    ];
    let tree = tree.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let workspace = crate::modules::Workspace::read(&tree);
    let ways = Ways::of(&workspace);
    let lines = tree.keys().map(|path| (path.clone(), 1)).collect();
    let text = "promise p\nlimit 9\ngoal 7\nfrom\n    a::b  x\nwithout\n    a::d  type: x\n";
    let promises = crate::sums::promises(text).unwrap();
    let sums = crate::sums::sums(&promises, &ways, &lines);
    let found = |listed: &str, left_out: &str| {
        let page = format!(
            "# P\n\nIt is at most 9, the goal is 7.\n\n## Reading list\n\n{listed}\n\n## Left out\n\n{left_out}\n\n## More\n"
        );
        let found = differing(&page, &promises[0], &sums[0], &ways);
        found.into_iter().filter(|finding| !finding.contains("there is no")).collect::<Vec<_>>()
    };
    assert_eq!(found("`a/src/{b,c}.rs`, `a/src/lib.rs`", "`a::d`"), [""; 0]);
    assert_eq!(found("`a/src/b.rs`, `a/src/lib.rs`", "`a::d`"), ["AUDIT.md: a/src/c.rs counts, and no step names it"]);
    assert_eq!(found("`a/src/{b,c,d}.rs` `a/src/lib.rs`", "`a::d`"), ["AUDIT.md: a/src/d.rs does not count"]);
    assert_eq!(found("`a/src/{b,c}.rs`, `a/src/lib.rs`", "`a::c`").len(), 2);
    let exits = "\n## What a sandbox's request can bring about\n\n| `a/src/d.rs` | `TcpStream::connect` |\n\n## Else\n";
    assert_eq!(reaching_out(&promises, &ways, exits).len(), 1);
    assert_eq!(reaching_out(&promises, &ways, &exits.replace("d.rs", "c.rs")).len(), 0);
    assert!(names("`a/gone.rs`").all(|name| is_path(&name)));
}
