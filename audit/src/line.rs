//! One line, as it is written.

use std::fmt;
use std::io::Write;

use jiff::Timestamp;
use ring::digest::{Context, SHA256};

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// The hash of a line and of all lines before it, as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub(crate) [u8; 64]);

/// A line's number and chain: what the next one goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number; the first line has 1.
    pub seq: u64,
    /// The chain.
    pub chain: Chain,
}

/// What the chain stands behind.
pub(crate) const CHAIN: &[u8] = b",\"chain\":\"";

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
pub(crate) fn hex(bytes: &[u8]) -> impl Iterator<Item = u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
}

/// The chain of a line that begins so, after another.
pub(crate) fn chained(before: Chain, line: &[u8]) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(&before.0);
    context.update(line);
    let mut digits = [b'0'; 64];
    digits.iter_mut().zip(hex(context.finish().as_ref())).for_each(|(digit, hex)| *digit = hex);
    Chain(digits)
}

/// What a line begins with.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// When it happened.
    pub at: Millis,
    /// What it is, as a word.
    pub kind: &'static str,
    /// The line that it is about.
    pub about: Option<u64>,
}

/// Writes the beginning of a line: `{"seq":7,"at":"…","kind":"…"`.
pub(crate) fn begin(into: &mut Vec<u8>, seq: u64, head: &Head) {
    let Head { at, kind, about } = *head;
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
