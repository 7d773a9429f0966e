//! What code says, by its tokens: no layout gets round a search of these, `Self` is its type, and `<T>::` is `T::`.

use std::ops::Range;

use crate::reading::{Path, Reader, Said};
use crate::shipped::shipped;
use crate::tokens::{Kind, tokens};

/// What ships of a file.
pub struct Code {
    pub path: String,
    /// What stands outside of imports.
    pub words: Vec<Word>,
    /// Every leaf of every `use`, in inline modules too: its line, its path, its name (a glob has none).
    pub imports: Vec<(usize, Path, Option<String>)>,
    /// Every path of two segments or more.
    pub paths: Vec<(usize, Path)>,
    /// All of it.
    pub text: String,
}

pub struct Word {
    pub line: usize,
    /// What stands between quotes is `""`.
    pub text: String,
}

/// What may stand before a `<` that begins a type.
const BEFORE_A_TYPE: [&str; 9] = ["as", "await", "break", "else", "if", "in", "match", "return", "while"];

impl Code {
    pub fn read(path: &str, text: &str) -> Self {
        let text = shipped(text);
        let reader = Reader::new(&text);
        let (mut imports, mut paths) = (Vec::new(), Vec::new());
        let mut open: Vec<Range<usize>> = vec![reader.whole()];
        while let Some(range) = open.pop() {
            for (line, said) in reader.said(range) {
                match said {
                    Said::Import { path, name, .. } => imports.push((line, path, name)),
                    Said::Path(path) => paths.push((line, path)),
                    Said::Inline { inside, .. } => open.push(inside),
                    _ => {}
                }
            }
        }
        let words = words(&text, &reader.impls());
        Code { path: path.to_owned(), words, imports, paths, text }
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &word.text)
    }

    /// Where a name is said: `a::b` is found as `c::a::b` and as `a::bc`, and in a macro as `$x::b` and as `a::$x`, which
    /// could be it. What is defined by it is not said.
    pub fn says(&self, name: &str) -> Vec<usize> {
        let segments: Vec<_> = name.split("::").collect();
        let is_here = |at: &usize| {
            let segment = |(index, segment): (usize, &&str)| {
                let word = self.word(at + 2 * index);
                let last = index + 1 == segments.len();
                let follows = index == 0 || self.word(at + 2 * index - 1) == "::";
                let is_given = |place: usize| segments.len() > 1 && place > 0 && self.word(place - 1) == "$";
                follows
                    && match last {
                        true => word.starts_with(segment) || (index > 0 && word == "$"),
                        false => word == *segment || (is_given(at + 2 * index) && word != "crate"),
                    }
            };
            segments.iter().enumerate().all(segment) && (*at == 0 || self.word(at - 1) != "fn")
        };
        (0..self.words.len()).filter(is_here).map(|at| self.words[at].line).collect()
    }

    /// Where one of these gets another name, by an import or as a type.
    pub fn renamed(&self, names: &[&str]) -> Vec<usize> {
        let imports = self.imports.iter().filter(|(_, path, name)| {
            path.iter().any(|segment| names.contains(&segment.as_str()))
                && name.as_ref().is_some_and(|name| path.last() != Some(name) && name != "_")
        });
        let mut lines: Vec<_> = imports.map(|(line, ..)| *line).collect();
        let is_alias = |at: &usize| self.word(*at) == "type" && self.aliased(*at).is_some_and(|of| names.contains(&of));
        lines.extend((0..self.words.len()).filter(is_alias).map(|at| self.words[at].line));
        lines
    }

    /// What `type A = b::C;` gives another name to: the `C`.
    fn aliased(&self, at: usize) -> Option<&str> {
        let end = (at..self.words.len()).find(|at| [";", "{", "}"].contains(&self.word(*at)))?;
        let gives = (at..end).any(|at| self.word(at) == "=");
        gives.then(|| self.word(end - 1))
    }

    /// The word that closes what this one opens.
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for at in open..self.words.len() {
            match self.word(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" if depth <= 1 => return at,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
        }
        self.words.len()
    }
}

fn words(text: &str, impls: &[(String, Range<usize>)]) -> Vec<Word> {
    let all = tokens(text);
    let word = |at: usize| all.get(at).map_or("", |token| &text[token.start..token.end]);
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let (line, mut said) = (all[at].line, word(at).to_owned());
        if said == "use" && word(at + 1) != "<" {
            at += (at..all.len()).take_while(|at| word(*at) != ";").count() + 1;
            continue;
        }
        let before = words.last().map_or("", |word| &word.text);
        let begins_type = !before.starts_with(|c: char| c.is_alphanumeric() || "_:>)".contains(c));
        let opens_type = said == "<" && (begins_type || BEFORE_A_TYPE.contains(&before));
        let close = if opens_type { angle(&word, at) } else { None };
        if let Some(close) = close.filter(|close| word(close + 1) == "::") {
            // `<a::B as C>::d` is `B::d`.
            let of = (at..close).find(|at| word(*at) == "as").unwrap_or(close) - 1;
            if word(of - 1) == "$" {
                words.push(Word { line, text: "$".to_owned() });
            }
            words.push(Word { line, text: resolved(word(of).to_owned(), of, impls) });
            at = close + 1;
            continue;
        }
        if all[at].kind == Kind::Text {
            said = "\"\"".to_owned();
        }
        words.push(Word { line, text: resolved(said, at, impls) });
        at += 1;
    }
    words
}

/// Whose `Self` it is.
fn resolved(said: String, at: usize, impls: &[(String, Range<usize>)]) -> String {
    let inside = impls.iter().filter(|(_, body)| said == "Self" && body.contains(&at));
    let innermost = inside.min_by_key(|(_, body)| body.len());
    innermost.map_or(said, |(name, _)| name.clone())
}

/// Where what opens here closes, if it is a type that does.
fn angle<'a>(word: &impl Fn(usize) -> &'a str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for at in open.. {
        match word(at) {
            "<" => depth += 1,
            ">" => depth -= 1,
            ">>" => depth -= 2,
            "" | ";" | "{" | "}" => return None,
            _ => {}
        }
        if depth <= 0 {
            return Some(at);
        }
    }
    None
}

#[test]
fn no_spelling_hides_what_is_said() {
    let said = |text: &str| Code::read("src/a.rs", text).says("TcpStream::connect").len();
    for text in [
        "let a = TcpStream::connect(b)?;\n",
        "let a = tokio::net::TcpStream\n    :: connect_timeout(b);\n",
        "let a = <TcpStream>::connect(b);\n",
        "return <tokio::net::TcpStream as Way<'_, B>>::connect(b);\n",
        "impl Way for tokio::net::TcpStream {\n    fn a() { Self::connect(b) }\n}\n",
        "mod inside {\n    impl<T> Way<T> for TcpStream {\n        fn a() { <Self>::connect(b) }\n    }\n}\n",
        "let a = addresses.map(TcpStream::connect);\n",
        "macro_rules! a { ($t:ty) => { <$t>::connect(b) } }\n",
        "macro_rules! a { ($f:ident) => { TcpStream::$f(b) } }\n",
        "macro_rules! a { ($t:ident, $f:ident) => { $t::$f(b) } }\n",
    ] {
        assert_eq!(said(text), 1, "{text}");
    }
    for text in [
        "use a::TcpStream::connect;\n",
        "macro_rules! a { ($f:ident, $t:ty) => { $crate::connect(b), Other::$f(b), <$t>::described() } }\n",
        "// TcpStream::connect\nlet a = \"TcpStream::connect\";\n",
        "impl Way for Other {\n    fn a() { Self::connect(b) }\n}\nfn b(a: TcpStream) {}\n",
        "#[cfg(test)]\nmod tests {\n    fn a() { TcpStream::connect(b) }\n}\n",
    ] {
        assert_eq!(said(text), 0, "{text}");
    }
    let defined = Code::read("src/a.rs", "pub fn judge_own() {}\nlet a = judge_own;\n");
    assert_eq!(defined.says("judge_own"), [2]);
}

#[test]
fn another_name_is_found() {
    let found = |text: &str| Code::read("src/a.rs", text).renamed(&["Gate", "judge_own"]).len();
    for text in [
        "use gate::Gate as Way;\n",
        "use gate::{judge_own as own, check};\n",
        "fn a() {\n    use gate\n        ::Gate\n        as G;\n}\n",
        "pub type Way = gate::Gate;\n",
        "impl A for B {\n    type C = Gate;\n}\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    for text in ["use gate::Gate;\n", "use gate::Gate as _;\n", "type Kept = Vec<Gate>;\n", "info!(\"{}\", Gate::A);\n"]
    {
        assert_eq!(found(text), 0, "{text}");
    }
}
