//! The tree's own files.

use std::fs;
use std::path::{Path, PathBuf};

use super::modules::Tree;

/// The top of the tree, whichever crate this is compiled for.
pub fn top() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(own).to_owned()
}

/// Everything that says what the workspace is: its Rust files and the manifests.
pub fn workspace() -> Tree {
    below("", &["rs", "toml"])
}

/// The files of a folder with one of these endings, by their paths from the top.
pub fn below(folder: &str, endings: &[&str]) -> Tree {
    let mut tree = Tree::new();
    walk(&top(), &top().join(folder), endings, &mut tree);
    tree
}

/// Build products, and what begins with a dot, are not ours.
fn walk(top: &Path, folder: &Path, endings: &[&str], tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(top).unwrap().to_str().unwrap();
        if path.is_dir() {
            if !path.ends_with("target") && !name.starts_with('.') {
                walk(top, &path, endings, tree);
            }
        } else if path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)) {
            tree.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
}
