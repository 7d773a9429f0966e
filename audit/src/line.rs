//! One line: how it is written, and how its frame is read back.

use std::fmt;
use std::io::Write;

use jiff::Timestamp;
use ring::digest::{Context, SHA256};

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// The hash of a line and of all lines before it, as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chain([u8; 64]);

/// A line's number and chain: what the next one goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number; the first line has 1.
    pub seq: u64,
    /// The chain.
    pub chain: Chain,
}

/// What stands at both ends of every line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Millis,
    pub(crate) kind: &'a str,
    /// The line that it is about, such as the decision of an outcome.
    pub(crate) about: Option<u64>,
    pub(crate) chain: Chain,
}

/// What the chain stands behind.
const CHAIN: &[u8] = b",\"chain\":\"";

/// From there to the end of a line, without the line's break.
const TAIL: usize = CHAIN.len() + 64 + 2;

impl Link {
    /// Before the first line.
    pub const NONE: Link = Link { seq: 0, chain: Chain([b'0'; 64]) };
}

impl Chain {
    /// From 64 hex digits, in either case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut digits = <[u8; 64]>::try_from(text).ok()?;
        digits.make_ascii_lowercase();
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Chain(digits))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Hex digits, always.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Hex digits of bytes.
pub(crate) fn hex(bytes: &[u8], into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        into.push(DIGITS[usize::from(byte >> 4)]);
        into.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// The chain of a line that begins so, after another.
pub(crate) fn chained(before: Chain, line: &[u8]) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(&before.0);
    context.update(line);
    let mut digits = Vec::with_capacity(64);
    hex(context.finish().as_ref(), &mut digits);
    Chain(digits.try_into().unwrap_or([b'0'; 64]))
}

/// Writes the beginning of a line: `{"seq":7,"at":"…","kind":"…"`.
pub(crate) fn begin(into: &mut Vec<u8>, seq: u64, at: Millis, kind: &str, about: Option<u64>) {
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    // Writing to a Vec cannot fail.
    let _ = write!(into, "{{\"seq\":{seq},\"at\":\"{at:.3}\",\"kind\":\"{kind}\"");
    if let Some(about) = about {
        let _ = write!(into, ",\"about\":{about}");
    }
}

/// Writes its end, with the chain of what stands there from `start` on.
pub(crate) fn end(into: &mut Vec<u8>, start: usize, before: Chain) -> Chain {
    let chain = chained(before, &into[start..]);
    into.extend_from_slice(CHAIN);
    into.extend_from_slice(&chain.0);
    into.extend_from_slice(b"\"}\n");
    chain
}

/// Reads the frame of a line, without its break; `None` where it is no line of a journal.
pub(crate) fn frame(line: &[u8]) -> Option<Frame<'_>> {
    let chain = line.get(line.len().checked_sub(TAIL)?..)?;
    let chain = Chain::parse(chain.strip_prefix(CHAIN)?.strip_suffix(b"\"}")?)?;
    let (seq, rest) = number(line.strip_prefix(b"{\"seq\":")?)?;
    let (at, rest) = quoted(rest.strip_prefix(b",\"at\":")?)?;
    let (kind, rest) = quoted(rest.strip_prefix(b",\"kind\":")?)?;
    let about = match rest.strip_prefix(b",\"about\":") {
        Some(rest) => Some(number(rest)?.0),
        None => None,
    };
    let at: Timestamp = at.parse().ok()?;
    Some(Frame { seq, at: at.as_millisecond(), kind, about, chain })
}

/// What the chain of a line covers.
pub(crate) fn covered(line: &[u8]) -> &[u8] {
    &line[..line.len().saturating_sub(TAIL)]
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    Some((str::from_utf8(&text[..end]).ok()?.parse().ok()?, &text[end..]))
}

fn quoted(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', text)?;
    Some((str::from_utf8(&text[..end]).ok()?, &text[end + 1..]))
}

/// The text of a field that this crate wrote: `"name":"text"`.
pub(crate) fn field<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let name = format!(",\"{name}\":\"");
    let at = memchr::memmem::find(line, name.as_bytes())? + name.len();
    let end = memchr::memchr(b'"', &line[at..])?;
    Some(&line[at..at + end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        let mut line = Vec::new();
        begin(&mut line, 7, 1_795_948_557_123, "outcome", Some(3));
        line.extend_from_slice(b",\"status\":200");
        let chain = end(&mut line, 0, Link::NONE.chain);
        let text = str::from_utf8(&line).unwrap();
        assert!(
            text.starts_with(r#"{"seq":7,"at":"2026-11-29T10:35:57.123Z","kind":"outcome","about":3,"status":200,"#)
        );
        let line = line.strip_suffix(b"\n").unwrap();
        let read = frame(line).unwrap();
        assert_eq!(read, Frame { seq: 7, at: 1_795_948_557_123, kind: "outcome", about: Some(3), chain });
        assert_eq!(chained(Link::NONE.chain, covered(line)), chain);
        assert!(serde_json::from_slice::<serde_json::Value>(line).unwrap()["chain"].is_string());
    }

    #[test]
    fn what_is_no_line_is_none() {
        let chain = "0".repeat(64);
        for line in [
            "",
            "{}",
            &format!(r#"{{"seq":x,"at":"2026-11-29T10:35:57.123Z","kind":"a","chain":"{chain}"}}"#),
            &format!(r#"{{"seq":1,"at":"never","kind":"a","chain":"{chain}"}}"#),
            &format!(r#"{{"seq":1,"at":"2026-11-29T10:35:57.123Z","kind":"a","chain":"{chain}x"}}"#),
        ] {
            assert!(frame(line.as_bytes()).is_none(), "{line}");
        }
    }
}
