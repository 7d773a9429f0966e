//! A terminal's side of the channel protocol.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::super::show::{Styled, Tone};
use super::super::{Failure, refused, show};
use super::received;
use crate::channels::lines::{LineReader, LineWriter};
use crate::channels::protocol::{
    FromChannel, Incoming, MAX_SEND, Outgoing, OutgoingKind, Sender, Takes, ToChannel, VERSION,
};
use crate::channels::terminal::CHANNEL;
use crate::control::client::Client;
use crate::store::{self, Group, OutboxId, Store};

/// An open connection to a group's chat.
pub(super) struct Conversation {
    reader: LineReader<OwnedReadHalf>,
    writer: LineWriter<OwnedWriteHalf>,
    chat: String,
    /// Where files are stored.
    received: PathBuf,
    json: bool,
}

/// A message for a program, with its file's path.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    out: &'a Outgoing,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<PathBuf>,
}

/// A line from the connection: the channel protocol, or a refusal by the control socket.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Channel(ToChannel),
    Error { error: String },
}

impl Conversation {
    /// Connects and says hello; answers may be shown while they grow.
    pub(super) async fn open(
        client: Client,
        group: &Group,
        received: PathBuf,
        json: bool,
        grows: bool,
    ) -> Result<Self, Failure> {
        let stream: UnixStream = client.channel(Some(group.name.to_string())).await?;
        let (read, write) = stream.into_split();
        let reader = LineReader::new(read, MAX_SEND);
        let mut conversation =
            Conversation { reader, writer: LineWriter::new(write), chat: group.chat.clone(), received, json };
        let program = concat!("doorward-chat ", env!("CARGO_PKG_VERSION")).to_owned();
        let hello = FromChannel::Hello {
            v: VERSION,
            channel: CHANNEL.to_owned(),
            program,
            grows,
            takes: vec![Takes::Reactions, Takes::Files],
        };
        conversation.writer.send(&hello).await?;
        match conversation.next().await? {
            ToChannel::Welcome { .. } => Ok(conversation),
            _ => Err(refused(anyhow!("the daemon did not welcome this terminal; it may be of another version"))),
        }
    }

    /// Sends one message and shows what comes back until its answer is complete. Older messages are shown on the side.
    pub(super) async fn once(&mut self, text: &str, store: &Store, group: &Group) -> Result<ExitCode, Failure> {
        let waited = store.newest_outgoing(&group.name)?;
        let id = self.say(text).await?;
        let mut failed = false;
        loop {
            match self.next().await? {
                ToChannel::Ignored { id: ignored, why } if ignored == id => {
                    return Err(refused(anyhow!("the message was not taken: {why}")));
                }
                ToChannel::Send(mut out) if out.in_reply_to.as_ref() == Some(&id) => {
                    self.show(&mut out)?;
                    self.confirm(out.id).await?;
                    failed |= out.kind == OutgoingKind::Failure;
                    if out.kind == OutgoingKind::Done {
                        return Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS });
                    }
                }
                ToChannel::Send(mut out)
                    if out.in_reply_to.is_none()
                        && out.kind == OutgoingKind::Reply
                        && waited.is_none_or(|waited| out.id > waited.0) =>
                {
                    // The agent's messages before its answer.
                    self.show(&mut out)?;
                    self.confirm(out.id).await?;
                }
                ToChannel::Send(mut out) => {
                    self.aside(&mut out, store, waited)?;
                    self.confirm(out.id).await?;
                }
                ToChannel::Welcome { .. }
                | ToChannel::Chats { .. }
                | ToChannel::Accepted { .. }
                | ToChannel::Ignored { .. }
                | ToChannel::Growing { .. }
                | ToChannel::Typing { .. } => {}
            }
        }
    }

    /// Shows what does not belong to the message just sent.
    fn aside(&self, out: &mut Outgoing, store: &Store, waited: Option<OutboxId>) -> Result<(), Failure> {
        let kept = self.keep(out)?;
        let Some(shown) = self.shown(out, kept.as_deref()) else { return Ok(()) };
        let asks = store.asks_put_by(OutboxId(out.id))?;
        let is_over = !asks.is_empty() && asks.iter().all(|ask| !ask.state.is_open());
        let what = match (&out.in_reply_to, waited.is_some_and(|waited| out.id <= waited.0)) {
            _ if is_over => "(earlier, and over by now) ",
            // Its sender did not wait.
            (Some(_), _) => "(to an earlier message) ",
            (None, true) => "(earlier) ",
            (None, false) => "",
        };
        show::aside(format!("{what}{}", shown.plain().trim()));
        Ok(())
    }

    /// Sends a message and returns its id.
    pub(super) async fn say(&mut self, text: &str) -> Result<String, Failure> {
        let id = format!("{:032x}", rand::random::<u128>());
        let sender = Sender { id: "owner".to_owned(), name: "owner".to_owned() };
        let message = Incoming {
            id: id.clone(),
            chat: self.chat.clone(),
            sender,
            text: text.to_owned(),
            at: store::now(),
            // Whoever sits here talks to nobody else, whatever the group's file says.
            addressed: true,
            ..Incoming::default()
        };
        self.writer.send(&FromChannel::Message(message)).await.context("the daemon is gone")?;
        Ok(id)
    }

    /// The daemon's next line. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<ToChannel, Failure> {
        match self.reader.next().await? {
            Some(Line::Channel(line)) => Ok(line),
            Some(Line::Error { error }) => Err(refused(anyhow!(error))),
            None => Err(refused(anyhow!(
                "the daemon closed the connection: it was stopped, or its log says why. A message that it had taken in \
                 is answered once it runs again"
            ))),
        }
    }

    /// It has reached the person.
    pub(super) async fn confirm(&mut self, id: u64) -> Result<(), Failure> {
        Ok(self.writer.send(&FromChannel::Sent { id, sent_as: None }).await?)
    }

    /// Shows a message: unchanged for a program, fitted to the terminal for a person.
    fn show(&self, out: &mut Outgoing) -> Result<(), Failure> {
        let kept = self.keep(out)?;
        match self.shown(out, kept.as_deref()) {
            _ if self.json => show::json(&Shown { out, kept })?,
            Some(_)
                if kept.is_none()
                    && out.reacts_to.is_none()
                    && out.kind == OutgoingKind::Reply
                    && !std::io::stdout().is_terminal() =>
            {
                show::verbatim(&out.text)?;
            }
            Some(shown) => show::line(shown)?,
            None => {}
        }
        Ok(())
    }

    /// Stores a message's file and returns its path. The bytes are removed from the message.
    pub(super) fn keep(&self, out: &mut Outgoing) -> Result<Option<PathBuf>, Failure> {
        let id = out.id;
        out.file.as_mut().map(|file| received::keep(&self.received, id, file)).transpose()
    }

    /// A message for a person; `None` if there is nothing to show. `kept`: its file's path.
    pub(super) fn shown(&self, out: &Outgoing, kept: Option<&Path>) -> Option<Styled> {
        if let (Some(file), Some(kept)) = (&out.file, kept) {
            return Some(received::shown(file, &out.text, kept));
        }
        if out.kind == OutgoingKind::Reply && out.reacts_to.is_some() {
            return Some(Tone::Faint.of(&format!("(it puts {} on a message)", out.text)));
        }
        // In Doorward's own texts these isolate inserted values; a terminal does not render them.
        let own = out.text.replace(['\u{2068}', '\u{2069}'], "");
        let ours = || Tone::Warning.of("[Doorward]");
        match out.kind {
            OutgoingKind::Reply => Some(Styled::from(&out.text)),
            OutgoingKind::Notice => Some(Styled::from("\n") + ours() + format!(" {own}\n")),
            OutgoingKind::Failure => Some(ours() + format!(" {own}")),
            OutgoingKind::Done => None,
        }
    }
}
