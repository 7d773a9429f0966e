//! What a file says of others: modules, imports, paths, implementations, macros, what it includes.
//! Paths are found wherever they stand, in the arguments of macros and in attributes too.

use std::ops::Range;

use super::shipped::closing;
use super::tokens::{Kind, Token, tokens};

/// A path, by its segments.
pub type Path = Vec<String>;

/// One thing that a file says, at a line.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// `mod name;`, with what `#[path]` says.
    Declared { name: String, path: Option<String> },
    /// `mod name { … }`: the tokens inside.
    Inline { name: String, inside: Range<usize> },
    /// One leaf of a `use`; a glob has no name.
    Import { path: Path, name: Option<String>, public: bool },
    /// A path of two segments or more.
    Path(Path),
    /// `impl trait for types`, or `impl types`. What the trait is about stands behind it.
    Impl { of: Vec<Path>, types: Vec<Path> },
    /// Something with a name.
    Item(String),
    /// `macro_rules!`, with the traits that its body implements.
    Macro { name: String, implements: Vec<Path> },
    /// The call of a macro, with all paths between its brackets.
    Call { name: String, paths: Vec<Path> },
    /// `include!` of a file.
    Include(String),
    /// `include_str!` or `include_bytes!` of a file.
    Data(String),
    /// `include!` of what is no file of the tree.
    Generated,
}

/// A text and its tokens.
pub struct Reader<'a> {
    text: &'a str,
    all: Vec<Token>,
}

const NAMED: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Reader { text, all: tokens(text) }
    }

    /// All tokens.
    pub fn whole(&self) -> Range<usize> {
        0..self.all.len()
    }

    /// What stands between two tokens, each with the line. What an inline module holds is left
    /// to another call.
    pub fn said(&self, range: Range<usize>) -> Vec<(usize, Said)> {
        let mut said = Vec::new();
        let mut renamed = None;
        let mut at = range.start;
        while at < range.end {
            let mut found = Vec::new();
            let last = self.one(at, &mut renamed, &mut found);
            let next = self.path(last, &mut found);
            said.extend(found.into_iter().map(|what| (self.all[at].line, what)));
            at = next;
        }
        said
    }

    /// What begins at this token, if it is more than a path; the last token that was read.
    fn one(&self, at: usize, renamed: &mut Option<String>, said: &mut Vec<Said>) -> usize {
        match self.word(at) {
            "#" if self.word(at + 1) == "[" => {
                let close = closing(&self.all, at + 1);
                *renamed = self.attribute(at + 2..close, said).or(renamed.take());
            }
            "mod" if self.is_word(at + 1) => {
                let name = self.word(at + 1).to_owned();
                if self.word(at + 2) == "{" {
                    let close = closing(&self.all, at + 2);
                    said.push(Said::Inline { name, inside: at + 3..close });
                    return close;
                }
                said.push(Said::Declared { name, path: renamed.take() });
            }
            "use" if self.word(at + 1) != "<" => {
                let public = at > 0 && ["pub", ")"].contains(&self.word(at - 1));
                let mut leaves = Vec::new();
                let end = self.import(at + 1, &[], &mut leaves);
                said.extend(leaves.into_iter().map(|(path, name)| Said::Import { path, name, public }));
                return end;
            }
            "macro_rules" if self.word(at + 1) == "!" => {
                let name = self.word(at + 2).to_owned();
                said.push(Said::Macro { name, implements: self.implemented(at + 3..closing(&self.all, at + 3)) });
                return at + 2;
            }
            "impl" if self.begins_item(at) => said.push(self.implementation(at)),
            word if NAMED.contains(&word) && self.is_word(at + 1) => {
                said.push(Said::Item(self.word(at + 1).to_owned()));
            }
            _ if self.is_call(at) => said.push(self.call(at)),
            _ => {}
        }
        at
    }

    /// Each `impl`: the last name of its type, and the tokens of its body.
    pub fn impls(&self) -> Vec<(String, Range<usize>)> {
        let heads = self.whole().filter(|at| self.word(*at) == "impl" && self.begins_item(*at));
        let body = |at: usize| {
            let Said::Impl { types, .. } = self.implementation(at) else { return None };
            let open = (at..self.all.len()).find(|at| self.word(*at) == "{")?;
            Some((types.into_iter().next()?.pop()?, open..closing(&self.all, open)))
        };
        heads.filter_map(body).collect()
    }

    fn word(&self, at: usize) -> &str {
        self.all.get(at).map_or("", |token| &self.text[token.start..token.end])
    }

    fn is_word(&self, at: usize) -> bool {
        self.all.get(at).is_some_and(|token| token.kind == Kind::Word)
    }

    /// Not `-> impl Trait`, nor another type.
    fn begins_item(&self, at: usize) -> bool {
        at == 0 || ["}", ";", "]", "{", "unsafe"].contains(&self.word(at - 1))
    }

    fn is_call(&self, at: usize) -> bool {
        let opens = self.all.get(at + 2).is_some_and(|token| token.kind == Kind::Open);
        self.is_word(at) && self.word(at + 1) == "!" && opens
    }

    /// What `#[path]` says. Paths in quotes (`#[serde(with = "a::b")]`) are paths.
    fn attribute(&self, inside: Range<usize>, said: &mut Vec<Said>) -> Option<String> {
        for at in inside.clone().filter(|at| self.all[*at].kind == Kind::Text) {
            let reader = Reader::new(unquoted(self.word(at)));
            let mut place = 0;
            while place < reader.all.len() {
                place = reader.path(place, said);
            }
        }
        (self.word(inside.start) == "path").then(|| unquoted(self.word(inside.start + 2)).to_owned())
    }

    fn call(&self, at: usize) -> Said {
        let close = closing(&self.all, at + 2);
        let argument = unquoted(self.word(at + 3)).to_owned();
        let literal = self.all[at + 3].kind == Kind::Text;
        match self.word(at) {
            "include" if literal => Said::Include(argument),
            "include" => Said::Generated,
            "include_str" | "include_bytes" if literal => Said::Data(argument),
            name => Said::Call { name: name.to_owned(), paths: self.paths(at + 3..close) },
        }
    }

    /// Reads the path that begins here, if one does; where to go on.
    fn path(&self, at: usize, said: &mut Vec<Said>) -> usize {
        let Some((path, next)) = self.segments(at) else { return at + 1 };
        if path.len() > 1 && path[0] != "Self" {
            said.push(Said::Path(path));
        }
        next
    }

    /// `a::b::c`, and the token after it.
    fn segments(&self, at: usize) -> Option<(Path, usize)> {
        let before = if at == 0 { "" } else { self.word(at - 1) };
        let variable = before == "$" && self.word(at) != "crate";
        if !self.is_word(at) || before == "." || variable {
            return None;
        }
        let mut path = vec![self.word(at).to_owned()];
        let mut next = at + 1;
        while self.word(next) == "::" && self.is_word(next + 1) {
            path.push(self.word(next + 1).to_owned());
            next += 2;
        }
        Some((path, next))
    }

    /// All paths between two tokens, those of one segment too.
    fn paths(&self, range: Range<usize>) -> Vec<Path> {
        let mut found = Vec::new();
        let mut at = range.start;
        while at < range.end {
            at = self.segments(at).map_or(at + 1, |(path, next)| {
                found.push(path);
                next
            });
        }
        found
    }

    /// Reads one tree of a `use`; the token that ends it.
    fn import(&self, mut at: usize, before: &[String], leaves: &mut Vec<(Path, Option<String>)>) -> usize {
        let mut path = before.to_vec();
        loop {
            match self.word(at) {
                "" | ";" | "}" | "," => return at,
                "::" => at += 1,
                "{" => {
                    let close = closing(&self.all, at);
                    at += 1;
                    while at < close {
                        at = self.import(at, &path, leaves);
                        at += usize::from(self.word(at) == ",");
                    }
                    return close + 1;
                }
                "*" => {
                    leaves.push((path.clone(), None));
                    at += 1;
                }
                word => {
                    // `a::{self}` is `a`.
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    at += 1;
                    if self.word(at) != "::" {
                        let alias = self.word(at) == "as";
                        let name = if alias { self.word(at + 1) } else { path.last().map_or("", String::as_str) };
                        leaves.push((path.clone(), Some(name.to_owned())));
                        at += if alias { 2 } else { 0 };
                    }
                }
            }
        }
    }

    /// The head of an `impl`.
    fn implementation(&self, at: usize) -> Said {
        let start = self.after_angles(at + 1);
        let (mut next, mut split) = (start, None);
        while !["", "{", "where", ";"].contains(&self.word(next)) {
            if self.word(next) == "for" {
                split = Some(next);
            }
            next = self.after_angles(next).max(next + 1);
        }
        match split {
            Some(split) => Said::Impl { of: self.paths(start..split), types: self.paths(split + 1..next) },
            None => Said::Impl { of: Vec::new(), types: self.paths(start..next).into_iter().take(1).collect() },
        }
    }

    /// The token after `<…>`, if that begins here; else this one.
    fn after_angles(&self, at: usize) -> usize {
        let (mut depth, mut next) = (0_i32, at);
        loop {
            match self.word(next) {
                "<" => depth += 1,
                ">" => depth -= 1,
                ">>" => depth -= 2,
                "" => return next,
                _ => {}
            }
            if depth <= 0 {
                return if next == at { at } else { next + 1 };
            }
            next += 1;
        }
    }

    /// The traits that the body of a macro implements.
    fn implemented(&self, body: Range<usize>) -> Vec<Path> {
        let heads = body.filter(|at| self.word(*at) == "impl" && self.begins_item(*at));
        let of = heads.filter_map(|at| match self.implementation(at) {
            Said::Impl { of, types } => of.into_iter().chain(types).next(),
            _ => None,
        });
        of.collect()
    }
}

fn unquoted(literal: &str) -> &str {
    literal.trim_start_matches(['r', 'b', 'c', '#']).trim_end_matches('#').trim_matches('"')
}

#[test]
fn a_file_is_read() {
    let said = |text: &str| {
        let reader = Reader::new(text);
        let said: Vec<_> = reader.said(reader.whole()).into_iter().map(|(_, said)| format!("{said:?}")).collect();
        said.join("\n")
    };
    let has = |text: &str, part: &str| assert!(said(text).contains(part), "{text}: {}", said(text));
    has("use crate::a::{self, b as c, d::*};", "[\"crate\", \"a\"], name: Some(\"a\"), public: false");
    has("use crate::a::{self, b as c, d::*};", "[\"crate\", \"a\", \"b\"], name: Some(\"c\")");
    has("pub(crate) use {a::b, c::{d, e}};", "[\"c\", \"e\"], name: Some(\"e\"), public: true");
    has("use a::{b::*, c};", "[\"a\", \"b\"], name: None");
    has("fn a() { println!(\"{}\", super::b::C) }", "Path([\"super\", \"b\", \"C\"])");
    has("#[serde(with = \"crate::a::b\")] struct A;", "Path([\"crate\", \"a\", \"b\"])");
    has("#[path = \"b.rs\"] mod a;", "name: \"a\", path: Some(\"b.rs\")");
    has(
        "impl<T: A<B>> crate::C<T> for &'a D<E> where T: F {}",
        "of: [[\"crate\", \"C\"], [\"T\"]], types: [[\"D\"], [\"E\"]]",
    );
    has("; impl A<B> {}", "of: [], types: [[\"A\"]]");
    has("macro_rules! a { ($b:ty) => { impl $crate::C for $b {} } }", "implements: [[\"crate\", \"C\"]]");
    has("port!(Vault, a::B);", "name: \"port\", paths: [[\"Vault\"], [\"a\", \"B\"]]");
    has("include!(\"a.rs\"); include!(concat!(\"b\"));", "Include(\"a.rs\")\nGenerated");
    assert!(!said("fn a() -> impl Iterator { b.c::<D>() }").contains("Impl"));
    assert!(!said("a.b::<C>(Self::d)").contains("Path"));
}
