//! What the daemon says to a channel. The protocol's own type has texts in it, so a link takes
//! this one instead: a message for a chat is a row of the outbox, with a [`Sayable`] in it, and nothing
//! else here is for a chat.

use serde::Serialize;

use super::protocol::{Outgoing, ToChannel, VERSION};
use crate::store::{Group, Queued, Sayable, StoreError};

/// A line to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Outward(ToChannel);

impl Outward {
    /// A message for a chat: a row of the outbox, whose text is a [`Sayable`].
    pub fn send(row: &Queued) -> Self {
        let text: &Sayable = &row.text;
        Outward(ToChannel::Send(Outgoing {
            id: row.id.0,
            chat: row.chat.clone(),
            kind: row.kind,
            text: text.as_str().to_owned(),
            in_reply_to: row.in_reply_to.clone(),
        }))
    }

    /// Shows or hides the typing sign of a chat.
    pub fn typing(chat: String, on: bool) -> Self {
        Outward(ToChannel::Typing { chat, on })
    }

    /// More of an answer that is being written, for the chat of the group that it was checked for.
    pub fn growing(group: &Group, in_reply_to: String, text: &Sayable) -> Option<Self> {
        let (is_theirs, text) = (*text.goes_to(&group.name) == group.name, text.as_str().to_owned());
        is_theirs.then(|| Outward(ToChannel::Growing { chat: group.chat.clone(), in_reply_to, text }))
    }

    /// The answer to its hello, with its registered chats.
    pub fn welcome(chats: Vec<String>) -> Self {
        Outward(ToChannel::Welcome { v: VERSION, chats })
    }

    /// Its registered chats have changed.
    pub fn chats(chats: Vec<String>) -> Self {
        Outward(ToChannel::Chats { chats })
    }

    /// A message is committed.
    pub fn accepted(id: String) -> Self {
        Outward(ToChannel::Accepted { id })
    }

    /// A message of a chat that is not registered.
    pub fn of_no_group(id: String) -> Self {
        let why = "this chat belongs to no group; `doorward group add` makes one".to_owned();
        Outward(ToChannel::Ignored { id, why })
    }

    /// A message that could not be kept; a person at a terminal reads why.
    pub fn not_kept(id: String, error: &StoreError) -> Self {
        Outward(ToChannel::Ignored { id, why: error.to_string() })
    }

    /// The message that this accepts.
    pub fn accepts(&self) -> Option<&str> {
        match &self.0 {
            ToChannel::Accepted { id } => Some(id),
            _ => None,
        }
    }

    /// The line, to look at: no link takes it.
    pub fn into_line(self) -> ToChannel {
        self.0
    }
}
