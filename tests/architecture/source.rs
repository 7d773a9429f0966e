//! The tree's own files, and how to look at their code without comments and text.

use crate::files;
use crate::shipped::shipped;
use crate::tokens::{Kind, tokens};

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
        coded(&self.text)
    }

    /// The same without items behind `#[cfg(test)]`. Whether a file is one is said where it is declared, not by its
    /// name: [`crate::of_the_daemon`] has none.
    pub fn shipping(&self) -> Vec<(usize, String)> {
        coded(&shipped(&self.text))
    }
}

fn coded(text: &str) -> Vec<(usize, String)> {
    let text = bare(text);
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned()));
    numbered.filter(|(_, line)| !line.trim().is_empty()).collect()
}

/// All Rust files below these folders, in order.
pub fn tree(folders: &[&str]) -> Vec<Source> {
    let folders = folders.iter().flat_map(|folder| files::below(folder, &["rs"]));
    let mut sources: Vec<_> = folders.map(|(path, text)| Source { path, text }).collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// The text without its comments and without what stands between double quotes, every line where it stood.
fn bare(text: &str) -> String {
    let lines = |part: &str| "\n".repeat(part.matches('\n').count());
    let mut out = String::new();
    let mut end = 0;
    for token in tokens(text) {
        let (gap, word) = (&text[end..token.start], &text[token.start..token.end]);
        match gap.trim().is_empty() {
            true => out.push_str(gap),
            false => out.push_str(&format!(" {}", lines(gap))),
        }
        match token.kind == Kind::Text && word.ends_with(['"', '#']) {
            true => out.push_str(&format!("\"{}\"", lines(word))),
            false => out.push_str(word),
        }
        end = token.end;
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
    assert_eq!(Source::new("src/store/tests.rs", "fn a() {}\n").shipping().len(), 1, "its name says nothing");
}
