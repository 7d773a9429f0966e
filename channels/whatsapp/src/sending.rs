//! From a line of the daemon to a message on WhatsApp, and its confirmation.
//!
//! Each chat has its own task, so that messages stay in order within a chat and a slow chat does
//! not delay others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use channel_protocol::{FromChannel, Outgoing};
use tokio::sync::{mpsc, watch};
use whatsapp_rust::cache::Freshness;
use whatsapp_rust::prelude::{Client, MessageBuilderExt, SendOptions};
use whatsapp_rust::upload::UploadResponse;
use whatsapp_rust::wacore::proto_helpers::{build_quote_context_with_info, build_reaction_message};
use whatsapp_rust::wacore::types::message::AddressingMode;
use whatsapp_rust::wacore_binary::JidExt;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Jid, NodeFilter};

use crate::chats::Chats;
use crate::daemon::Daemon;
use crate::files::{self, NotUploaded};
use crate::ids::Ids;
use crate::intake::other_names;
use crate::recent::Recent;
use crate::timers::Timers;

/// How long a message waits for a connection. Together with [`CONFIRM`] it is less
/// than the minute after which the daemon sends again.
const CONNECT: Duration = Duration::from_secs(25);

/// How long WhatsApp may take to confirm.
const CONFIRM: Duration = Duration::from_secs(20);

/// How long a query about a group may delay its first message.
const ASK: Duration = Duration::from_secs(5);

/// Everything a chat's task needs.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) client: Arc<Client>,
    pub(crate) daemon: Daemon,
    pub(crate) chats: Chats,
    pub(crate) ids: Ids,
    pub(crate) recent: Recent,
    pub(crate) timers: Timers,
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
    why: String,
    retry: bool,
}

impl Sending {
    pub(crate) fn new(post: Post) -> Self {
        Sending { post, tasks: HashMap::new() }
    }

    /// Queues a message for its chat, unless the chat is unregistered.
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
            Err(NotSent { why, retry }) => FromChannel::Failed { id, why, retry },
        });
    }
}

impl Post {
    async fn deliver(&self, message: &Outgoing) -> Result<Option<String>, NotSent> {
        // Marks the end of an answer: there is nothing to show.
        if message.text.trim().is_empty() && message.file.is_none() {
            return Ok(None);
        }
        if self.client.wait_for_connected(CONNECT).await.is_err() {
            return Err(NotSent::for_now("WhatsApp is not connected"));
        }
        // Looked up again: the list may have changed while it waited.
        let Some(to) = self.chats.jid(&message.chat) else {
            return Err(NotSent::for_good("this chat is not registered any more"));
        };
        let uploaded = match &message.file {
            Some(file) => Some(files::upload(&self.client, file).await?),
            None => None,
        };
        let mut tried = self.attempt((message, uploaded.as_ref()), &to, Freshness::CachePreferred).await?;
        if let Tried::Refused(code) = &tried
            && refusal(code) == Refusal::AskAnew
        {
            let other = self.other_name(&to).await.unwrap_or(to);
            tried = self.attempt((message, uploaded.as_ref()), &other, Freshness::Refresh).await?;
        }
        match tried {
            Tried::Sent(id) => Ok(Some(id)),
            Tried::Refused(code) => Err(NotSent {
                why: format!("WhatsApp refused the message (error {})", shown(&code)),
                retry: refusal(&code) == Refusal::ForNow,
            }),
        }
    }

    /// Sends one message to one name of its chat, until WhatsApp has confirmed or refused it.
    async fn attempt(
        &self,
        (message, uploaded): (&Outgoing, Option<&UploadResponse>),
        to: &Jid,
        names: Freshness,
    ) -> Result<Tried, NotSent> {
        let id = self.ids.id(&message.chat, message.id, &identifying(message));
        let mut breaks = self.breaks.clone();
        breaks.mark_unchanged();
        let confirmed =
            self.client.wait_for_node(NodeFilter::tag("ack").attr("id", id.clone()).attr("class", "message"));
        let mut options = SendOptions::default()
            .with_message_id(id.clone())
            .with_device_freshness(names)
            .with_group_metadata_freshness(names);
        if let Some(seconds) = self.stays(&message.chat, to).await {
            options = options.with_ephemeral_expiration(seconds);
        }
        let composed = self.compose(message, uploaded, to).await?;
        let sent = self.client.send_message_with_options(to.clone(), composed, options);
        // The library's errors name chats; this message does not.
        let Ok(Ok(_)) = tokio::time::timeout(CONFIRM, sent).await else {
            return Err(NotSent::for_now("WhatsApp did not take the message"));
        };
        let confirmed = tokio::select! {
            confirmed = tokio::time::timeout(CONFIRM, confirmed) => confirmed,
            // A confirmation does not arrive on a later connection.
            _ = breaks.changed() => return Err(NotSent::for_now("the connection broke before WhatsApp confirmed")),
        };
        match confirmed {
            Ok(Ok(ack)) => Ok(match ack.get().get_attr("error") {
                None => Tried::Sent(id),
                Some(code) => Tried::Refused(code.to_string()),
            }),
            _ => Err(NotSent::for_now("WhatsApp did not confirm the message")),
        }
    }

    /// The lifetime of the chat's messages; `None` if they stay for ever. A group whose lifetime is
    /// unknown is queried once.
    async fn stays(&self, chat: &str, to: &Jid) -> Option<u32> {
        if self.timers.of(chat).is_none() && to.is_group() {
            let asked = tokio::time::timeout(ASK, self.client.groups().get_metadata(to)).await;
            if let Ok(Ok(group)) = asked {
                self.timers.learn(chat, group.ephemeral.and_then(|setting| setting.expiration).unwrap_or(0));
            }
        }
        self.timers.of(chat).filter(|seconds| *seconds > 0)
    }

    /// WhatsApp's other name for a person, if known.
    async fn other_name(&self, jid: &Jid) -> Option<Jid> {
        let names = other_names(&self.client, [Some(jid.clone()), None]).await;
        names.into_iter().find(|other| *other != jid.to_non_ad())
    }

    async fn compose(
        &self,
        message: &Outgoing,
        uploaded: Option<&UploadResponse>,
        to: &Jid,
    ) -> Result<wa::Message, NotSent> {
        if let (Some(file), Some(uploaded)) = (&message.file, uploaded) {
            return Ok(files::message(file, uploaded, &message.text));
        }
        if let Some(id) = &message.reacts_to {
            return self.reaction(message, id, to).await;
        }
        let quoted = message.in_reply_to.as_ref().and_then(|id| self.recent.find(&message.chat, id));
        Ok(match quoted {
            Some(quoted) => {
                let context = build_quote_context_with_info(&quoted.id, &quoted.sender, to, to, &quoted.message);
                wa::Message::text_with_context(&message.text, context)
            }
            None => wa::Message::text(&message.text),
        })
    }

    /// A reaction to a message, which WhatsApp finds by the message's author.
    async fn reaction(&self, message: &Outgoing, id: &str, to: &Jid) -> Result<wa::Message, NotSent> {
        let sender = match self.recent.find(&message.chat, id) {
            Some(written) => written.sender,
            None => self.sender_of_old(message, to).await?,
        };
        let from_me = self.chats.is_own(&sender);
        let key = wa::MessageKey {
            remote_jid: Some(to.to_string()),
            from_me: Some(from_me),
            id: Some(id.to_owned()),
            participant: (to.is_group() && !from_me).then(|| sender.to_string()),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(build_reaction_message(key, &message.text, i64::try_from(now).unwrap_or(i64::MAX)))
    }

    /// The author of a message that arrived before this program's start: the daemon knows them by
    /// number, but a group may use the other name.
    async fn sender_of_old(&self, message: &Outgoing, to: &Jid) -> Result<Jid, NotSent> {
        let known = message.reacts_to_sender.as_ref().and_then(|sender| sender.parse::<Jid>().ok());
        let sender = known.ok_or_else(|| NotSent::for_good("nobody remembers who wrote the message that it is for"))?;
        if !to.is_group() || sender.is_lid() {
            return Ok(sender);
        }
        let group = tokio::time::timeout(ASK, self.client.groups().get_metadata(to)).await;
        match group {
            Ok(Ok(group)) if group.addressing_mode == AddressingMode::Lid => {
                Ok(self.other_name(&sender).await.unwrap_or(sender))
            }
            Ok(Ok(_)) => Ok(sender),
            _ => Err(NotSent::for_now("WhatsApp did not say how the group calls its members")),
        }
    }
}

/// Distinguishes messages with the same number.
fn identifying(message: &Outgoing) -> String {
    match &message.file {
        Some(file) => format!("{}\n{}\n{}", message.text, file.name, file.size),
        None => message.text.clone(),
    }
}

/// The result of one attempt.
enum Tried {
    Sent(String),
    /// Refused, with WhatsApp's code.
    Refused(String),
}

/// The meaning of a code. The numbers are those that other WhatsApp clients report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Trouble with its servers, or too many messages: try later.
    ForNow,
    /// The data about the chat may be outdated: an unused address (400, 479), members who have left
    /// (421), a person to be addressed by another name (463). Try once more with fresh data, by the
    /// other name if there is one. (The library decides which of the two goes on the wire.)
    AskAnew,
    /// Anything else.
    ForGood,
}

fn refusal(code: &str) -> Refusal {
    match code.parse::<u16>() {
        Ok(408 | 425 | 429 | 500..=599) => Refusal::ForNow,
        Ok(400 | 421 | 463 | 479) => Refusal::AskAnew,
        _ => Refusal::ForGood,
    }
}

/// A code for use in a sentence, with a length limit because it comes from outside.
fn shown(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}

impl From<NotUploaded> for NotSent {
    fn from(why: NotUploaded) -> Self {
        match why {
            NotUploaded::Broken => NotSent::for_good("the file did not come whole from Doorward"),
            NotUploaded::NotTaken => NotSent::for_now("WhatsApp's media hosts did not take the file"),
        }
    }
}

impl NotSent {
    fn for_now(why: &str) -> Self {
        NotSent { why: why.to_owned(), retry: true }
    }

    fn for_good(why: &str) -> Self {
        NotSent { why: why.to_owned(), retry: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_refusal_is_final_is_asked_of_its_number() {
        for code in ["408", "425", "429", "500", "503", "599"] {
            assert_eq!(refusal(code), Refusal::ForNow, "{code}");
        }
        for code in ["400", "421", "463", "479"] {
            assert_eq!(refusal(code), Refusal::AskAnew, "{code}");
        }
        for code in ["401", "403", "404", "406", "430", "499", "600", "", "-1", "nonsense"] {
            assert_eq!(refusal(code), Refusal::ForGood, "{code}");
        }
        assert_eq!(shown("479; \u{1b}[2J'quoted'"), "4792Jquo");
    }
}
