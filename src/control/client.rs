//! The command line's end of the control socket.

use std::io;

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::protocol::{Answer, MAX_LINE, Request};
use crate::channels::lines::{LineError, LineReader, LineWriter};
use crate::home::Home;

/// A connection to the daemon that serves a home. What it opens lives as long as the connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

/// An answered request. Dropping it closes the connection and everything it opened.
#[derive(Debug)]
pub struct Held {
    reader: LineReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is a socket, but the connection fails.
    #[error("cannot talk to the daemon: {0}")]
    Line(#[from] LineError),
    /// The system refuses.
    #[error("cannot talk to the daemon: {0}")]
    Io(#[from] io::Error),
    /// It closed the connection.
    #[error("the daemon closed the connection without an answer; it may have been stopped")]
    Closed,
    /// The daemon refused, with its reason.
    #[error("{0}")]
    Refused(String),
    /// The answer does not match the request.
    #[error("the daemon gave an answer that does not fit; it may be of another version than this program")]
    Unexpected,
}

impl Client {
    /// Connects; `None` if no daemon serves the home. A dead daemon's socket file counts as none.
    #[expect(clippy::disallowed_methods, reason = "a command's way to the daemon on this machine")]
    pub async fn connect(home: &Home) -> Result<Option<Self>, ClientError> {
        match UnixStream::connect(home.control_socket()).await {
            Ok(stream) => Ok(Some(Client { stream })),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a request and holds what it opened.
    pub async fn ask(self, request: &Request) -> Result<(Answer, Held), ClientError> {
        let (read, write) = self.stream.into_split();
        let mut writer = LineWriter::new(write);
        writer.send(request).await?;
        let mut reader = LineReader::new(read, MAX_LINE);
        match reader.next().await?.ok_or(ClientError::Closed)? {
            Answer::Error(words) => Err(ClientError::Refused(words)),
            answer => Ok((answer, Held { reader, writer: writer.into_inner() })),
        }
    }

    /// Becomes a channel: the channel protocol follows on the stream.
    pub async fn channel(self, group: Option<String>) -> Result<UnixStream, ClientError> {
        let mut stream = self.stream;
        LineWriter::new(&mut stream).send(&Request::Channel { group }).await?;
        Ok(stream)
    }
}

impl Held {
    /// Closes, and waits until the daemon has released everything.
    pub async fn release(self) {
        let Held { mut reader, writer } = self;
        // Shuts this direction: the daemon reads the end of the stream.
        drop(writer);
        until_closed(&mut reader).await;
    }

    /// Waits until the daemon closes it: the daemon or the group was stopped.
    pub async fn closed(&mut self) {
        until_closed(&mut self.reader).await;
    }
}

async fn until_closed(reader: &mut LineReader<OwnedReadHalf>) {
    while matches!(reader.next::<serde::de::IgnoredAny>().await, Ok(Some(_))) {}
}
