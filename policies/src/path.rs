//! One way to read a path and a query: what was judged is what is sent.
//!
//! A path that two servers could read in two ways is refused, not repaired: dot
//! segments, also in disguise, empty segments, encoded slashes, backslashes, bytes that
//! are no UTF-8 (an overlong dot is a dot to some, CVE-2000-0884). Percent-encoding
//! of unreserved characters is undone and hex digits are written in upper case
//! (RFC 3986 §6.2.2); the result is judged, logged *and* sent.

use std::fmt;

use crate::likeness;

/// A canonical absolute path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Box<str>);

/// A query, without the `?`. Its bytes are sent as they came; its values are
/// never logged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Query(Box<str>);

/// Why a text is no path that can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Only origin-form is a path here.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// A byte that must be percent-encoded, or must not be there at all.
    #[error("the path holds a byte that may not stand there unencoded (0x{0:02x})")]
    Byte(u8),
    /// `%` without two hex digits behind it.
    #[error("a percent sign in the path is not followed by two hex digits")]
    Percent,
    /// Escapes that are no UTF-8: overlong forms, or letters of another charset.
    #[error("the path holds escapes that are no UTF-8, which servers read in different ways")]
    NotUtf8,
    /// `.` or `..`, plain, encoded or in disguise.
    #[error("the path holds a dot segment, which servers resolve in different ways")]
    DotSegment,
    /// `//`.
    #[error("the path holds an empty segment (//), which servers resolve in different ways")]
    EmptySegment,
    /// `%2F`, `%5C`, `\`, `%00`, `%25xx`: separators or escapes in disguise.
    #[error("the path holds an encoded separator or control character, which servers read in different ways")]
    Ambiguous,
}

impl Path {
    /// Reads an origin-form path without its query.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        let canonical = decode_unreserved(text)?;
        let mut segments = canonical[1..].split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            check_segment(segment, last)?;
        }
        Ok(Path(canonical.into()))
    }

    /// The canonical text, percent-encoding included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Query {
    /// Reads a query: visible ASCII without a fragment.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        match text.bytes().find(|b| !(0x21..=0x7e).contains(b) || *b == b'#') {
            Some(byte) => Err(PathError::Byte(byte)),
            None => Ok(Query(text.into())),
        }
    }

    /// The text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Undoes `%41`, keeps `%20` as `%20`, refuses separators in disguise.
fn decode_unreserved(text: &str) -> Result<String, PathError> {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'%' {
            let high = hex_digit(bytes.get(at + 1)).ok_or(PathError::Percent)?;
            let low = hex_digit(bytes.get(at + 2)).ok_or(PathError::Percent)?;
            push_encoded(&mut out, 16 * high + low)?;
            at += 3;
        } else {
            push_plain(&mut out, byte)?;
            at += 1;
        }
    }
    Ok(out)
}

fn push_plain(out: &mut String, byte: u8) -> Result<(), PathError> {
    match byte {
        b'\\' => Err(PathError::Ambiguous),
        _ if byte == b'/' || is_unreserved(byte) || is_sub_delimiter(byte) => {
            out.push(char::from(byte));
            Ok(())
        }
        _ => Err(PathError::Byte(byte)),
    }
}

fn push_encoded(out: &mut String, byte: u8) -> Result<(), PathError> {
    match byte {
        b'/' | b'\\' | b'%' => Err(PathError::Ambiguous),
        0..=0x1f | 0x7f => Err(PathError::Ambiguous),
        _ if is_unreserved(byte) => {
            out.push(char::from(byte));
            Ok(())
        }
        _ => {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
            Ok(())
        }
    }
}

fn check_segment(segment: &str, last: bool) -> Result<(), PathError> {
    let plain = percent_encoding::percent_decode_str(segment).decode_utf8().map_err(|_| PathError::NotUtf8)?;
    // Some servers cut path parameters off before they look at the segment, some undo
    // the escape in front of another that does.
    let bare = plain.split(';').next().unwrap_or(&plain);
    match bare {
        _ if likeness::is_dots(&plain) => Err(PathError::DotSegment),
        "" if !last || !segment.is_empty() => Err(PathError::EmptySegment),
        _ => Ok(()),
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn hex_digit(byte: Option<&u8>) -> Option<u8> {
    char::from(*byte?).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §3.3: what a path segment may hold besides.
fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
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
        // Overlong, cut short, a surrogate, and another charset.
        for text in ["/a/%c0%ae%c0%ae/b", "/%e0%80%ae", "/%c3", "/%ed%a0%80", "/%ff%fe", "/caf%e9"] {
            check(text, Err(PathError::NotUtf8));
        }
        for text in ["//b", "/a//b", "/a//", "/;x/b", "/%3Bx", "/a/%3b"] {
            check(text, Err(PathError::EmptySegment));
        }
        for text in ["/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%00", "/%252e%252e/b", "/a%0d%0ab", "/a%7f"] {
            check(text, Err(PathError::Ambiguous));
        }
        check("/a%2", Err(PathError::Percent));
        check("/a%zz", Err(PathError::Percent));
        check("/a?b", Err(PathError::Byte(b'?')));
        check("/a#b", Err(PathError::Byte(b'#')));
        check("/a b", Err(PathError::Byte(b' ')));
        check("/caf\u{e9}", Err(PathError::Byte(0xc3)));
        check("a", Err(PathError::NotAbsolute));
        check("", Err(PathError::NotAbsolute));
        check("*", Err(PathError::NotAbsolute));
    }

    #[test]
    fn queries_are_visible_ascii_and_not_shown() {
        let query = Query::parse("key=%20!~'").unwrap();
        assert_eq!((query.as_str(), format!("{query:?}")), ("key=%20!~'", "Query(10 bytes)".to_owned()));
        for (text, byte) in [("a b", b' '), ("a#b", b'#'), ("a\u{7f}", 0x7f), ("\u{e9}", 0xc3)] {
            assert_eq!(Query::parse(text), Err(PathError::Byte(byte)), "{text:?}");
        }
    }
}
