//! The writing of one line.

use std::fmt;
use std::io::Write;
use std::ops::RangeInclusive;

use ring::digest::{Context, SHA256};

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// The hash of a line and all lines before it, as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub(crate) [u8; 64]);

/// A line's number and chain: what the next line continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number; that of the first line is 1.
    pub seq: u64,
    /// The chain.
    pub chain: Chain,
}

/// Precedes the chain in a line.
pub(crate) const CHAIN: &[u8] = b",\"chain\":\"";

impl Link {
    /// The link before the first line.
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
        // Always hex digits.
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
    bytes.iter().flat_map(|byte| hex_of(*byte))
}

fn hex_of(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// The chain of a line with this beginning, after another.
pub(crate) fn chained(before: Chain, line: &[u8]) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(&before.0);
    context.update(line);
    let mut digits = [b'0'; 64];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(context.finish().as_ref()) {
        *pair = hex_of(*byte);
    }
    Chain(digits)
}

/// The first fields of a line.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// When it happened.
    pub at: Millis,
    /// What happened, as a word.
    pub kind: &'static str,
    /// The line that it refers to.
    pub about: Option<u64>,
}

/// Writes the beginning of a line: `{"seq":7,"at":"…","kind":"…"`.
pub(crate) fn begin(into: &mut Vec<u8>, seq: u64, head: &Head) {
    let Head { at, kind, about } = *head;
    // Writing to a Vec cannot fail.
    let _ = write!(into, "{{\"seq\":{seq},\"at\":\"");
    into.extend_from_slice(&moment(at));
    let _ = write!(into, "\",\"kind\":\"{kind}\"");
    if let Some(about) = about {
        let _ = write!(into, ",\"about\":{about}");
    }
}

/// `2026-11-29T10:35:57.123Z`: the inverse of what `frame.rs` reads. A moment outside of four-digit years is
/// written as the beginning of 1970.
fn moment(at: Millis) -> [u8; 24] {
    const YEARS: RangeInclusive<Millis> = -62_167_219_200_000..=253_402_300_799_999;
    let at = if YEARS.contains(&at) { at } else { 0 };
    let (days, of_day) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000));
    // Years that begin in March end with the leap day.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, to: usize, mut value: i64| {
        for digit in text[from..to].iter_mut().rev() {
            // Always a digit.
            *digit += u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    put(0, 4, era * 400 + year);
    put(5, 7, month);
    put(8, 10, day);
    put(11, 13, of_day / 3_600_000);
    put(14, 16, of_day / 60_000 % 60);
    put(17, 19, of_day / 1000 % 60);
    put(20, 23, of_day % 1000);
    text
}

/// Writes the end of a line, with the chain over the text from `start` on.
pub(crate) fn end(into: &mut Vec<u8>, start: usize, before: Chain) -> Chain {
    let chain = chained(before, &into[start..]);
    into.extend_from_slice(CHAIN);
    into.extend_from_slice(&chain.0);
    into.extend_from_slice(b"\"}\n");
    chain
}
