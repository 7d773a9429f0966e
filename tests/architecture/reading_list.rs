//! AUDIT.md leads through what the first promise's sum counts: no file more, none less.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::top;
use crate::naming::Code;
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

/// Files of which docs/exits.md says that they reach out, and that are left out of a sum as what cannot. (What another
/// promise counts is read for that one.)
pub fn reaching_out(promises: &[Promise], ways: &Ways, exits: &str) -> Vec<String> {
    let nowhere = section(exits, "Where it goes nowhere");
    let is_on_page = |path: &str| exits.replace(nowhere, "").contains(&format!("| `{path}` |"));
    let mut wrong = Vec::new();
    for promise in promises {
        // Of a part that has a reason of its own, that one holds.
        let mut why = BTreeMap::new();
        let mut without: Vec<_> = promise.without.iter().collect();
        without.sort_by_key(|(module, _)| module.split("::").count());
        for (module, reason) in without {
            let roots: Vec<_> = promise.roots.iter().map(|(root, _)| root.clone()).collect();
            why.extend(ways.left_out(module, &roots).into_iter().map(|file| (file, reason)));
        }
        let claims = |reason: &str| !["owner: ", "other: "].iter().any(|kind| reason.starts_with(kind));
        let files =
            why.into_iter().filter(|(_, reason)| claims(reason)).map(|(file, _)| &ways.workspace.files[file].path);
        wrong.extend(files.filter(|path| is_on_page(path)).map(|path| {
            format!("lines.txt: {}: {path} is left out, and docs/exits.md says that it reaches out", promise.name)
        }));
    }
    wrong
}

/// What brings a text or a file to a chat and AUDIT.md does not name: the files that have one checked, and the operations
/// by which an agent does something.
pub fn not_named(page: &str, codes: &[Code], operations: &str) -> Vec<String> {
    let listed: BTreeSet<_> = names(page).collect();
    let checks = |code: &&Code| {
        let says = code.words.windows(4).filter(|words| words[0].text.ends_with("say") && words[1].text == ".");
        let says: Vec<_> = says.map(|words| (words[2].text.as_str(), words[3].text.as_str())).collect();
        says.iter().any(|(call, open)| ["say", "own", "file", "growing", "question"].contains(call) && *open == "(")
    };
    let sayers = codes.iter().filter(checks).map(|code| code.path.clone());
    let acts = operations.lines().filter(|line| line.trim().ends_with("ACTS;"));
    let acts = acts.filter_map(|line| line.split('"').nth(1)).map(str::to_owned);
    let missing = sayers.chain(acts).filter(|name| !listed.contains(name));
    missing.map(|name| format!("AUDIT.md: {name} brings something to a chat, and is not named")).collect()
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
    let said = crate::sums::promises(&text.replace("type: x", "owner: x")).unwrap();
    assert_eq!(reaching_out(&said, &ways, exits).len(), 0);
    assert!(names("`a/gone.rs`").all(|name| is_path(&name)));
}

#[test]
fn what_brings_something_to_a_chat_unnamed_is_found() {
    let code = Code::read("src/a.rs", "fn a() {\n    self.say\n        .file(group, name)\n}\n");
    let table =
        "    React = \"react\", react::React, REGISTERED, ACTS;\n    Usage = \"usage\", x, REGISTERED, READS;\n";
    let found = |page: &str| not_named(page, std::slice::from_ref(&code), table).len();
    assert_eq!(found("nothing"), 2);
    assert_eq!(found("`src/{a,b}.rs`"), 1);
    assert_eq!(found("`src/{a,b}.rs` and `react`"), 0);
}
