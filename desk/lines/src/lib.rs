//! JSON lines with a length limit.
//!
//! Bytes in, whole lines out, then messages: the daemon, the guest, the control socket and channel
//! programs read each other's messages with this. What it is not: I/O. Whoever has a stream pushes
//! what it read; an abandoned read loses nothing.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Collects incoming bytes and returns them line by line.
#[derive(Debug)]
pub struct LineBuffer {
    most: usize,
    bytes: Vec<u8>,
    /// There is no newline up to here; avoids searching long lines repeatedly.
    searched: usize,
}

/// A line is longer than this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong(pub usize);

/// A line that is not the expected message. Its content is not repeated: it may be private, and the
/// other side wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    what: &'static str,
    /// The byte offset in the line.
    column: usize,
}

impl LineBuffer {
    /// For lines of at most `most` bytes, including the newline.
    pub fn new(most: usize) -> Self {
        Self { most, bytes: Vec::new(), searched: 0 }
    }

    /// Sets the limit for the lines that follow.
    pub fn set_limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Adds incoming bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its newline; `None` until more arrives.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
        let length = found.map_or(self.bytes.len(), |at| self.searched + at + 1);
        if length > self.most {
            return Err(LineTooLong(self.most));
        }
        if found.is_none() {
            self.searched = length;
            return Ok(None);
        }
        self.searched = 0;
        let mut line: Vec<u8> = self.bytes.drain(..length).collect();
        line.pop();
        Ok(Some(line))
    }

    /// The rest when nothing more arrives: a sender may end without a newline and still have said something.
    pub fn last_line(&mut self) -> Option<Vec<u8>> {
        self.searched = 0;
        Some(std::mem::take(&mut self.bytes)).filter(|line| !line.is_empty())
    }

    /// Whether no unfinished line is buffered.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Parses the message in a line.
pub fn message<T: DeserializeOwned>(line: &[u8]) -> Result<T, Malformed> {
    let read = serde_json::from_slice(line);
    // A text that was cut may end in half of a surrogate pair, which is no reason to drop the message.
    let again = |error| without_halves(line).map_or(Err(error), |whole| serde_json::from_slice(&whole));
    read.or_else(again).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "not a message that is known here",
            _ => "not JSON",
        };
        Malformed { what, column: error.column() }
    })
}

/// The line with U+FFFD for each lone surrogate (`\ud83d` alone); `None` if it has none.
fn without_halves(line: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(line.len());
    let (mut rest, mut found) = (line, false);
    while let [byte, behind @ ..] = rest {
        let taken = match (byte, unit(rest)) {
            (_, Some(0xd800..=0xdbff)) if matches!(rest.get(UNIT..).and_then(unit), Some(0xdc00..=0xdfff)) => 2 * UNIT,
            (_, Some(0xd800..=0xdfff)) => {
                found = true;
                whole.extend_from_slice(b"\\ufffd");
                rest = &rest[UNIT..];
                continue;
            }
            // Another escape: `\\ud83d` is a backslash and letters.
            (b'\\', _) if !behind.is_empty() => 2,
            _ => 1,
        };
        whole.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    found.then_some(whole)
}

/// The length of `\ud83d`.
const UNIT: usize = 6;

/// The value of such an escape.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..UNIT)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line of more than {} bytes", self.0)
    }
}

impl std::error::Error for LineTooLong {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line that is {} (at byte {})", self.what, self.column)
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MOST: usize = 1 << 20;

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let mut buffer = LineBuffer::new(MOST);
        for byte in b"one\n\ntwo\nthr" {
            buffer.push(&[*byte]);
            if *byte != b'\n' {
                assert_eq!(buffer.next_line(), Ok(None));
                continue;
            }
            assert!(buffer.next_line().unwrap().is_some());
        }
        assert!(!buffer.is_empty());
        buffer.push(b"ee\nfour\n");
        assert_eq!(buffer.next_line().unwrap().unwrap(), b"three");
        assert_eq!(buffer.next_line().unwrap().unwrap(), b"four");
        assert!(buffer.is_empty());
    }

    /// Programs in JavaScript and Python produce this when they cut an emoji in half.
    #[test]
    fn half_a_character_is_no_end_of_a_line() {
        let read = |line: &str| message::<Vec<String>>(line.as_bytes()).map(|texts| texts.concat());
        for (line, text) in [
            (r#"["a \ud83d b"]"#, "a \u{fffd} b"),
            (r#"["\uDE00\ud83d\ud83d\ude00\ud83d"]"#, "\u{fffd}\u{fffd}\u{1f600}\u{fffd}"),
            (r#"["\\ud83d\\\ud83d\n"]"#, "\\ud83d\\\u{fffd}\n"),
            (r#"["\ud83d\u0041"]"#, "\u{fffd}A"),
        ] {
            assert_eq!(read(line).as_deref(), Ok(text), "{line}");
        }
        for line in [r#"["\ud83d"#, r#"["\ud8"]"#, r#"["\u"]"#, "[\"\\", r#"["\ud83d", 5]"#] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        let mut buffer = LineBuffer::new(MOST);
        buffer.push(b"one\ntwo");
        assert_eq!(buffer.next_line().unwrap().unwrap(), b"one");
        assert_eq!((buffer.next_line(), buffer.last_line()), (Ok(None), Some(b"two".to_vec())));
        assert_eq!((buffer.next_line(), buffer.last_line()), (Ok(None), None));
        buffer.push(b"three\n");
        assert_eq!(buffer.next_line().unwrap().unwrap(), b"three");
    }

    #[test]
    fn the_longest_line_passes_and_one_byte_more_does_not() {
        let mut buffer = LineBuffer::new(MOST);
        buffer.push(&vec![b'a'; MOST - 1]);
        buffer.push(b"\n");
        assert_eq!(buffer.next_line().unwrap().unwrap().len(), MOST - 1);
        buffer.push(&vec![b'a'; MOST]);
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"a");
        assert_eq!(buffer.next_line(), Err(LineTooLong(MOST)));
    }

    #[test]
    fn what_a_bad_line_says_is_not_told() {
        for line in [&b"\"Marta's number\""[..], b"{\"Marta's number\":1}", b"[\"Marta's number", b"Marta"] {
            let error = message::<u32>(line).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains("at byte") && !said.contains("Marta"), "{said}");
        }
        assert_eq!(message::<u32>(b"7"), Ok(7));
    }
}
