//! From a channel's lines to stored messages, and from its confirmations to the outbox.
//!
//! A message is accepted once it is committed. What is not for a registered chat
//! is dropped before it is written or logged anywhere (invariant 14).

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Pipeline;
use super::outbox::{Link, LinkId};
use crate::channels::protocol::{ChannelState, FromChannel, Incoming, ToChannel, VERSION};
use crate::channels::terminal;
use crate::store::{Group, Inserted, NewMessage, OutboxId, StoreError};

/// How often a channel's registered chats are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Why a channel's connection was ended.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Its first line was something else.
    #[error("a channel must say hello first")]
    NoHello,
    /// It is newer or older than this daemon.
    #[error("the channel speaks version {0} of the protocol, this daemon speaks {VERSION}; update the older one")]
    Version(u32),
    /// A second hello.
    #[error("a channel says hello once")]
    HelloTwice,
    /// A message could not be kept, so it was not accepted; the channel delivers it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pipeline {
    /// Serves one channel until it goes. `only`: the group that a terminal shows.
    pub async fn serve_channel(&self, mut link: terminal::Link, only: Option<Group>) -> Result<(), ChannelError> {
        let channel = match link.from.recv().await {
            None => return Ok(()),
            Some(FromChannel::Hello { v, .. }) if v != VERSION => return Err(ChannelError::Version(v)),
            Some(FromChannel::Hello { channel, .. }) => channel,
            Some(_) => return Err(ChannelError::NoHello),
        };
        let shown = only.as_ref().map(|group| group.chat.clone());
        let chats = self.chats(&channel, shown.as_deref())?;
        if link.to.send(ToChannel::Welcome { v: VERSION, chats: chats.clone() }).await.is_err() {
            return Ok(());
        }
        let id = LinkId(NEXT_LINK.fetch_add(1, Ordering::Relaxed));
        self.outbox.attach(id, Link { channel: channel.clone(), chat: shown.clone(), to: link.to.clone() });
        let ended = self.listen(&channel, shown.as_deref(), chats, &mut link).await;
        self.outbox.detach(id);
        ended
    }

    async fn listen(
        &self,
        channel: &str,
        shown: Option<&str>,
        mut chats: Vec<String>,
        link: &mut terminal::Link,
    ) -> Result<(), ChannelError> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let line = tokio::select! {
                line = link.from.recv() => line,
                // Groups come and go by the command line, which writes to the store.
                _ = look.tick() => {
                    let now = self.chats(channel, shown)?;
                    if now != chats {
                        chats.clone_from(&now);
                        if link.to.send(ToChannel::Chats { chats: now }).await.is_err() {
                            return Ok(());
                        }
                    }
                    continue;
                }
            };
            let Some(line) = line else { return Ok(()) };
            match line {
                FromChannel::State { state, detail } => self.channel_state(channel, state, detail),
                FromChannel::Hello { .. } => return Err(ChannelError::HelloTwice),
                FromChannel::Sent { id } => self.outbox.sent(OutboxId(id)),
                FromChannel::Failed { id, why, retry } => self.outbox.failed(OutboxId(id), why, retry),
                FromChannel::Message(message) => {
                    let answer = self.take_in(channel, shown, message)?;
                    if link.to.send(answer).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A channel tells how it stands. Only what is new is logged.
    fn channel_state(&self, channel: &str, state: ChannelState, detail: String) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Commits a message and puts its group in line.
    fn take_in(&self, channel: &str, shown: Option<&str>, message: Incoming) -> Result<ToChannel, ChannelError> {
        let Incoming { id, chat, sender, text, at, .. } = message;
        let registered = match shown {
            Some(only) if only != chat => None,
            _ => self.store.group_by_chat(channel, &chat)?,
        };
        let Some(group) = registered else {
            let why = "this chat belongs to no group; `doorward group add` makes one".to_owned();
            return Ok(ToChannel::Ignored { id, why });
        };
        let new = NewMessage { group: &group.name, id: &id, sender: &sender, text: &text, at };
        match self.store.insert_message(&new) {
            Ok(Inserted::Row(_) | Inserted::AlreadyThere(_)) => {
                self.work(&group.name);
                Ok(ToChannel::Accepted { id })
            }
            // A person sits at a terminal and reads why; a network delivers it again.
            Err(error) if channel == terminal::CHANNEL => Ok(ToChannel::Ignored { id, why: error.to_string() }),
            Err(error) => Err(error.into()),
        }
    }

    fn chats(&self, channel: &str, shown: Option<&str>) -> Result<Vec<String>, StoreError> {
        let groups = self.store.groups()?.into_iter().filter(|group| group.channel == channel);
        Ok(groups.map(|group| group.chat).filter(|chat| shown.is_none_or(|only| only == chat)).collect())
    }
}

static NEXT_LINK: AtomicU64 = AtomicU64::new(1);
