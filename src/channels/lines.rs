//! JSON lines over a byte stream, for tasks: one message per line, with a limit on its length.
//!
//! The control socket and the channels read and write through this module, so that the limit and the errors for a bad
//! line are the same everywhere.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

mod reading;

pub use reading::{LineError, LineReader};

/// Writes messages, one per line.
#[derive(Debug)]
pub struct LineWriter<W> {
    stream: W,
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
