//! One way to read a path and a query: what is judged is what is sent.
//!
//! A path that two servers could read in two ways is refused, not repaired: dot segments, even in
//! disguise, backslashes, escapes within escapes, bytes that are not UTF-8 (some read an overlong
//! dot as a dot, CVE-2000-0884). Percent-encoded unreserved characters are decoded, hex digits are
//! written in upper case (RFC 3986 §6.2.2), and characters that clients wrongly leave unencoded
//! (`[`, `|`, letters of other scripts) are encoded; the result is judged, logged *and* sent.
//!
//! Three things have two readings and are needed by APIs all the same; only a rule that spells them
//! out lets them through: `%2F` and `%25`, each one character of its segment that no star covers
//! and that is never decoded, and `//`. What a server that decodes them would read is checked here
//! like any path: no dots, no further escapes, no empty segments.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, percent_encode_byte, utf8_percent_encode};

use crate::{PathError, likeness};

/// A canonical absolute path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Box<str>);

/// A query, without the `?`. It is sent as it came, except for characters that must be encoded; its
/// values are never logged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Query(Box<str>);

impl Path {
    /// Reads an origin-form path without its query.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        let canonical = canonical(text)?;
        let mut segments = canonical[1..].split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            check_segment(segment, last)?;
        }
        Ok(Path(canonical.into()))
    }

    /// `/`.
    pub fn root() -> Self {
        Path("/".into())
    }

    /// The canonical text, percent-encoding included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a rule writes it, where a literal star is escaped.
    pub fn spelt(&self) -> Self {
        Path(self.without_stars().0.replace('!', "%21").into())
    }

    /// As the log has it, where a star marks what is withheld.
    pub fn without_stars(&self) -> Self {
        Path(self.0.replace('*', "%2A").into())
    }

    /// Whether it has only one reading. If not, a rule must spell it out.
    pub fn is_plain(&self) -> bool {
        self.to_spell().is_none()
    }

    /// The part that a rule must spell out, in words.
    pub fn to_spell(&self) -> Option<&'static str> {
        match &*self.0 {
            text if text.contains(ESCAPED_SLASH) => Some("an escaped slash (%2F)"),
            text if text.contains(ESCAPED_PERCENT) => Some("an escaped percent sign (%25)"),
            text if text.contains("//") => Some("an empty segment (//)"),
            _ => None,
        }
    }

    /// The other reading: that of a server that undoes escapes before it splits the path.
    pub fn undone(&self) -> Cow<'_, str> {
        match self.0.contains(ESCAPED_SLASH) || self.0.contains(ESCAPED_PERCENT) {
            true => self.0.replace(ESCAPED_SLASH, "/").replace(ESCAPED_PERCENT, "%").into(),
            false => Cow::Borrowed(&self.0),
        }
    }
}

impl Query {
    /// Reads a query without a fragment. Encodes quotes, angle brackets and letters beyond ASCII, as
    /// browsers do, and keeps everything else.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if let Some(byte) = text.bytes().find(|byte| matches!(byte, 0..=b' ' | b'#' | 0x7f)) {
            return Err(PathError::QueryByte(byte));
        }
        Ok(Query(utf8_percent_encode(text, LEFT_IN_QUERIES).to_string().into()))
    }

    /// The text that is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes `%41`, keeps `%20`, encodes `|`, refuses separators in disguise.
fn canonical(text: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => match digit().zip(digit()) {
                Some((high, low)) => push(&mut out, 16 * high + low, true)?,
                None => return Err(PathError::Percent),
            },
            _ => push(&mut out, byte, false)?,
        }
    }
    Ok(out)
}

/// Adds a byte in its one form.
fn push(out: &mut String, byte: u8, was_escaped: bool) -> Result<(), PathError> {
    match byte {
        b'\\' => return Err(PathError::Ambiguous),
        0..=0x1f | 0x7f if was_escaped => return Err(PathError::Ambiguous),
        _ if is_unreserved(byte) => out.push(char::from(byte)),
        _ if was_escaped || is_left_plain(byte) => out.push_str(percent_encode_byte(byte)),
        _ if byte == b'/' || is_sub_delimiter(byte) => out.push(char::from(byte)),
        _ => return Err(PathError::Byte(byte)),
    }
    Ok(())
}

fn check_segment(segment: &str, last: bool) -> Result<(), PathError> {
    let plain = percent_encoding::percent_decode_str(segment).decode_utf8().map_err(|_| PathError::NotUtf8)?;
    // Some servers cut off path parameters before they look at the segment; some undo the escape
    // before another server does.
    let bare = plain.split(';').next().unwrap_or(&plain);
    match bare {
        _ if likeness::is_dots(&plain) => Err(PathError::DotSegment),
        "" if !segment.is_empty() => Err(PathError::EmptySegment),
        _ if likeness::is_session(&plain) => Err(PathError::Session),
        _ if segment.contains(ESCAPED_SLASH) || segment.contains(ESCAPED_PERCENT) => check_undone(&plain, last),
        _ => Ok(()),
    }
}

/// Checks a segment as the loosest reader sees it, with `%2F` and `%25` undone.
fn check_undone(segment: &str, last: bool) -> Result<(), PathError> {
    let plain = likeness::plain(segment);
    if plain.match_indices('%').any(|(at, _)| makes_escape(&plain.as_bytes()[at + 1..])) {
        return Err(PathError::SecondEscape);
    }
    let mut parts = plain.split(['/', '\\']).peekable();
    while let Some(part) = parts.next() {
        let is_end = last && parts.peek().is_none();
        if part.split(';').next().is_none_or(|bare| bare.trim().is_empty()) && !(is_end && part.is_empty()) {
            return Err(PathError::EmptySegment);
        }
    }
    Ok(())
}

/// `2F`, and the `u002F` of older Microsoft servers.
fn makes_escape(behind: &[u8]) -> bool {
    let digits = match behind.first() {
        Some(b'u' | b'U') => behind.get(1..5),
        _ => behind.get(..2),
    };
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// An escaped slash within a segment, as it stands in a canonical path.
pub const ESCAPED_SLASH: &str = "%2F";
/// The same for a percent sign.
pub const ESCAPED_PERCENT: &str = "%25";

/// What browsers encode in a query besides letters beyond ASCII.
const LEFT_IN_QUERIES: &AsciiSet = &AsciiSet::EMPTY.add(b'"').add(b'<').add(b'>');

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §3.3: the other characters allowed in a path segment.
fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

/// Characters that are not allowed in a path but that clients leave in it: curl all of them, browsers and
/// Node.js the first four. They separate nothing, so their escapes mean the same.
fn is_left_plain(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'^' | b'|' | b'`' | b'{' | b'}' | b'"' | b'<' | b'>' | 0x80..)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl fmt::Debug for Query {
    /// Query values may hold what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, want: Result<&str, PathError>) {
        let got = Path::parse(text).map(|path| path.to_string());
        assert_eq!(got, want.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn plain_paths_stay_as_they_are() {
        for text in ["/", "/a/b", "/a/b/", "/@scope+name", "/a:b;c=1", "/caf%C3%A9", "/a%20b", "/...", "/.git", "/a*b"]
        {
            check(text, Ok(text));
        }
    }

    #[test]
    fn encoding_has_one_form() {
        check("/%70rivate", Ok("/private"));
        check("/a%c3%a9", Ok("/a%C3%A9"));
        check("/%7Euser", Ok("/~user"));
        check("/%2Egit", Ok("/.git"));
    }

    /// Characters that clients wrongly leave unencoded are sent encoded.
    #[test]
    fn what_should_be_encoded_is() {
        check("/a[0]|b^c", Ok("/a%5B0%5D%7Cb%5Ec"));
        check("/{id}/`x`", Ok("/%7Bid%7D/%60x%60"));
        check("/\"a\"<b>", Ok("/%22a%22%3Cb%3E"));
        check("/caf\u{e9}", Ok("/caf%C3%A9"));
        // In either form it is the same path, or the same disguise.
        check("/a%5B0%5D%7cb%5ec", Ok("/a%5B0%5D%7Cb%5Ec"));
        check("/a/\u{ff0e}\u{ff0e}/b", Err(PathError::DotSegment));
        check("/a/..\u{a0}/b", Err(PathError::DotSegment));
        check("/a%2F\u{2215}b", Err(PathError::EmptySegment));
    }

    /// Attacks G01, G02.
    #[test]
    fn two_readings_are_refused() {
        for text in
            ["/a/../b", "/a/%2e%2e/b", "/./b", "/a/..", "/a/.", "/a/..;x/b", "/a/.%2E/b", "/a/..%3bx/b", "/a/.%3B"]
        {
            check(text, Err(PathError::DotSegment));
        }
        // Windows drops blanks from the end of names; other dots become dots by NFKC.
        for text in ["/a/..%20/b", "/a/.%20", "/a/%2E%2E%20;x/b", "/a/%EF%BC%8E%EF%BC%8E/b", "/a/%E2%80%A5/b"] {
            check(text, Err(PathError::DotSegment));
        }
        // Overlong, truncated, a surrogate, and another charset.
        for text in ["/a/%c0%ae%c0%ae/b", "/%e0%80%ae", "/%c3", "/%ed%a0%80", "/%ff%fe", "/caf%e9"] {
            check(text, Err(PathError::NotUtf8));
        }
        for text in ["/;x/b", "/%3Bx", "/a/%3b"] {
            check(text, Err(PathError::EmptySegment));
        }
        for text in ["/a%5cb", "/a\\b", "/a%00", "/a%0d%0ab", "/a%7f", "/a%2F%5Cb", "/a%25%00"] {
            check(text, Err(PathError::Ambiguous));
        }
        check("/a%2", Err(PathError::Percent));
        check("/a%zz", Err(PathError::Percent));
        check("/a?b", Err(PathError::Byte(b'?')));
        check("/a#b", Err(PathError::Byte(b'#')));
        check("/a b", Err(PathError::Byte(b' ')));
        check("/a\u{7f}", Err(PathError::Byte(0x7f)));
        check("a", Err(PathError::NotAbsolute));
        check("", Err(PathError::NotAbsolute));
        check("*", Err(PathError::NotAbsolute));
    }

    #[test]
    fn what_a_rule_can_spell_stays_as_it_stands() {
        for (text, want) in [
            ("/@scope%2fname", "/@scope%2Fname"),
            ("/a%2Fb%2Fc/d", "/a%2Fb%2Fc/d"),
            ("/a%2F", "/a%2F"),
            ("/100%25", "/100%25"),
            ("/100%25%20off", "/100%25%20off"),
            ("/50%25-off%2fx", "/50%25-off%2Fx"),
            ("//b", "//b"),
            ("/a//b", "/a//b"),
            ("/a//", "/a//"),
            ("/web/https://x.test///y", "/web/https://x.test///y"),
        ] {
            check(text, Ok(want));
            assert!(!Path::parse(text).unwrap().is_plain(), "{text}");
        }
        assert!(Path::parse("/a/b/%20%C3%A9").unwrap().is_plain());
        assert_eq!(Path::parse("/50%25-off%2fx/y").unwrap().undone(), "/50%-off/x/y");
    }

    /// Where a server undoes the escape, the result is a path that could stand by itself, whatever
    /// a rule spells.
    #[test]
    fn an_escape_undone_hides_nothing() {
        for text in [
            "/a%2F..%2Fb",
            "/a%2F..",
            "/..%2Fa",
            "/%2E%2E%2Fa",
            "/a%2F.%2Fb",
            "/a%2F..;x%2Fb",
            "/a%2F..%20",
            "/.%2Fa",
            "/a%2F%EF%BC%8E%EF%BC%8E/b",
            "/a%2F%2E%2e/b",
            "/a%25%2F..",
        ] {
            check(text, Err(PathError::DotSegment));
        }
        for text in [
            "/a%252Fb",
            "/a%252fb",
            "/%252e%252e/b",
            "/a%2525",
            "/a%25%32%46b",
            "/a%25252F",
            "/a%2541",
            "/a%25u002Fb",
            "/a%25%2541",
            "/a%252%46",
            "/a%252%E2%80%8BF",
            "/a%25%EF%BC%92F",
            "/a%2F%2500",
        ] {
            check(text, Err(PathError::SecondEscape));
        }
        for text in [
            "/%2Fa",
            "/a%2F%2Fb",
            "/a%2F/b",
            "/a/%2Fb",
            "/%2F",
            "/a%2F%2F",
            "/a%2F;x%2Fb",
            "/a%2F;x",
            "/a%2F%20%2Fb",
            "/a%2F%E2%88%95b",
            "/a%2F%E2%80%8B%2Fb",
            "//%2Fb",
            "/a%2F//b",
        ] {
            check(text, Err(PathError::EmptySegment));
        }
    }

    #[test]
    fn queries_are_visible_ascii_and_not_shown() {
        let query = Query::parse("key=%20!~'[]{}|^`\\").unwrap();
        assert_eq!((query.as_str(), format!("{query:?}")), ("key=%20!~'[]{}|^`\\", "Query(18 bytes)".to_owned()));
        assert_eq!(Query::parse("q=\"<\u{e9}>\"&%3c").unwrap().as_str(), "q=%22%3C%C3%A9%3E%22&%3c");
        for (text, byte) in [("a b", b' '), ("a#b", b'#'), ("a\u{7f}", 0x7f), ("a\n", b'\n')] {
            assert_eq!(Query::parse(text), Err(PathError::QueryByte(byte)), "{text:?}");
        }
        let told = Query::parse("a b").unwrap_err().to_string();
        assert!(told.starts_with("the query holds") && told.ends_with("write it as %20"), "{told}");
    }
}
