//! JSON lines, read with a bound.
//!
//! Bytes in, whole lines out, then messages: what the daemon, the guest, the control socket
//! and channel programs read each other with. What it is not: I/O. Whoever has a stream
//! pushes what it read; a read that is dropped half-way loses nothing.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Collects what arrives and gives it back line by line.
#[derive(Debug)]
pub struct LineBuffer {
    most: usize,
    bytes: Vec<u8>,
    /// Up to here there is no newline; saves looking at long lines again and again.
    searched: usize,
}

/// A line grew beyond this number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong(pub usize);

/// A line that is not the message that was expected. What it says is not repeated: it may be
/// private, and is written by the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// In which way.
    what: &'static str,
    /// Where, in bytes from the start of the line.
    column: usize,
}

impl LineBuffer {
    /// For lines of at most `most` bytes, the newline included.
    pub fn new(most: usize) -> Self {
        Self { most, bytes: Vec::new(), searched: 0 }
    }

    /// Another limit for the lines that follow.
    pub fn set_limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its newline; `None` until more arrives.
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

    /// What is left where nothing more arrives: whoever ends without a newline may have said something all the same.
    pub fn last_line(&mut self) -> Option<Vec<u8>> {
        self.searched = 0;
        Some(std::mem::take(&mut self.bytes)).filter(|line| !line.is_empty())
    }

    /// Whether no bytes of an unfinished line are left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The message that a line holds. Half a character (`\\ud83d` without its other half), which JavaScript and Java write where a
/// text was cut, is read as U+FFFD: for what somebody wrote in a chat, nobody else's lines are lost.
pub fn message<T: DeserializeOwned>(line: &[u8]) -> Result<T, Malformed> {
    let read = serde_json::from_slice(line).or_else(|error| match whole_characters(line) {
        Some(line) => serde_json::from_slice(&line),
        None => Err(error),
    });
    read.map_err(|error: serde_json::Error| {
        let what = match error.classify() {
            Category::Data => "not a message that is known here",
            _ => "not JSON",
        };
        Malformed { what, column: error.column() }
    })
}

/// The same line with U+FFFD for each escape of half a character; nothing where it has none.
fn whole_characters(line: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let digits = line.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut whole, mut at, mut found) = (Vec::with_capacity(line.len()), 0, false);
    while at < line.len() {
        let length = match (line[at], unit(at), unit(at + 6)) {
            (b'\\', Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(0xd800..=0xdfff), _) => {
                whole.extend_from_slice(b"\\ufffd");
                (at, found) = (at + 6, true);
                continue;
            }
            (b'\\', ..) => 2,
            _ => 1,
        };
        let end = (at + length).min(line.len());
        whole.extend_from_slice(&line[at..end]);
        at = end;
    }
    found.then_some(whole)
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
    fn half_a_character_costs_itself_alone() {
        for (line, want) in [
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ude00\ud83d""#, "\u{1f600}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}"),
        ] {
            assert_eq!(message::<String>(line.as_bytes()).as_deref(), Ok(want), "{line}");
        }
        for line in [r#""\ud83""#, r#""\ud83d"#, r#"{"a\ud83d""#, "\"\\"] {
            assert!(message::<String>(line.as_bytes()).is_err(), "{line}");
        }
    }

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
