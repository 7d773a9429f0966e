//! The last messages of registered chats, in memory, so that an answer can quote the message it
//! answers. After a restart, answers to older messages go out without a quote.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use whatsapp_rust::Jid;
use whatsapp_rust::waproto::whatsapp as wa;

const KEPT: usize = 512;

/// A message that can be quoted.
#[derive(Clone)]
pub(crate) struct Quotable {
    /// The daemon's name for the chat.
    pub(crate) chat: String,
    /// WhatsApp's id.
    pub(crate) id: String,
    /// Who wrote it, as the message named them.
    pub(crate) sender: Jid,
    /// The message.
    pub(crate) message: Arc<wa::Message>,
}

/// The last messages.
#[derive(Clone, Default)]
pub(crate) struct Recent(Arc<Mutex<VecDeque<Quotable>>>);

impl Recent {
    pub(crate) fn keep(&self, message: Quotable) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(message);
    }

    pub(crate) fn find(&self, chat: &str, id: &str) -> Option<Quotable> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|message| message.chat == chat && message.id == id).cloned()
    }
}
