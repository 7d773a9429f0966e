//! How many lines code has where rustfmt's defaults lay it out, whatever this tree's own settings are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use super::modules::{File, Module, Workspace};
use super::tokens::{Kind, tokens};

/// The lines of code of every file. Comments and blank lines are none.
#[expect(clippy::disallowed_methods, reason = "it is no part of the daemon")]
pub fn lines(workspace: &Workspace) -> Result<BTreeMap<String, usize>, String> {
    let copy = Copy::of(workspace).map_err(|error| format!("a copy to format: {error}"))?;
    let below = |file: &&File| workspace.modules.iter().any(|module| is_child(workspace, module, file));
    let roots = workspace.files.iter().filter(|file| !below(file));
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]).args(roots.map(|file| copy.0.join(&file.path)));
    let done = rustfmt.output().map_err(|error| format!("rustfmt does not start: {error}"))?;
    if !done.status.success() {
        return Err(format!("rustfmt: {}", String::from_utf8_lossy(&done.stderr)));
    }
    let mut lines = BTreeMap::new();
    for file in &workspace.files {
        let text = fs::read_to_string(copy.0.join(&file.path)).map_err(|error| format!("{}: {error}", file.path))?;
        lines.insert(file.path.clone(), code_lines(&text));
    }
    Ok(lines)
}

/// Whether another file's `mod` leads rustfmt to this one. None does to what is included.
fn is_child(workspace: &Workspace, module: &Module, file: &File) -> bool {
    let beside = module.parent.is_some_and(|parent| workspace.modules[parent].file != module.file);
    beside && workspace.files[module.file].path == file.path
}

/// The lines on which a token stands.
pub fn code_lines(text: &str) -> usize {
    let mut lines = BTreeSet::new();
    for token in tokens(text) {
        lines.insert(token.line);
        if token.kind == Kind::Text {
            let inside = text[token.start..token.end].lines().enumerate();
            lines.extend(inside.filter(|(_, line)| !line.trim().is_empty()).map(|(more, _)| token.line + more));
        }
    }
    lines.len()
}

/// A copy of what ships, gone with this value.
struct Copy(PathBuf);

impl Copy {
    fn of(workspace: &Workspace) -> std::io::Result<Self> {
        let copy =
            Copy(std::env::temp_dir().join(format!("doorward-lines-{}-{}", process::id(), workspace.files.len())));
        fs::create_dir_all(&copy.0)?;
        // Without settings of its own rustfmt would look for some further up.
        fs::write(copy.0.join("rustfmt.toml"), "")?;
        for file in &workspace.files {
            let path = copy.0.join(&file.path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            fs::write(path, &file.text)?;
        }
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
use super::modules::Tree;

#[test]
fn every_file_is_laid_out_by_the_defaults() {
    let dense = "fn a() { b(1); c(2); }\n";
    let tree = Tree::from(
        [
            ("Cargo.toml", "\nmembers = [\"a\"]\n"),
            ("rustfmt.toml", "max_width = 200\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("a/build.rs", dense),
            ("a/src/lib.rs", "mod inside { mod deep; }\n/// Of what does not ship.\n#[cfg(test)] mod tests;\n"),
            ("a/src/inside/deep.rs", "mod deeper;\ninclude!(\"part.rs\");\n"),
            ("a/src/inside/deep/deeper.rs", dense),
            ("a/src/inside/part.rs", dense),
            ("a/src/tests.rs", dense),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned())),
    );
    let lines = lines(&Workspace::read(&tree)).unwrap();
    let lines: Vec<_> = lines.iter().map(|(path, lines)| (path.as_str(), *lines)).collect();
    let of = |name: &str| lines.iter().find(|(path, _)| path.ends_with(name)).map(|(_, lines)| *lines);
    assert_eq!(of("lib.rs"), Some(3), "{lines:?}");
    assert_eq!([of("build.rs"), of("deeper.rs"), of("part.rs")], [Some(4); 3], "{lines:?}");
    assert_eq!(of("tests.rs"), None);
}

#[test]
fn lines_with_a_token_count() {
    assert_eq!(code_lines("// a\n\nfn a() {\n    /* b\n    c */\n}\n"), 2);
    assert_eq!(code_lines("let a = \"b\n\n  c\";\n"), 2);
}
