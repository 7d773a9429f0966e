//! The terminal channel: the channel protocol over a connection to the control socket. It runs inside the daemon; the
//! other end is `doorward chat`.
//!
//! What it is not: it knows no groups and no store. It moves lines between a stream and the two queues of a [`Link`].

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::lines::{LineError, LineReader, LineWriter};
use super::outward::Outward;
use super::protocol::{FromChannel, MAX_LINE};

/// The name of the channel.
pub const CHANNEL: &str = "terminal";

/// How many lines may wait for a slow reader.
const BACKLOG: usize = 256;

/// The daemon's ends of a channel connection.
#[derive(Debug)]
pub struct Link {
    /// Lines from the channel.
    pub from: mpsc::Receiver<FromChannel>,
    /// Lines to the channel.
    pub to: mpsc::Sender<Outward>,
}

/// The stream's ends.
#[derive(Debug)]
pub struct Pump {
    from: mpsc::Sender<FromChannel>,
    to: mpsc::Receiver<Outward>,
}

/// A link, and the task that moves its lines.
pub fn link() -> (Link, Pump) {
    let (from_sender, from) = mpsc::channel(BACKLOG);
    let (to, to_receiver) = mpsc::channel(BACKLOG);
    (Link { from, to }, Pump { from: from_sender, to: to_receiver })
}

impl Pump {
    /// Moves lines until either side is done, keeping the order in each direction.
    pub async fn run<R, W>(self, mut reader: LineReader<R>, mut writer: LineWriter<W>) -> Result<(), LineError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Pump { from, mut to } = self;
        reader.set_limit(MAX_LINE);
        let incoming = async {
            while let Some(line) = reader.next().await? {
                if from.send(line).await.is_err() {
                    break;
                }
            }
            Ok::<_, LineError>(())
        };
        let outgoing = async {
            while let Some(line) = to.recv().await {
                writer.send(&line).await?;
            }
            Ok::<_, LineError>(())
        };
        tokio::select! {
            ended = incoming => ended,
            ended = outgoing => ended,
        }
    }
}
