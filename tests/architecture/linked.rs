//! What the daemon links: `linked.txt` names every dependency that is not of this workspace, and what keeps those that
//! can open sockets or start programs. Code names no crate that its own manifest does not.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::modules::{Tree, members};

/// One dependency: its features, and the crates that have it.
#[derive(Debug, Default, PartialEq)]
struct Linked {
    features: BTreeSet<String>,
    by: BTreeSet<String>,
}

/// What the crates in these folders link and the list does not say so, and what the list says in vain.
pub fn differing(tree: &Tree, folders: &[String], list: &str) -> Vec<String> {
    let top = manifest(tree, "");
    let shared = top.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let mut findings = Vec::new();
    for replaced in ["patch", "replace"].into_iter().filter(|table| top.contains_key(*table)) {
        findings.push(format!("Cargo.toml: [{replaced}] puts something else in a dependency's place"));
    }
    let mut linked: BTreeMap<String, Linked> = BTreeMap::new();
    for folder in folders {
        let table = manifest(tree, folder);
        let krate = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let krate = krate.unwrap_or_default();
        if table.contains_key("features") {
            findings.push(format!("{folder}Cargo.toml: features of its own could turn on those of what it links"));
        }
        for (name, own) in dependencies(&table, false) {
            let shared = shared.and_then(|shared| shared.get(name)).filter(|_| own.get("workspace").is_some());
            let said: Vec<_> = [Some(own), shared].into_iter().flatten().collect();
            let of = |key: &str| said.iter().find_map(|said| said.get(key));
            for key in ["package", "git", "registry"].into_iter().filter(|key| of(key).is_some()) {
                findings.push(format!("{folder}Cargo.toml: `{name}` is another by its `{key}`"));
            }
            if of("path").is_some() {
                continue; // Of this workspace: `outside` looks.
            }
            let here = linked.entry(name.clone()).or_default();
            here.by.insert(krate.to_owned());
            let features = said.iter().filter_map(|said| said.get("features")?.as_array()).flatten();
            here.features.extend(features.filter_map(Value::as_str).map(str::to_owned));
            if of("default-features").and_then(Value::as_bool).unwrap_or(true) {
                here.features.insert("default".to_owned());
            }
        }
    }
    let mut listed = listed(list);
    for (name, there) in linked {
        let differs = match listed.remove(&name) {
            None => "is not in the list".to_owned(),
            Some(said) if said.features != there.features => format!("has the features {:?}", there.features),
            Some(said) if !said.by.is_empty() && said.by != there.by => format!("is what {:?} have", there.by),
            Some(_) => continue,
        };
        findings.push(format!("tests/architecture/linked.txt: `{name}` {differs}; what does it open or start?"));
    }
    findings.extend(listed.into_keys().map(|name| format!("tests/architecture/linked.txt: nothing links `{name}`")));
    findings
}

fn listed(list: &str) -> BTreeMap<String, Linked> {
    let words = |part: &str| part.split_whitespace().map(str::to_owned).collect();
    let lines = list.lines().filter_map(|line| line.split_once('=').filter(|_| !line.starts_with('#')));
    let linked = |after: &str| {
        let parts: Vec<_> = after.split('|').collect();
        let kept = parts.get(2).is_some_and(|why| !why.trim().is_empty());
        Linked { features: words(parts[0]), by: if kept { words(parts[1]) } else { BTreeSet::new() } }
    };
    lines.map(|(name, after)| (name.trim().to_owned(), linked(after))).collect()
}

/// Dependencies by a path that leads to no member: cargo takes them for one, and no test reads them.
pub fn outside(tree: &Tree) -> Vec<String> {
    let members: BTreeSet<_> = members(tree).into_iter().collect();
    let mut findings = Vec::new();
    // What is no member is a workspace of its own.
    for folder in members.iter().map(String::as_str).chain(["."]).collect::<BTreeSet<_>>() {
        let folder = if folder == "." { String::new() } else { format!("{folder}/") };
        let table = manifest(tree, &folder);
        let shared =
            table.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(Value::as_table);
        let all = dependencies(&table, true).into_iter().chain(shared.into_iter().flatten());
        for (name, path) in all.filter_map(|(name, said)| Some((name, said.get("path")?.as_str()?))) {
            let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in path.split('/') {
                match part {
                    ".." if parts.pop().is_none() => parts.push(".."),
                    ".." | "." | "" => {}
                    part => parts.push(part),
                }
            }
            let leads = if parts.is_empty() { ".".to_owned() } else { parts.join("/") };
            if !members.contains(&leads) {
                findings.push(format!("{folder}Cargo.toml: `{name}` is in {leads}, which `members` does not list"));
            }
        }
    }
    findings
}

/// The folders of the members, but for these: `""`, or one that ends with a slash.
pub fn folders(tree: &Tree, but: &[&str]) -> Vec<String> {
    let folders = members(tree).into_iter().map(|name| if name == "." { String::new() } else { format!("{name}/") });
    folders.filter(|folder| !but.contains(&folder.as_str())).collect()
}

fn manifest(tree: &Tree, folder: &str) -> Table {
    tree.get(&format!("{folder}Cargo.toml")).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What stands in the tables of dependencies, whatever they depend on; those of tests too, if asked for.
fn dependencies(table: &Table, of_tests: bool) -> Vec<(&String, &Value)> {
    let targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = [table].into_iter().chain(targets.filter_map(|(_, table)| table.as_table()));
    let names = ["dependencies", "build-dependencies", "dev-dependencies"];
    let names = &names[..if of_tests { 3 } else { 2 }];
    let found = tables.flat_map(|table| names.iter().filter_map(|name| table.get(*name)?.as_table()));
    found.flatten().collect()
}

#[cfg(test)]
fn made_up(manifest: &str, workspace: &str) -> Tree {
    let top = format!("[workspace]\nmembers = [\"a\", \"b/c\"]\n[workspace.dependencies]\n{workspace}");
    Tree::from([
        ("Cargo.toml".to_owned(), top),
        ("a/Cargo.toml".to_owned(), format!("[package]\nname = \"a\"\n{manifest}")),
    ])
}

#[test]
fn a_dependency_that_nobody_looked_at_is_found() {
    let list = "# c = d\nsocket = default net | a | searched for\ntext =\n";
    let found = |manifest: &str| {
        let shared = "socket = { version = \"1\", features = [\"net\"] }\ntext = { version = \"1\", default-features = false }\n";
        differing(&made_up(manifest, shared), &["a/".to_owned()], list).len()
    };
    let good = "[dependencies]\nsocket.workspace = true\ntext = { workspace = true }\n";
    assert_eq!(found(good), 0);
    assert_eq!(found(&good.replace("text", "ureq")), 2, "another, and one that is listed in vain");
    for more in [
        "ureq = \"2\"\n",
        "[target.'cfg(unix)'.dependencies]\nureq = \"2\"\n",
        "[build-dependencies.ureq]\nversion = \"2\"\n",
        "[features]\nx = [\"text/plugin\"]\n",
    ] {
        assert_eq!(found(&format!("{good}{more}")), 1, "{more}");
    }
    assert_eq!(
        found(&good.replace("text = { workspace = true }", "text = { workspace = true, features = [\"plugin\"] }")),
        1
    );
    assert_eq!(
        found(&good.replace("text = { workspace = true }", "text = { package = \"ureq\", version = \"2\" }")),
        2
    );
    assert_eq!(found(&format!("{good}[dev-dependencies]\nureq = \"2\"\n")), 0);
    let taken = "socket = default net | b | searched for\ntext =\n";
    let shared =
        "socket = { version = \"1\", features = [\"net\"] }\ntext = { version = \"1\", default-features = false }\n";
    assert_eq!(differing(&made_up(good, shared), &["a/".to_owned()], taken).len(), 1, "another crate has it");
    let patched = made_up(good, &format!("{shared}[patch.crates-io]\ntext = {{ path = \"x\" }}\n"));
    assert_eq!(differing(&patched, &["a/".to_owned()], list).len(), 1);
}

#[test]
fn a_path_to_what_is_no_member_is_found() {
    let found = |manifest: &str, shared: &str| outside(&made_up(manifest, shared)).len();
    assert_eq!(found("[dependencies]\nc = { path = \"../b/c\" }\n", "c = { path = \"b/c\" }\n"), 0);
    assert_eq!(found("[dependencies]\nd = { path = \"d\" }\n", ""), 1);
    assert_eq!(found("[dev-dependencies.d]\npath = \"../../d\"\n", ""), 1);
    assert_eq!(found("", "d = { path = \"b/d\" }\n"), 1);
}
