//! Rust's tokens: where each begins and ends. Comments are none.

/// What a token is, as far as this house asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or a keyword.
    Word,
    /// A literal between quotes.
    Text,
    /// A number, a lifetime or an operator.
    Other,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
}

/// One token, by its place in the text.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    pub line: usize,
}

/// Operators of more than one character, the longest first.
const OPERATORS: [&str; 25] = [
    "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=", "%=",
    "^=", "&=", "|=", "<<", ">>", "..", "$",
];

/// The tokens of a text.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else {
            let (kind, length) = token(rest, first);
            found.push(Token { kind, start: at, end: at + length, line });
            length
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn token(rest: &str, first: char) -> (Kind, usize) {
    if let Some(length) = literal(rest) {
        return (Kind::Text, length);
    }
    match first {
        '(' | '[' | '{' => (Kind::Open, 1),
        ')' | ']' | '}' => (Kind::Close, 1),
        '\'' => (Kind::Other, 1 + word(&rest[1..])),
        '0'..='9' => (Kind::Other, number(rest)),
        _ if first.is_alphabetic() || first == '_' => {
            let raw = if rest.starts_with("r#") { 2 } else { 0 };
            (Kind::Word, raw + word(&rest[raw..]))
        }
        _ => {
            let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
            (Kind::Other, operator.map_or(first.len_utf8(), |operator| operator.len()))
        }
    }
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

fn number(rest: &str) -> usize {
    let whole = word(rest);
    let fraction = rest[whole..].strip_prefix('.').filter(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    fraction.map_or(whole, |after| whole + 1 + word(after))
}

/// The length of a literal between quotes, if one begins here: `"…"`, `r#"…"#`, `'…'`, with `b` or `c` before.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let raw = prefix.ends_with('r');
        let after = rest.strip_prefix(*prefix);
        after.is_some_and(|after| match raw {
            true => after.trim_start_matches('#').starts_with('"'),
            false => after.starts_with(['"', '\'']),
        })
    })?;
    let after = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = &after[hashes + 1..];
        return Some(prefix.len() + hashes + 1 + inside.find(&close).map_or(inside.len(), |end| end + close.len()));
    }
    if after.starts_with('\'') && !is_character(after) {
        return None;
    }
    Some(prefix.len() + quoted(after))
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn is_character(after: &str) -> bool {
    let mut inside = after[1..].chars();
    inside.next() == Some('\\') || inside.next() == Some('\'')
}

/// The length of what stands between two equal quotes, with them.
fn quoted(text: &str) -> usize {
    let quote = text.chars().next();
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if Some(character) == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn a_text_falls_into_its_tokens() {
    let split = |text: &str| -> Vec<String> {
        tokens(text).into_iter().map(|token| text[token.start..token.end].to_owned()).collect()
    };
    assert_eq!(split("a::b /* c /* d */ e */ -> 'x // f\n"), ["a", "::", "b", "->", "'x"]);
    assert_eq!(split(r###"'"' r#"a"b"# b"\"" '\'' 1..2 1.5 r#type b'x'"###).len(), 10);
    assert_eq!(split(r###"'"' r#"a"b"# b"\"" '\''"###), ["'\"'", "r#\"a\"b\"#", "b\"\\\"\"", "'\\''"]);
    assert_eq!(split("&'a mut T<'static, 'é'>"), ["&", "'a", "mut", "T", "<", "'static", ",", "'é'", ">"]);
}
