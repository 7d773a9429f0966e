//! The tree's own files, and how to look at their code without comments and text.

use std::fs;
use std::path::Path;

/// One file, by its path from the top of the tree.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Source { path: path.to_string(), text: text.to_string() }
    }

    /// The lines with code, each with its number; comments and what stands between
    /// quotes are taken out.
    pub fn code(&self) -> Vec<(usize, String)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, bare(line)));
        numbered.filter(|(_, line)| !line.trim().is_empty()).collect()
    }

    /// The same without what is compiled for tests only: modules called `tests`, and
    /// items behind `#[cfg(test)]`, which rustfmt closes in the column they start in.
    pub fn shipping(&self) -> Vec<(usize, String)> {
        let mut kept = Vec::new();
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return kept;
        }
        let mut waiting = None;
        let mut inside = None;
        for (number, line) in self.code() {
            let column = line.len() - line.trim_start().len();
            let trimmed = line.trim();
            if let Some(start) = inside {
                if column == start && trimmed.starts_with(['}', ')', ']']) {
                    inside = None;
                }
            } else if trimmed.starts_with("#[cfg(test)]") {
                waiting = Some(column);
            } else if let Some(start) = waiting {
                if !trimmed.starts_with("#[") {
                    waiting = None;
                    inside = (!trimmed.ends_with([';', '}'])).then_some(start);
                }
            } else {
                kept.push((number, line));
            }
        }
        kept
    }
}

/// All Rust files below these folders, in order; build products are not ours.
pub fn tree(folders: &[&str]) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in folders {
        walk(top, &top.join(folder), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn walk(top: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                walk(top, &path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap();
            sources.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// A line without its comment and without what stands between double quotes.
fn bare(line: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut previous = ' ';
    for (at, character) in line.char_indices() {
        match character {
            '"' if previous != '\\' && previous != '\'' => {
                quoted = !quoted;
                out.push('"');
            }
            '/' if !quoted && line[at..].starts_with("//") => break,
            _ if quoted => {}
            other => out.push(other),
        }
        previous = if previous == '\\' && character == '\\' { ' ' } else { character };
    }
    out
}

#[test]
fn comments_and_quotes_are_no_code() {
    let source =
        Source::new("a.rs", "// crate::cli\nlet a = \"crate::cli // \\\" x\"; // crate::cli\nuse crate::vault;\n");
    assert_eq!(source.code(), [(2, "let a = \"\"; ".to_string()), (3, "use crate::vault;".to_string())]);
}

#[test]
fn test_modules_do_not_ship() {
    let source = Source::new("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n");
    let numbers: Vec<usize> = source.shipping().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 7]);
    let declared = Source::new("a.rs", "#[cfg(test)]\nmod tests;\nfn c() {}\n");
    assert_eq!(declared.shipping().len(), 1);
    assert!(Source::new("src/store/tests.rs", "fn a() {}\n").shipping().is_empty());
}
