//! The connection to the daemon: lines over stdin and stdout.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail};
use channel_protocol::{ChannelState, FromChannel, Incoming, MAX_SEND, Takes, ToChannel, VERSION};
use lines::LineBuffer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Stdin};
use tokio::sync::{mpsc, oneshot};

/// The name of this channel.
const CHANNEL: &str = "whatsapp";

/// How much is read at a time.
const CHUNK: usize = 8 << 10;

/// Writes to the daemon, and tracks what it has not answered yet.
#[derive(Clone)]
pub(crate) struct Daemon {
    lines: mpsc::UnboundedSender<Line>,
    waiting: Arc<Mutex<HashMap<String, VecDeque<oneshot::Sender<()>>>>>,
}

#[expect(clippy::large_enum_variant, reason = "nearly all lines say something")]
enum Line {
    Say(FromChannel),
    /// Resolves once everything before it is written.
    Flushed(oneshot::Sender<()>),
}

/// Reads from the daemon.
pub(crate) struct Ear {
    stream: Stdin,
    lines: LineBuffer,
    chunk: Vec<u8>,
}

/// Says hello; returns the registered chats from the daemon's answer.
pub(crate) async fn meet() -> anyhow::Result<(Daemon, Ear, Vec<String>)> {
    let (lines, waiting_lines) = mpsc::unbounded_channel();
    tokio::spawn(write(waiting_lines));
    let daemon = Daemon { lines, waiting: Arc::default() };
    let program = concat!("doorward-whatsapp ", env!("CARGO_PKG_VERSION")).to_owned();
    daemon.say(FromChannel::Hello {
        v: VERSION,
        channel: CHANNEL.to_owned(),
        program,
        grows: false,
        takes: vec![Takes::Reactions, Takes::Files],
    });
    let mut ear = Ear { stream: tokio::io::stdin(), lines: LineBuffer::new(MAX_SEND), chunk: vec![0; CHUNK] };
    match ear.next().await? {
        Some(ToChannel::Welcome { v: VERSION, chats }) => Ok((daemon, ear, chats)),
        Some(ToChannel::Welcome { v, .. }) => {
            bail!("the daemon speaks version {v} of the channel protocol, this program {VERSION}; update the older one")
        }
        Some(_) => bail!("the daemon did not answer hello with welcome"),
        None => bail!("this program is started by Doorward; to link WhatsApp, run `doorward whatsapp link`"),
    }
}

impl Daemon {
    /// Writes one line. If the daemon is gone, stdin is closed too, which ends the program.
    pub(crate) fn say(&self, line: FromChannel) {
        let _ = self.lines.send(Line::Say(line));
    }

    /// Waits until everything so far is written.
    pub(crate) async fn flush(&self) {
        let (flushed, done) = oneshot::channel();
        let _ = self.lines.send(Line::Flushed(flushed));
        // An error means that the daemon is gone.
        let _ = done.await;
    }

    pub(crate) fn state(&self, state: ChannelState, detail: &str) {
        self.say(FromChannel::State { state, detail: detail.to_owned() });
    }

    /// Hands over a message; the returned future resolves once the daemon has committed it or
    /// ignores it, and fails if the daemon goes first.
    pub(crate) fn message(&self, message: Incoming) -> oneshot::Receiver<()> {
        let (answered, answer) = oneshot::channel();
        // Ids are unique only within a chat. The daemon answers in order.
        self.waiting().entry(message.id.clone()).or_default().push_back(answered);
        self.say(FromChannel::Message(message));
        answer
    }

    /// The daemon has answered.
    pub(crate) fn answered(&self, id: &str) {
        let mut waiting = self.waiting();
        let Some(queue) = waiting.get_mut(id) else { return };
        if let Some(answered) = queue.pop_front() {
            let _ = answered.send(());
        }
        if queue.is_empty() {
            waiting.remove(id);
        }
    }

    /// The daemon has gone: nothing pending will be answered.
    pub(crate) fn gone(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<String, VecDeque<oneshot::Sender<()>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    /// The next line; `None` once the daemon has closed the pipe, even in the middle of a line.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<ToChannel>> {
        loop {
            if let Some(line) = self.lines.next_line().map_err(|error| anyhow!("the daemon sent {error}"))? {
                return Ok(Some(lines::message(&line).map_err(|error| anyhow!("the daemon sent {error}"))?));
            }
            match self.stream.read(&mut self.chunk).await.context("cannot read from the daemon")? {
                0 => return Ok(None),
                read => self.lines.push(&self.chunk[..read]),
            }
        }
    }
}

async fn write(mut lines: mpsc::UnboundedReceiver<Line>) {
    let mut stdout = tokio::io::stdout();
    while let Some(line) = lines.recv().await {
        let line = match line {
            Line::Say(line) => line,
            Line::Flushed(flushed) => {
                let _ = flushed.send(());
                continue;
            }
        };
        let Ok(mut bytes) = serde_json::to_vec(&line) else { continue };
        bytes.push(b'\n');
        if stdout.write_all(&bytes).await.is_err() || stdout.flush().await.is_err() {
            return;
        }
    }
}
