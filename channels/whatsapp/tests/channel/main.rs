//! The real program against a WhatsApp server on loopback: each message is encrypted by a phone,
//! decrypted by the program, passed to the daemon's end, and back.
//!
//! What this cannot show: linking, for which the program must trust a server that WhatsApp has not
//! signed for (channels/whatsapp-pairing has that), and whether WhatsApp's own servers and phones
//! agree. docs/whatsapp.md lists that.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests drive programs, and fail by panicking")]

mod account;
mod linking;
mod media;
mod nodes;
mod noise;
mod party;
mod program;
mod queries;
#[allow(dead_code, reason = "the tests of the whole line use the rest")]
mod server;

mod certificate;
mod crashes;
mod direct;
mod files;
mod folder;
mod groups;
mod own;
mod proving;
mod refusals;
mod room;
mod signs;
mod states;
mod strangers;
mod timers;

use whatsapp_rust::prelude::{MessageBuilderExt, MessageExt};
use whatsapp_rust::waproto::whatsapp as wa;

/// A registered chat.
pub(crate) const ANNA: &str = "491701111111@s.whatsapp.net";

/// The text of a message.
pub(crate) fn said(message: &wa::Message) -> &str {
    message.text_content().unwrap_or_default()
}

/// A message that quotes another.
pub(crate) fn quoting(text: &str, id: &str, sender: &str, quoted: &str) -> wa::Message {
    let context = wa::ContextInfo {
        stanza_id: Some(id.to_owned()),
        participant: Some(sender.to_owned()),
        quoted_message: wa::Message::text(quoted).into(),
        ..Default::default()
    };
    wa::Message::text_with_context(text, context)
}

/// What a message quotes: id, sender, text.
pub(crate) fn quoted(message: &wa::Message) -> Option<(String, String, String)> {
    let context = message.extended_text_message.as_option()?.context_info.as_option()?;
    let text = context.quoted_message.as_option().map(said).unwrap_or_default();
    Some((context.stanza_id.clone()?, context.participant.clone()?, text.to_owned()))
}
