//! Bytes in, whole lines out, with a bound: both ends of the protocol read with it.

/// Collects what arrives and gives it back line by line.
#[derive(Debug)]
pub struct LineBuffer {
    most: usize,
    bytes: Vec<u8>,
    /// Up to here there is no newline; saves looking at long lines again and again.
    searched: usize,
}

/// A line grew beyond so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong(pub usize);

impl std::fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a line of more than {} bytes", self.0)
    }
}

impl std::error::Error for LineTooLong {}

impl LineBuffer {
    /// For lines of at most so many bytes, the newline included.
    pub fn new(most: usize) -> Self {
        Self { most, bytes: Vec::new(), searched: 0 }
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

    /// Whether bytes of an unfinished line are left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::MAX_LINE;

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let mut buffer = LineBuffer::new(MAX_LINE);
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
    fn the_longest_line_passes_and_one_byte_more_does_not() {
        let mut buffer = LineBuffer::new(MAX_LINE);
        buffer.push(&vec![b'a'; MAX_LINE - 1]);
        buffer.push(b"\n");
        assert_eq!(buffer.next_line().unwrap().unwrap().len(), MAX_LINE - 1);
        buffer.push(&vec![b'a'; MAX_LINE]);
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"a");
        assert_eq!(buffer.next_line(), Err(LineTooLong(MAX_LINE)));
    }
}
