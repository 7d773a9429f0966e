//! What of a file ships: items behind `#[cfg(test)]` do not, nor what is for fuzzing.

use std::ops::Range;

use super::tokens::{Kind, Token, tokens};

/// The text without what is for tests, every line where it stood.
pub fn shipped(text: &str) -> String {
    let mut left = text.as_bytes().to_vec();
    for range in test_only(text) {
        let kept = text[range.clone()].bytes().map(|byte| if byte == b'\n' { b'\n' } else { b' ' });
        let kept: Vec<u8> = kept.collect();
        left[range].copy_from_slice(&kept);
    }
    String::from_utf8(left).unwrap_or_default()
}

/// What stands behind a `cfg` that only tests fulfil, with its comments and attributes.
fn test_only(text: &str) -> Vec<Range<usize>> {
    let all = tokens(text);
    let word = |at: usize| all.get(at).map_or("", |token: &Token| &text[token.start..token.end]);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let inner = word(at + 1) == "!";
        let open = at + 1 + usize::from(inner);
        if word(at) != "#" || word(open) != "[" {
            at += 1;
            continue;
        }
        let close = closing(&all, open);
        let can_ship = word(open + 1) != "cfg" || Cfg { all: &all, text, at: open + 3 }.predicate().0;
        if can_ship {
            at = close + 1;
        } else if inner {
            ranges.clear();
            ranges.push(0..text.len());
            return ranges;
        } else {
            let end = item_end(&all, text, close + 1);
            let from = with_comments(text, first_attribute(&all, text, at));
            ranges.push(from..all.get(end).map_or(text.len(), |token| token.end));
            at = end + 1;
        }
    }
    ranges
}

/// Attributes that stand before the `cfg` belong to the same item.
fn first_attribute(all: &[Token], text: &str, at: usize) -> usize {
    let mut first = at;
    while first > 0 && all[first - 1].kind == Kind::Close && text.as_bytes()[all[first - 1].start] == b']' {
        let open = opening(all, first - 1);
        if open == 0 || &text[all[open - 1].start..all[open - 1].end] != "#" {
            break;
        }
        first = open - 1;
    }
    all[first].start
}

/// Where the doc comments before a place begin.
fn with_comments(text: &str, place: usize) -> usize {
    let mut from = text[..place].rfind('\n').map_or(0, |end| end + 1);
    if !text[from..place].trim().is_empty() {
        return place;
    }
    while from > 0 {
        let line = text[..from - 1].rfind('\n').map_or(0, |end| end + 1);
        if !text[line..from].trim_start().starts_with("///") {
            break;
        }
        from = line;
    }
    from
}

/// The token that closes what this one opens.
pub fn closing(all: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in all.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 1 => return at,
            Kind::Close => depth -= 1,
            _ => {}
        }
    }
    all.len().saturating_sub(1)
}

fn opening(all: &[Token], close: usize) -> usize {
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        match all[at].kind {
            Kind::Close => depth += 1,
            Kind::Open if depth == 1 => return at,
            Kind::Open => depth -= 1,
            _ => {}
        }
    }
    0
}

/// Items that end with a semicolon, whatever braces they hold.
const TO_SEMICOLON: [&str; 5] = ["use", "static", "const", "type", "let"];
/// What begins an item, and no field, variant or arm.
const ITEMS: [&str; 12] =
    ["fn", "impl", "struct", "enum", "union", "trait", "mod", "macro_rules", "extern", "unsafe", "async", "pub"];

/// The last token of the item, field, variant or statement that begins at `from`.
pub fn item_end(all: &[Token], text: &str, from: usize) -> usize {
    let word = |at: usize| &text[all[at].start..all[at].end];
    let mut at = from;
    while at < all.len() && word(at) == "#" {
        at = closing(all, at + 1) + 1;
    }
    let mut first = at;
    while first < all.len() && (word(first) == "pub" || all[first].kind == Kind::Open) {
        first = if all[first].kind == Kind::Open { closing(all, first) + 1 } else { first + 1 };
    }
    let begins = if first < all.len() { word(first) } else { "" };
    let constant_fn =
        begins == "const" && first + 1 < all.len() && ["fn", "unsafe", "async"].contains(&word(first + 1));
    let to_semicolon = TO_SEMICOLON.contains(&begins) && !constant_fn;
    let item = to_semicolon || constant_fn || ITEMS.contains(&begins);
    while at < all.len() {
        match (all[at].kind, word(at)) {
            (Kind::Other, ";") => return at,
            (Kind::Other, ",") if !item => return at,
            (Kind::Other, "<") => at = type_end(all, text, at).unwrap_or(at),
            // The end of what holds it.
            (Kind::Close, _) => return at - 1,
            (Kind::Open, open) => {
                at = closing(all, at);
                if open == "{" && !to_semicolon {
                    let comma = at + 1 < all.len() && word(at + 1) == "," && !item;
                    return at + usize::from(comma);
                }
            }
            _ => {}
        }
        at += 1;
    }
    all.len() - 1
}

/// Where the types end that begin with this `<`, if it is no comparison: what is cut must not go on to the next arm.
fn type_end(all: &[Token], text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    let mut at = from;
    while at < all.len() {
        match (all[at].kind, &text[all[at].start..all[at].end]) {
            (_, "<") => depth += 1,
            (_, ">") => depth -= 1,
            (_, ">>") => depth -= 2,
            (Kind::Open, "(" | "[") => at = closing(all, at),
            (Kind::Word, _) | (_, "::" | "," | "&" | "->" | "+" | "=") => {}
            (_, other) if other.starts_with('\'') => {}
            _ => return None,
        }
        if depth <= 0 {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Reads a predicate: whether it can hold, and whether it can fail, where neither `test` nor
/// `fuzzing` is set.
struct Cfg<'a> {
    all: &'a [Token],
    text: &'a str,
    at: usize,
}

impl Cfg<'_> {
    fn word(&self) -> &str {
        self.all.get(self.at).map_or("", |token| &self.text[token.start..token.end])
    }

    fn predicate(&mut self) -> (bool, bool) {
        let name = self.word().to_owned();
        self.at += 1;
        if self.word() == "(" {
            let parts = self.parts();
            let (can_hold, can_fail): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            let (all, any) = (|of: &[bool]| of.iter().all(|is| *is), |of: &[bool]| of.iter().any(|is| *is));
            return match name.as_str() {
                "any" => (any(&can_hold), all(&can_fail)),
                "all" => (all(&can_hold), any(&can_fail)),
                "not" => (any(&can_fail), any(&can_hold)),
                _ => (true, true),
            };
        }
        if self.word() == "=" {
            self.at += 2;
            return (true, true);
        }
        let unset = name == "test" || name == "fuzzing";
        (!unset, true)
    }

    fn parts(&mut self) -> Vec<(bool, bool)> {
        let mut parts = Vec::new();
        self.at += 1;
        while self.at < self.all.len() && self.word() != ")" {
            parts.push(self.predicate());
            if self.word() == "," {
                self.at += 1;
            }
        }
        self.at += 1;
        parts
    }
}

#[test]
fn only_what_is_for_tests_is_cut() {
    let left = |text: &str| shipped(text).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        left("fn a() {}\n/// Doc.\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n"),
        "fn a() {} fn c() {}"
    );
    assert_eq!(left("#[path = \"t.rs\"]\n#[cfg(any(test, fuzzing))]\npub mod t;\nfn c() {}"), "fn c() {}");
    assert_eq!(left("struct A { a: u8, #[cfg(test)] b: Map<A, B>, c: u8 }"), "struct A { a: u8, c: u8 }");
    assert_eq!(left("struct A { a: u8, #[cfg(test)] b: u8 }"), "struct A { a: u8, }");
    assert_eq!(left("#[cfg(test)] const A: B = B { c: 1 }; fn c() {}"), "fn c() {}");
    assert_eq!(left("#[cfg(test)] pub(crate) const fn a<A, B>() -> u8 { 1 } fn c() {}"), "fn c() {}");
    assert_eq!(left("match a { #[cfg(test)] A => { 1 }, B => 2 }"), "match a { B => 2 }");
    assert_eq!(left("match a { #[cfg(test)] A if b < c => 1, B => 2, C => 3 }"), "match a { B => 2, C => 3 }");
    assert_eq!(left("S { #[cfg(test)] a: b < c, d: e > f }"), "S { d: e > f }");
    assert_eq!(left("struct S { #[cfg(test)] a: Map<A, Vec<B>>, c: u8 }"), "struct S { c: u8 }");
    for stays in
        ["#[cfg(not(test))] fn a() {}", "#[cfg(any(test, unix))] fn a() {}", "#[cfg(target_os = \"x\")] fn a() {}"]
    {
        assert_eq!(left(stays), stays);
    }
    assert_eq!(left("#![cfg(test)]\nfn a() {}"), "");
    assert_eq!(left("#[cfg(all(test, unix))] fn a() {} fn b() {}"), "fn b() {}");
}
