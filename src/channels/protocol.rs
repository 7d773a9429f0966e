//! The channel protocol, version 1: JSON lines between the daemon and a channel
//! program, one message a line. The terminal channel speaks it over the control
//! socket; a channel that faces a network is a program of its own and speaks it
//! over stdin and stdout.
//!
//! ```text
//! channel → daemon   hello {v, channel, program}
//! daemon → channel   welcome {v, chats}
//! channel → daemon   message {id, chat, sender, text, at, …}
//! daemon → channel   accepted {id}            only once it is committed
//!                  | ignored {id}             the chat is not registered: forget it
//! daemon → channel   send {id, chat, kind, text, …}, typing {chat, on}
//! channel → daemon   sent {id} | failed {id, why, retry}
//! ```
//!
//! Ids of incoming messages are the channel's own and make redelivery harmless;
//! ids of outgoing ones are the daemon's, and a resend carries the same one.

use serde::{Deserialize, Serialize};

/// The version that both sides name in their first line.
pub const VERSION: u32 = 1;

/// The longest line either side accepts, its newline included.
pub const MAX_LINE: usize = 1 << 20;

/// What a channel says.
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
    },
    /// Somebody wrote.
    Message(Incoming),
    /// A `send` has reached the channel's network.
    Sent {
        /// Of the `send`.
        id: u64,
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

/// One message that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// The channel's id of the message, unique within the chat.
    pub id: String,
    /// The channel's id of the chat.
    pub chat: String,
    /// Who wrote.
    pub sender: Sender,
    /// What they wrote.
    pub text: String,
    /// When, in milliseconds since 1970 UTC.
    pub at: i64,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The channel's id of the person.
    pub id: String,
    /// As the chat shows them.
    pub name: String,
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToChannel {
    /// The answer to `hello`.
    Welcome {
        /// [`VERSION`].
        v: u32,
        /// The registered chats of this channel; all others are to be dropped
        /// before they are written anywhere.
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
}

/// One message that goes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The daemon's id; a resend carries the same one.
    pub id: u64,
    /// The chat.
    pub chat: String,
    /// What it is.
    pub kind: OutgoingKind,
    /// The text.
    pub text: String,
    /// The id of the message this answers, where it answers one.
    pub in_reply_to: Option<String>,
}

/// What an outgoing message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutgoingKind {
    /// The agent's answer.
    Reply,
    /// The answer is complete; nothing more belongs to `in_reply_to`.
    Done,
    /// From Doorward itself: what the door refused, and why.
    Notice,
    /// From Doorward itself: the run failed.
    Failure,
}
