//! From a line of the daemon to a message on WhatsApp, and its confirmation.
//!
//! Each chat has a task of its own, so that order holds within a chat and a slow one
//! holds up no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use channel_protocol::{FromChannel, Outgoing};
use tokio::sync::{mpsc, watch};
use whatsapp_rust::prelude::{Client, MessageBuilderExt, SendOptions};
use whatsapp_rust::wacore::proto_helpers::build_quote_context_with_info;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Jid, NodeFilter};

use crate::chats::Chats;
use crate::daemon::Daemon;
use crate::ids::Ids;
use crate::recent::Recent;

/// How long a message waits for a connection. Together with [`CONFIRM`] it is less
/// than the minute after which the daemon sends again.
const CONNECT: Duration = Duration::from_secs(25);

/// How long WhatsApp may take to confirm.
const CONFIRM: Duration = Duration::from_secs(20);

/// What a chat's task needs.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) client: Arc<Client>,
    pub(crate) daemon: Daemon,
    pub(crate) chats: Chats,
    pub(crate) ids: Ids,
    pub(crate) recent: Recent,
    /// Changes whenever the connection to WhatsApp breaks.
    pub(crate) breaks: watch::Receiver<u64>,
}

/// The tasks of all chats.
pub(crate) struct Sending {
    post: Post,
    tasks: HashMap<String, mpsc::UnboundedSender<Outgoing>>,
}

/// Why a message did not go out.
struct NotSent {
    why: &'static str,
    retry: bool,
}

impl Sending {
    pub(crate) fn new(post: Post) -> Self {
        Sending { post, tasks: HashMap::new() }
    }

    /// Puts a message in the line of its chat. A chat that is not registered gets none.
    pub(crate) fn send(&mut self, message: Outgoing) {
        if self.post.chats.jid(&message.chat).is_none() {
            self.post.daemon.say(FromChannel::Failed {
                id: message.id,
                why: "this chat is not registered with the WhatsApp channel".to_owned(),
                retry: false,
            });
            return;
        }
        let post = &self.post;
        let task = self.tasks.entry(message.chat.clone()).or_insert_with(|| {
            let (task, line) = mpsc::unbounded_channel();
            tokio::spawn(work(post.clone(), line));
            task
        });
        let _ = task.send(message);
    }
}

async fn work(post: Post, mut line: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(message) = line.recv().await {
        let id = message.id;
        post.daemon.say(match post.deliver(&message).await {
            Ok(sent_as) => FromChannel::Sent { id, sent_as },
            Err(NotSent { why, retry }) => FromChannel::Failed { id, why: why.to_owned(), retry },
        });
    }
}

impl Post {
    async fn deliver(&self, message: &Outgoing) -> Result<Option<String>, NotSent> {
        // The mark that an answer is complete: nothing that a person reads.
        if message.text.trim().is_empty() {
            return Ok(None);
        }
        if self.client.wait_for_connected(CONNECT).await.is_err() {
            return Err(NotSent { why: "WhatsApp is not connected", retry: true });
        }
        // Asked again: the list may have changed while it waited.
        let Some(to) = self.chats.jid(&message.chat) else {
            return Err(NotSent { why: "this chat is not registered any more", retry: false });
        };
        let id = self.ids.id(&message.chat, message.id, &message.text);
        let mut breaks = self.breaks.clone();
        breaks.mark_unchanged();
        let confirmed =
            self.client.wait_for_node(NodeFilter::tag("ack").attr("id", id.clone()).attr("class", "message"));
        let options = SendOptions::default().with_message_id(id.clone());
        let sent = self.client.send_message_with_options(to.clone(), self.compose(message, &to), options);
        // The library's errors name chats; what we say does not.
        let Ok(Ok(_)) = tokio::time::timeout(CONFIRM, sent).await else {
            return Err(NotSent { why: "WhatsApp did not take the message", retry: true });
        };
        let confirmed = tokio::select! {
            confirmed = tokio::time::timeout(CONFIRM, confirmed) => confirmed,
            // No other connection brings what this one would have.
            _ = breaks.changed() => return Err(NotSent { why: "the connection broke before WhatsApp confirmed", retry: true }),
        };
        match confirmed {
            Ok(Ok(ack)) if ack.get().get_attr("error").is_none() => Ok(Some(id)),
            Ok(Ok(_)) => Err(NotSent { why: "WhatsApp refused the message", retry: false }),
            _ => Err(NotSent { why: "WhatsApp did not confirm the message", retry: true }),
        }
    }

    fn compose(&self, message: &Outgoing, to: &Jid) -> wa::Message {
        let quoted = message.in_reply_to.as_ref().and_then(|id| self.recent.find(&message.chat, id));
        match quoted {
            Some(quoted) => {
                let context = build_quote_context_with_info(&quoted.id, &quoted.sender, to, to, &quoted.message);
                wa::Message::text_with_context(&message.text, context)
            }
            None => wa::Message::text(&message.text),
        }
    }
}
