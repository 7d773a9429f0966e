//! The channel protocol, version 1: JSON lines between the daemon and a channel
//! program, one message a line. The terminal channel speaks it over the control
//! socket; a channel that faces a network is a program of its own and speaks it
//! over stdin and stdout.
//!
//! ```text
//! channel → daemon   hello {v, channel, program}
//! daemon → channel   welcome {v, chats}
//! channel → daemon   state {state, detail}    whenever it changes
//! channel → daemon   message {id, chat, sender, text, at, …}
//! daemon → channel   accepted {id}            only once it is committed
//!                  | ignored {id}             the chat is not registered: forget it
//! daemon → channel   send {id, chat, kind, text, …}, typing {chat, on}, growing {chat, in_reply_to, text}
//! channel → daemon   sent {id, sent_as} | failed {id, why, retry}
//! daemon → channel   chats {chats}            the registered chats have changed
//! ```
//!
//! Incoming messages carry the channel's ids, which make redelivery harmless; outgoing
//! messages carry the daemon's, and a resend has the same id.
//!
//! What it is not: an implementation. It contains only the message types; each side reads and
//! writes lines in its own way, and `docs/channels.md` has the rest.

use serde::{Deserialize, Serialize};

/// The version that both sides name in their first line.
pub const VERSION: u32 = 1;

/// The longest line either side accepts, its newline included.
pub const MAX_LINE: usize = 1 << 20;

/// The largest file that a `send` carries, in bytes.
pub const MAX_FILE: usize = 8 << 20;

/// The longest line accepted by a channel that takes files.
pub const MAX_SEND: usize = 12 << 20;

/// A message from the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromChannel {
    /// The first line.
    Hello {
        /// [`VERSION`].
        v: u32,
        /// `terminal`, `whatsapp`, …
        channel: String,
        /// Program and version, for the log.
        program: String,
        /// Whether it shows answers while they grow.
        #[serde(default, skip_serializing_if = "is_false")]
        grows: bool,
        /// What it can send besides text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        takes: Vec<Takes>,
    },
    /// The state of the channel's connection to its network.
    State {
        /// The state, in one word.
        state: ChannelState,
        /// In plain words: what happened, what to do.
        detail: String,
    },
    /// An incoming message.
    Message(Incoming),
    /// A `send` has reached the channel's network.
    Sent {
        /// Of the `send`.
        id: u64,
        /// The network's id of the message, where it gives one: it identifies replies to the
        /// message, and an echo of it, which is ignored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent_as: Option<String>,
    },
    /// A `send` could not be delivered.
    Failed {
        /// Of the `send`.
        id: u64,
        /// In plain words.
        why: String,
        /// Whether trying again can help.
        retry: bool,
    },
}

/// What a channel can send besides text. The daemon sends it nothing that it does not list here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Reactions to messages.
    Reactions,
    /// Files.
    Files,
}

/// The state of a channel's connection to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    /// Connecting, for the first time or again.
    Connecting,
    /// Connected: messages come and go.
    Connected,
    /// No account, or the account has unlinked the channel: it must be linked.
    LoggedOut,
    /// Another copy with the same keys has taken over.
    Replaced,
    /// The network wants a newer program.
    Outdated,
    /// The network has locked the account for a while, or for good.
    Banned,
    /// Anything else that ends the channel until somebody looks at it.
    Failed,
}

/// An incoming message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// The channel's id of the message, unique within the chat.
    pub id: String,
    /// The chat, by the name under which the daemon registered it.
    pub chat: String,
    /// Who wrote.
    pub sender: Sender,
    /// What they wrote.
    pub text: String,
    /// When, in milliseconds since 1970 UTC.
    pub at: i64,
    /// Whether several people read the chat.
    #[serde(default, skip_serializing_if = "is_false")]
    pub group: bool,
    /// Whether it replies to one of the assistant's messages or mentions its account, which
    /// counts as calling it by name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub addressed: bool,
    /// The message that it replies to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// Whether it was forwarded from elsewhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forwarded: bool,
    /// The message that this edits, if it is a later version of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<String>,
    /// The message that this reacts to; its text is the emoji, or empty if a reaction was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reacts_to: Option<String>,
}

/// Who wrote a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The channel's id of the person.
    pub id: String,
    /// The name that the chat shows.
    pub name: String,
}

/// The message that another one replies to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The channel's id of the quoted message.
    pub id: String,
    /// The channel's id of its author.
    pub sender: String,
    /// Its text, as the replying side quotes it: this may be made up.
    pub text: String,
}

/// A message from the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToChannel {
    /// The answer to `hello`.
    Welcome {
        /// [`VERSION`].
        v: u32,
        /// The registered chats of this channel; messages of all others must be dropped before
        /// they are written anywhere.
        chats: Vec<String>,
    },
    /// The registered chats have changed: this list replaces the earlier one.
    Chats {
        /// As in `welcome`.
        chats: Vec<String>,
    },
    /// The message is committed; the channel may acknowledge it to its network.
    Accepted {
        /// The message's id.
        id: String,
    },
    /// The chat is not registered; nothing of the message was kept.
    Ignored {
        /// The message's id.
        id: String,
        /// In plain words.
        why: String,
    },
    /// Send this to a chat.
    Send(Outgoing),
    /// Show, or stop showing, that an answer is being written.
    Typing {
        /// The chat.
        chat: String,
        /// Whether to show it.
        on: bool,
    },
    /// More of an answer in progress, for a channel that shows growing answers. The whole answer
    /// follows as a `send`, which counts; this may be lost.
    Growing {
        /// The chat.
        chat: String,
        /// The message that it answers, by the channel's id.
        in_reply_to: String,
        /// The text that comes next.
        text: String,
    },
}

/// An outgoing message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The daemon's id; a resend carries the same one.
    pub id: u64,
    /// The chat.
    pub chat: String,
    /// Its kind.
    pub kind: OutgoingKind,
    /// The text.
    pub text: String,
    /// The id of the message that this answers, if any.
    pub in_reply_to: Option<String>,
    /// The message to react to, by its id; the text is the emoji.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reacts_to: Option<String>,
    /// The channel's id of that message's author, as in its `message`: for a program that does not remember.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reacts_to_sender: Option<String>,
    /// A file, with a caption in the text, which may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<OutgoingFile>,
}

/// A file that goes to a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingFile {
    /// Its name: one path component, without hidden characters.
    pub name: String,
    /// Its MIME type.
    pub media: String,
    /// Its size in bytes.
    pub size: u64,
    /// The bytes, in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
}

/// The kind of an outgoing message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutgoingKind {
    /// The agent's answer.
    Reply,
    /// The answer is complete; nothing more will follow for `in_reply_to`.
    Done,
    /// From Doorward itself: what the door refused, and why.
    Notice,
    /// From Doorward itself: the run failed.
    Failure,
}

// serde hands skip_serializing_if a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shortest_message_is_enough() {
        let line = r#"{"type":"message","id":"m1","chat":"c","sender":{"id":"a","name":"A"},"text":"hi","at":1}"#;
        let FromChannel::Message(message) = serde_json::from_str(line).unwrap() else { panic!("a message") };
        assert_eq!((message.group, message.addressed, &message.quote), (false, false, &None));
        assert_eq!((message.forwarded, &message.edits, &message.reacts_to), (false, &None, &None));
        assert_eq!(serde_json::to_string(&FromChannel::Message(message)).unwrap(), line);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in [
            r#"{"type":"message","id":"m1","chat":"c","sender":{"id":"a","name":"A"},"text":"hi","at":1,"owner":true}"#,
            r#"{"type":"state","state":"connected","detail":"","admin":true}"#,
            r#"{"type":"register","chat":"c"}"#,
        ] {
            assert!(serde_json::from_str::<FromChannel>(line).is_err(), "{line}");
        }
    }
}
