//! The daemon's lines to a channel. The protocol's own type contains plain texts, so a link takes this one instead: a
//! message for a chat is an outbox row with a [`Sayable`], and nothing else here is for a chat.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::Serialize;

use super::protocol::{Outgoing, OutgoingFile, ToChannel, VERSION};
use crate::store::{Group, Queued, Sayable, SayableFile, StoreError};

/// A line to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Outward(ToChannel);

impl Outward {
    /// A message for a chat: an outbox row, whose text is a [`Sayable`], and its file, if any.
    pub fn send(row: &Queued, file: Option<&SayableFile>) -> Self {
        let text: &Sayable = &row.text;
        let file = file.filter(|file| *file.goes_to() == row.group).map(|file| OutgoingFile {
            name: file.name().to_owned(),
            media: file.media().to_owned(),
            size: file.bytes().len() as u64,
            data: STANDARD.encode(file.bytes()),
        });
        Outward(ToChannel::Send(Outgoing {
            id: row.id.0,
            chat: row.chat.clone(),
            kind: row.kind,
            text: text.as_str().to_owned(),
            in_reply_to: row.in_reply_to.clone(),
            reacts_to: row.reacts_to.clone(),
            reacts_to_sender: row.reacts_to_sender.clone(),
            file,
        }))
    }

    /// Shows or hides a chat's typing indicator.
    pub fn typing(chat: String, on: bool) -> Self {
        Outward(ToChannel::Typing { chat, on })
    }

    /// More of a growing answer, for the chat of the group for which it was checked.
    pub fn growing(group: &Group, in_reply_to: String, text: &Sayable) -> Option<Self> {
        let (is_theirs, text) = (*text.goes_to(&group.name) == group.name, text.as_str().to_owned());
        is_theirs.then(|| Outward(ToChannel::Growing { chat: group.chat.clone(), in_reply_to, text }))
    }

    /// The reply to its hello, with its registered chats.
    pub fn welcome(chats: Vec<String>) -> Self {
        Outward(ToChannel::Welcome { v: VERSION, chats })
    }

    /// Its registered chats have changed.
    pub fn chats(chats: Vec<String>) -> Self {
        Outward(ToChannel::Chats { chats })
    }

    /// A message was committed.
    pub fn accepted(id: String) -> Self {
        Outward(ToChannel::Accepted { id })
    }

    /// A message was from an unregistered chat.
    pub fn of_no_group(id: String) -> Self {
        let why = "this chat belongs to no group; `doorward group add` makes one".to_owned();
        Outward(ToChannel::Ignored { id, why })
    }

    /// A message could not be stored; a person at a terminal reads why.
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

    /// The line itself, for reading: no link takes it.
    pub fn into_line(self) -> ToChannel {
        self.0
    }
}
