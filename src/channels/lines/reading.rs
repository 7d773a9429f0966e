//! Reads lines. It is cancel-safe: dropping a `next` half-way loses nothing.

use std::io;

use lines::{LineBuffer, LineTooLong, Malformed};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at a time.
const CHUNK: usize = 8 << 10;

/// Reads messages, one per line.
#[derive(Debug)]
pub struct LineReader<R> {
    stream: R,
    lines: LineBuffer,
    chunk: Vec<u8>,
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The other side has gone, or the system reports an error.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Longer than the limit.
    #[error("there is {0}")]
    TooLong(#[from] LineTooLong),
    /// The stream ended in the middle of a line.
    #[error("the connection ended in the middle of a line")]
    Cut,
    /// Not JSON, or an unknown message. The line itself is not shown: it may be from an unregistered chat, of which
    /// nothing is kept (invariant 14).
    #[error("there is {0}")]
    Malformed(#[from] Malformed),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads from `stream`; a line may have `limit` bytes, including its newline.
    pub fn new(stream: R, limit: usize) -> Self {
        LineReader { stream, lines: LineBuffer::new(limit), chunk: vec![0; CHUNK] }
    }

    /// The next message; `None` once the other side has closed.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        loop {
            if let Some(line) = self.lines.next_line()? {
                return Ok(Some(lines::message(&line)?));
            }
            match self.stream.read(&mut self.chunk).await? {
                0 if self.lines.is_empty() => return Ok(None),
                0 => return Err(LineError::Cut),
                read => self.lines.push(&self.chunk[..read]),
            }
        }
    }
}

impl<R> LineReader<R> {
    /// Changes the limit for the following lines.
    pub fn set_limit(&mut self, limit: usize) {
        self.lines.set_limit(limit);
    }

    /// The stream, for data that is not in lines. Bytes read ahead are lost.
    pub fn into_inner(self) -> R {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn read(bytes: &'static [u8], limit: usize) -> Result<Vec<u32>, LineError> {
        let mut reader = LineReader::new(bytes, limit);
        let mut all = Vec::new();
        while let Some(number) = reader.next().await? {
            all.push(number);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn one_message_a_line() {
        assert_eq!(read(b"1\n22\n", 3).await.unwrap(), [1, 22]);
        assert_eq!(read(b"", 3).await.unwrap(), [] as [u32; 0]);
    }

    #[tokio::test]
    async fn bad_lines_are_named() {
        assert!(matches!(read(b"1\n333\n", 3).await, Err(LineError::TooLong(LineTooLong(3)))));
        assert!(matches!(read(b"1\n2", 3).await, Err(LineError::Cut)));
        assert_eq!(read(b"x\n", 3).await.unwrap_err().to_string(), "there is a line that is not JSON (at byte 1)");
    }

    #[tokio::test]
    async fn a_dropped_read_loses_nothing() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = LineReader::new(far, 64);
        near.write_all(b"12").await.unwrap();
        tokio::select! {
            biased;
            _ = reader.next::<u32>() => panic!("half a line is no message"),
            () = tokio::task::yield_now() => {}
        }
        near.write_all(b"34\n").await.unwrap();
        assert_eq!(reader.next::<u32>().await.unwrap(), Some(1234));
    }
}
