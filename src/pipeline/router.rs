//! From a channel's lines to stored messages, and from its confirmations to the outbox.
//!
//! A message is accepted once it is committed. A message for no registered chat is dropped before it is written or
//! logged anywhere (invariant 14).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use desk::lock;
use tokio::sync::mpsc;

use super::Pipeline;
use super::outbox::{Link, LinkId};
use crate::channels::outward::Outward;
use crate::channels::protocol::{ChannelState, FromChannel, VERSION};
use crate::channels::terminal;
use crate::store::{Group, OutboxId, StoreError};

/// The most messages of a channel that are stored before they are acknowledged.
const AT_ONCE: usize = 64;

/// How often a channel's registered chats are looked up.
const LOOK: Duration = Duration::from_secs(2);

/// Who is at the other end of a channel's connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A program that the daemon runs as this channel and no other.
    Program(&'static str),
    /// The owner, over the control socket: a terminal that shows one group, or any
    /// channel that the owner runs by hand.
    Owner(Option<Group>),
}

/// Why a channel's connection was ended.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Its first line was no hello.
    #[error("a channel must say hello first")]
    NoHello,
    /// Its protocol version differs from this daemon's.
    #[error("the channel speaks version {0} of the protocol, this daemon speaks {VERSION}; update the older one")]
    Version(u32),
    /// It claims another channel: it would get that one's chats, and could speak in them.
    #[error("the program of the channel {0} says that it is another channel")]
    NotItself(&'static str),
    /// A second hello.
    #[error("a channel says hello once")]
    HelloTwice,
    /// A message could not be stored, so it was not accepted; the channel delivers it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A connected channel.
pub(super) struct Served {
    pub(super) link: LinkId,
    pub(super) channel: String,
    /// The one chat that a terminal shows.
    pub(super) shown: Option<String>,
}

impl Pipeline {
    /// Serves one channel until it disconnects.
    pub async fn serve_channel(&self, mut link: terminal::Link, peer: Peer) -> Result<(), ChannelError> {
        let (channel, grows, takes) = match link.from.recv().await {
            None => return Ok(()),
            Some(FromChannel::Hello { v, .. }) if v != VERSION => return Err(ChannelError::Version(v)),
            Some(FromChannel::Hello { channel, grows, takes, .. }) => (channel, grows, takes),
            Some(_) => return Err(ChannelError::NoHello),
        };
        let shown = match peer {
            Peer::Program(own) if own != channel => return Err(ChannelError::NotItself(own)),
            Peer::Program(_) | Peer::Owner(None) => None,
            Peer::Owner(Some(group)) => Some(group.chat),
        };
        let served = Served { link: LinkId(NEXT_LINK.fetch_add(1, Ordering::Relaxed)), channel, shown };
        let chats = self.chats(&served)?;
        if link.to.send(Outward::welcome(chats.clone())).await.is_err() {
            return Ok(());
        }
        let (channel, chat) = (served.channel.clone(), served.shown.clone());
        self.outbox.attach(served.link, Link::new(channel, chat, link.to.clone()).growing(grows).taking(takes));
        let ended = self.listen(&served, chats, &mut link).await;
        self.outbox.detach(served.link);
        ended
    }

    async fn listen(
        &self,
        served: &Served,
        mut chats: Vec<String>,
        link: &mut terminal::Link,
    ) -> Result<(), ChannelError> {
        let mut look = tokio::time::interval(LOOK);
        let mut read = None;
        loop {
            let line = tokio::select! {
                line = next(&mut read, &mut link.from) => line,
                // Groups are added and removed by commands that write to the store.
                _ = look.tick() => {
                    let now = self.chats(served)?;
                    if now != chats {
                        chats.clone_from(&now);
                        if link.to.send(Outward::chats(now)).await.is_err() {
                            return Ok(());
                        }
                    }
                    continue;
                }
            };
            let Some(line) = line else { return Ok(()) };
            match line {
                FromChannel::State { state, detail } => {
                    self.outbox.state(served.link, state);
                    self.channel_state(&served.channel, state, detail);
                }
                FromChannel::Hello { .. } => return Err(ChannelError::HelloTwice),
                FromChannel::Sent { id, sent_as } => self.outbox.sent(served.link, OutboxId(id), sent_as).await,
                FromChannel::Failed { id, why, retry } => self.outbox.failed(served.link, OutboxId(id), why, retry),
                FromChannel::Message(message) => {
                    let mut answers = vec![self.take_in(served, message)?];
                    // Messages that arrive together share one fsync.
                    while answers.len() < AT_ONCE && read.is_none() {
                        match link.from.try_recv() {
                            Ok(FromChannel::Message(message)) => answers.push(self.take_in(served, message)?),
                            Ok(other) => read = Some(other),
                            Err(_) => break,
                        }
                    }
                    for answer in self.kept(served, answers).await? {
                        if link.to.send(answer).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// When this returns, the messages taken in are on the disk. If that fails, a person at a terminal reads why; a
    /// network delivers them again.
    async fn kept(&self, served: &Served, mut answers: Vec<Outward>) -> Result<Vec<Outward>, StoreError> {
        if answers.iter().all(|answer| answer.accepts().is_none()) {
            return Ok(answers);
        }
        match self.store.durable().await {
            Ok(()) => Ok(answers),
            Err(error) if served.channel == terminal::CHANNEL => {
                for answer in &mut answers {
                    if let Some(id) = answer.accepts() {
                        *answer = Outward::not_kept(id.to_owned(), &error);
                    }
                }
                Ok(answers)
            }
            Err(error) => Err(error),
        }
    }

    /// A channel reports its state. Only changes are logged.
    fn channel_state(&self, channel: &str, state: ChannelState, detail: String) {
        let mut states = lock(&self.states);
        let known = states.insert(channel.to_owned(), (state, detail.clone()));
        if known.as_ref().is_some_and(|(last, said)| *last == state && *said == detail) {
            return;
        }
        match state {
            ChannelState::Connecting | ChannelState::Connected => {
                tracing::info!(channel, ?state, detail, "a channel's state")
            }
            _ => tracing::warn!(channel, ?state, detail, "a channel's state"),
        }
    }

    fn chats(&self, served: &Served) -> Result<Vec<String>, StoreError> {
        let groups = self.store.groups()?.into_iter().filter(|group| group.channel == served.channel);
        let shown = |chat: &String| served.shown.as_ref().is_none_or(|only| only == chat);
        Ok(groups.map(|group| group.chat).filter(shown).collect())
    }
}

/// The line that was already read, or the next one.
async fn next(read: &mut Option<FromChannel>, from: &mut mpsc::Receiver<FromChannel>) -> Option<FromChannel> {
    match read.take() {
        Some(line) => Some(line),
        None => from.recv().await,
    }
}

static NEXT_LINK: AtomicU64 = AtomicU64::new(1);
