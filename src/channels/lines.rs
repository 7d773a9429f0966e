//! JSON lines over a byte stream: one message a line, with a limit on its length.
//!
//! The control socket and the channels read and write through here, so that the limit and
//! the errors for a bad line are the same everywhere. Reading is cancel-safe: a `next` that
//! is dropped half-way loses nothing.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// Reads messages, one a line.
#[derive(Debug)]
pub struct LineReader<R> {
    stream: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
}

/// Writes messages, one a line.
#[derive(Debug)]
pub struct LineWriter<W> {
    stream: W,
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The other side is gone, or the system reports an error.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Longer than the limit.
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    /// The stream ended in the middle of a line.
    #[error("the connection ended in the middle of a line")]
    Cut,
    /// Not JSON, or an unknown message. The line itself is not shown: it may be from an
    /// unregistered chat, of which nothing is kept (invariant 14).
    #[error("a line is {what} (at byte {column})")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
        /// Where, in bytes from the start of the line.
        column: usize,
    },
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads from `stream`; a line may hold `limit` bytes, its newline included.
    pub fn new(stream: R, limit: usize) -> Self {
        LineReader { stream: BufReader::new(stream), line: Vec::new(), limit }
    }

    /// The next message; `None` once the other side has closed.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        loop {
            let chunk = self.stream.fill_buf().await?;
            if chunk.is_empty() {
                return if self.line.is_empty() { Ok(None) } else { Err(LineError::Cut) };
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |at| at + 1);
            if self.line.len() + taken > self.limit {
                return Err(LineError::TooLong(self.limit));
            }
            self.line.extend_from_slice(&chunk[..taken]);
            self.stream.consume(taken);
            if end.is_some() {
                let message = serde_json::from_slice(&self.line).map_err(|error| malformed(&error));
                self.line.clear();
                return message.map(Some);
            }
        }
    }
}

fn malformed(error: &serde_json::Error) -> LineError {
    let what = match error.classify() {
        serde_json::error::Category::Data => "not a message that is known here",
        _ => "no JSON",
    };
    LineError::Malformed { what, column: error.column() }
}

impl<R> LineReader<R> {
    /// Changes the limit for the lines that follow.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The stream, for data that is not in lines. Bytes read ahead are part of it.
    pub fn into_inner(self) -> BufReader<R> {
        self.stream
    }
}

impl<W> LineWriter<W> {
    /// The stream; nothing is buffered.
    pub fn into_inner(self) -> W {
        self.stream
    }
}

impl<W: AsyncWrite + Unpin> LineWriter<W> {
    /// Writes to `stream`.
    pub fn new(stream: W) -> Self {
        LineWriter { stream }
    }

    /// Writes one message and flushes it.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(message).map_err(io::Error::other)?;
        line.push(b'\n');
        self.stream.write_all(&line).await?;
        self.stream.flush().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        assert!(matches!(read(b"1\n333\n", 3).await, Err(LineError::TooLong(3))));
        assert!(matches!(read(b"1\n2", 3).await, Err(LineError::Cut)));
        assert!(matches!(read(b"x\n", 3).await, Err(LineError::Malformed { what: "no JSON", .. })));
    }

    #[tokio::test]
    async fn what_a_bad_line_says_is_not_told() {
        for line in [&b"\"Marta's number\"\n"[..], b"{\"Marta's number\":1}\n", b"[\"Marta's number\n"] {
            let error = LineReader::new(line, 64).next::<u32>().await.unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains("at byte") && !said.contains("Marta"), "{said}");
        }
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
