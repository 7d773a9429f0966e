//! From a decrypted message to a line for the daemon, or to nothing.
//!
//! A message from an unregistered chat is dropped here, before any of it is written or passed on.
//! So are receipts, the phone's own notes, and reactions to messages of others.

use std::sync::Arc;

use channel_protocol::{Incoming, Quote, Sender};
use whatsapp_rust::anyhow;
use whatsapp_rust::prelude::{Client, InboundMessage};
use whatsapp_rust::types::message::{EditAttribute, MessageCategory, MessageInfo};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{InboundDurabilityHook, Jid, async_trait};

use crate::arguments::Mode;
use crate::chats::Chats;
use crate::content;
use crate::daemon::Daemon;
use crate::ids::Ids;
use crate::recent::{Quotable, Recent};
use crate::timers::Timers;

/// Takes in messages.
pub(crate) struct Intake {
    pub(crate) daemon: Daemon,
    pub(crate) chats: Chats,
    pub(crate) ids: Ids,
    pub(crate) recent: Recent,
    pub(crate) timers: Timers,
    pub(crate) mode: Mode,
    /// The ids of the messages that proved the owner's chat, or tried to: they are not passed on.
    pub(crate) tried: Vec<String>,
}

#[async_trait]
impl InboundDurabilityHook for Intake {
    /// Returns once the daemon has committed all of them. WhatsApp gets its acknowledgement
    /// then, and redelivers what was not acknowledged.
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        let mut answers = Vec::new();
        for inbound in batch {
            if let Some(message) = self.read(&client, inbound).await {
                if self.chats.word(std::slice::from_ref(&inbound.info.source.chat)).is_none() {
                    keep(&client, &self.chats, &message.chat, inbound).await?;
                }
                answers.push(self.daemon.message(message));
            }
        }
        for answer in answers {
            answer.await.map_err(|_| anyhow::anyhow!("the daemon has gone"))?;
        }
        Ok(())
    }
}

impl Intake {
    async fn read(&self, client: &Client, inbound: &InboundMessage) -> Option<Incoming> {
        let info = &inbound.info;
        self.chats.set_own(own_names(client));
        let names = other_names(client, chat_names(info)).await;
        let chat = self.chats.word(&names)?;
        // Sent by whoever changed it, also from the owner's own phone.
        if let Some(seconds) = content::stays(&inbound.message).filter(|_| !self.ids.is_ours(&info.id)) {
            self.timers.hear(&chat, seconds, info.timestamp.timestamp_millis());
        }
        if !self.is_for_us(info) || self.tried.iter().any(|id| *id == info.id) {
            return None;
        }
        if let Some((to, sign)) = content::reaction(&inbound.message) {
            return match self.ids.is_ours(to) {
                true => Some(Incoming { reacts_to: Some(to.to_owned()), ..self.said(client, info, chat, sign).await }),
                false => None,
            };
        }
        if info.edit != EditAttribute::Empty {
            let (edits, version) = content::edit(&inbound.message)?;
            let (text, quote) = (content::text(version)?, content::quote(version));
            return Some(Incoming {
                edits: Some(edits.to_owned()),
                quote,
                ..self.said(client, info, chat, &text).await
            });
        }
        let text = content::text(&inbound.message)?;
        let quote = content::quote(&inbound.message);
        let addressed = self.is_addressed(&inbound.message, quote.as_ref());
        self.recent.keep(Quotable {
            chat: chat.clone(),
            id: info.id.clone(),
            sender: info.source.sender.to_non_ad(),
            message: Arc::clone(&inbound.message),
        });
        let forwarded = content::is_forwarded(&inbound.message);
        Some(Incoming { addressed, quote, forwarded, ..self.said(client, info, chat, &text).await })
    }

    /// The message with its sender, chat and time.
    async fn said(&self, client: &Client, info: &MessageInfo, chat: String, text: &str) -> Incoming {
        Incoming {
            id: info.id.clone(),
            chat,
            sender: self.sender(client, info).await,
            text: text.to_owned(),
            at: info.timestamp.timestamp_millis(),
            group: info.source.is_group,
            ..Incoming::default()
        }
    }

    /// Whether it is from another person, or from the owner to themselves.
    fn is_for_us(&self, info: &MessageInfo) -> bool {
        if info.category != MessageCategory::Empty {
            return false;
        }
        if !info.source.is_from_me {
            return true;
        }
        self.mode == Mode::SelfChat && self.chats.is_own(&info.source.chat) && !self.ids.is_ours(&info.id)
    }

    /// Whether it mentions our account or replies to one of our messages.
    fn is_addressed(&self, message: &wa::Message, quote: Option<&Quote>) -> bool {
        let answers_us = quote.is_some_and(|quote| {
            self.ids.is_ours(&quote.id)
                || self.mode == Mode::OwnNumber && quote.sender.parse().is_ok_and(|jid: Jid| self.chats.is_own(&jid))
        });
        // In a self-chat account, a mention means the owner.
        let mentions_us = self.mode == Mode::OwnNumber
            && content::context(message).is_some_and(|context| {
                context.mentioned_jid.iter().any(|jid| jid.parse().is_ok_and(|jid: Jid| self.chats.is_own(&jid)))
            });
        answers_us || mentions_us
    }

    /// The phone number where it is known, so that a person has the same id in all lists.
    async fn sender(&self, client: &Client, info: &MessageInfo) -> Sender {
        let sender = info.source.sender.to_non_ad();
        let names = other_names(client, [Some(sender.clone()), info.source.sender_alt.clone()]).await;
        let id = names.iter().find(|jid| jid.is_pn()).unwrap_or(&sender).to_non_ad();
        let name = if info.push_name.trim().is_empty() { id.user.to_string() } else { info.push_name.clone() };
        Sender { id: id.to_string(), name }
    }
}

/// Takes nothing in: what comes from registered chats is left to the daemon.
pub(crate) struct Leaving(pub(crate) Chats);

#[async_trait]
impl InboundDurabilityHook for Leaving {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> anyhow::Result<()> {
        self.0.set_own(own_names(&client));
        let mut is_left = false;
        for inbound in batch {
            let names = other_names(&client, chat_names(&inbound.info)).await;
            if let Some(word) = self.0.word(&names) {
                keep(&client, &self.0, &word, inbound).await?;
                is_left = true;
            }
        }
        if is_left { Err(anyhow::anyhow!("the daemon takes it")) } else { Ok(()) }
    }
}

/// Has a message stored until the daemon has it. WhatsApp may deliver it again, but it can be decrypted only once: then
/// the library takes what it has stored. Until a chat is known by the name in the message, that is in memory.
pub(crate) async fn keep(client: &Client, chats: &Chats, word: &str, inbound: &InboundMessage) -> anyhow::Result<()> {
    let (source, id) = (&inbound.info.source, &inbound.info.id);
    chats.learn(word, &source.chat);
    let (chat, sender) = (source.chat.to_string(), source.sender.to_string());
    let store = client.persistence_manager().backend();
    if let Some(message) = store.get_pending_inbound(&chat, &sender, id).await? {
        store.store_pending_inbound(&chat, &sender, id, &message).await?;
    }
    Ok(())
}

/// The names of a chat in a message. In a direct chat the other person's second name is the
/// chat's second name.
pub(crate) fn chat_names(info: &MessageInfo) -> [Option<Jid>; 2] {
    let source = &info.source;
    let other = match (source.is_group, source.is_from_me) {
        (true, _) => None,
        (false, true) => source.recipient_alt.clone(),
        (false, false) => source.sender_alt.clone(),
    };
    [Some(source.chat.clone()), other]
}

/// The account's current names, phone number first. The opaque id may arrive with the login,
/// and a number may change.
pub(crate) fn own_names(client: &Client) -> Vec<Jid> {
    [client.pn(), client.lid()].into_iter().flatten().collect()
}

/// Adds the names that the library has learned.
pub(crate) async fn other_names(client: &Client, known: [Option<Jid>; 2]) -> Vec<Jid> {
    let mut names: Vec<Jid> = known.into_iter().flatten().map(|jid| jid.to_non_ad()).collect();
    for jid in names.clone() {
        if (jid.is_pn() || jid.is_lid())
            && let Ok(Some(entry)) = client.get_lid_pn_entry(&jid).await
        {
            names.extend([Jid::pn(&*entry.phone_number), Jid::lid(&*entry.lid)]);
        }
    }
    names
}
