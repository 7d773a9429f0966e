//! A made-up workspace with everything that can lead from one file to another.

use std::collections::BTreeSet;

use crate::modules::{Tree, Workspace};
use crate::reach::Ways;

/// Each file after a line with its path.
const FILES: &str = r#"
=== Cargo.toml
[workspace]
members = [
    "gate",
    "words",
    "host",
]
=== gate/Cargo.toml
[package]
name = "gate"
=== gate/build.rs
mod made;
fn main() {}
=== gate/made.rs
=== gate/src/lib.rs
mod exit; mod head; mod idle; mod part; mod port; mod told; mod globbed; mod named; mod table; mod quoted;
#[cfg(test)] mod fakes;
pub use head::Head;
pub use idle::Idle;
pub use port::Port;
=== gate/src/exit.rs
use crate::part::{self, Part as Piece};
use crate::Head;
fn dial() { words::Host::read(part::A, "// crate::idle"); /* crate::idle::Idle */ }
#[cfg(test)] mod tests { use crate::fakes; use crate::idle; }
include!("exit/included.rs");
=== gate/src/exit/included.rs
fn send() { tell!(crate::named::Name); super::port::open() }
=== gate/src/head.rs
pub struct Head { #[serde(with = "crate::quoted")] port: Box<dyn crate::port::Port>, }
=== gate/src/part.rs
pub mod inner { pub use super::super::globbed::*; fn a() { super::deeper::b() } }
mod deeper;
pub struct Part;
=== gate/src/part/deeper/mod.rs
impl<T> super::super::table::Row for Vec<T> {}
=== gate/src/globbed.rs
=== gate/src/named.rs
=== gate/src/quoted.rs
=== gate/src/idle.rs
pub struct Idle;
=== gate/src/port.rs
pub trait Port {}
=== gate/src/told.rs
macro_rules! tell { ($of:ty) => { impl $crate::table::Row for $of {} } }
=== gate/src/table.rs
pub trait Row {}
=== gate/src/fakes.rs
=== words/Cargo.toml
[package]
name = "words"
=== words/src/lib.rs
mod host; mod other; pub mod prelude;
pub use self::prelude::*;
=== words/src/prelude.rs
pub use crate::host::Host;
=== words/src/host.rs
pub struct Host;
=== words/src/other.rs
impl crate::Host { fn more(&self) {} }
=== host/Cargo.toml
[package]
name = "host"
=== host/src/lib.rs
pub mod ports; pub mod rows; pub mod desk;
=== host/src/ports.rs
use gate::Head;
struct Vault;
impl gate::Port for Vault {}
impl From<gate::Head> for Vault {}
=== host/src/rows.rs
=== host/src/desk.rs
use words::*;
=== host/src/main.rs
fn main() { host::desk::run() }
"#;

fn tree(changes: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for file in FILES.split("=== ").skip(1) {
        let (path, text) = file.split_once('\n').unwrap();
        tree.insert(path.to_owned(), text.to_owned());
    }
    tree.extend(changes.iter().map(|(path, text)| (path.to_string(), text.to_string())));
    tree
}

fn reached(tree: &Tree, root: &str, without: &[&str]) -> Vec<String> {
    let workspace = Workspace::read(tree);
    assert!(workspace.problems.is_empty(), "{:?}", workspace.problems);
    let without: Vec<_> = without.iter().map(|name| name.to_string()).collect();
    let reached = Ways::of(&workspace).reached(&[root.to_owned()], &without, BTreeSet::new());
    let mut paths: Vec<_> = reached.iter().map(|reached| workspace.files[reached.file].path.clone()).collect();
    assert!(
        reached
            .iter()
            .filter(|reached| reached.from.is_none())
            .all(|root| paths.contains(&workspace.files[root.file].path))
    );
    paths.sort();
    paths
}

#[test]
fn all_that_a_module_reaches_is_reached_and_nothing_else() {
    let all = [
        "gate/build.rs",
        "gate/made.rs",
        "gate/src/exit.rs",
        "gate/src/exit/included.rs",
        "gate/src/globbed.rs",
        "gate/src/head.rs",
        "gate/src/lib.rs",
        "gate/src/named.rs",
        "gate/src/part.rs",
        "gate/src/part/deeper/mod.rs",
        "gate/src/port.rs",
        "gate/src/quoted.rs",
        "gate/src/table.rs",
        "gate/src/told.rs",
        "host/src/ports.rs",
        "words/src/host.rs",
        "words/src/lib.rs",
        "words/src/other.rs",
        "words/src/prelude.rs",
    ];
    assert_eq!(reached(&tree(&[]), "gate::exit", &[]), all);
}

#[test]
fn a_boundary_keeps_a_module_out_and_what_only_it_reaches() {
    let tree = tree(&[]);
    let left = reached(&tree, "gate::exit", &["gate::part", "words", "gate::told"]);
    let gone = ["part", "deeper", "globbed", "words", "told"];
    assert!(left.iter().all(|path| gone.iter().all(|gone| !path.contains(gone))), "{left:?}");
    assert!(left.contains(&"gate/src/named.rs".to_owned()), "{left:?}");
}

#[test]
fn a_root_below_a_boundary_is_read() {
    let left = reached(&tree(&[]), "gate::exit", &["gate"]);
    let exit = |path: &&String| path.starts_with("gate/src/exit");
    assert!(left.iter().any(|path| exit(&path)) && !left.contains(&"gate/src/named.rs".to_owned()), "{left:?}");
}

#[test]
fn a_crate_is_a_root_with_all_of_its_modules_and_a_glob_asks_for_all_that_it_hands_on() {
    let tree = tree(&[]);
    assert!(reached(&tree, "gate", &[]).contains(&"gate/src/idle.rs".to_owned()));
    let desk = reached(&tree, "host::desk", &[]);
    let words =
        ["host/src/desk.rs", "words/src/host.rs", "words/src/lib.rs", "words/src/other.rs", "words/src/prelude.rs"];
    assert_eq!(desk, words);
}

#[test]
fn what_cannot_be_read_is_said() {
    let problems = |path: &str, text: &str| Workspace::read(&tree(&[(path, text)])).problems;
    assert_eq!(problems("words/src/host.rs", "mod gone;"), ["words/src/host.rs:1: `mod gone` has no file"]);
    assert_eq!(problems("words/src/host.rs", "\ninclude!(\"gone.rs\");").len(), 1);
    let made = problems("words/src/host.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/a.rs\"));");
    assert!(made[0].contains("what a build makes"), "{made:?}");
}
