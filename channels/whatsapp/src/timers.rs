//! The lifetime of messages in chats where they disappear. Outgoing messages carry it too, or they
//! would stay on phones after everything around them is gone.
//!
//! Stored in a file, so that the first answer after a restart has it; only for registered chats,
//! under the daemon's names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chats::Chats;

/// The lifetimes of registered chats.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    path: PathBuf,
    chats: Chats,
    seconds: Arc<Mutex<BTreeMap<String, u32>>>,
    /// When the newest message that set the lifetime was written.
    said: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl Timers {
    /// Loads the values of the last run. If the file is unreadable, it starts empty: each message
    /// of a chat repeats the value.
    pub(crate) fn open(path: &Path, chats: Chats) -> Self {
        let known = fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Timers { path: path.to_path_buf(), chats, seconds: Arc::new(Mutex::new(known)), said: Arc::default() }
    }

    /// The lifetime of a chat's messages; 0 for ever, `None` if no message has set it.
    pub(crate) fn of(&self, chat: &str) -> Option<u32> {
        self.known().get(chat).copied()
    }

    /// A message of the chat set the lifetime. An older message may arrive after a newer one, if
    /// its phone had to resend it.
    pub(crate) fn hear(&self, chat: &str, seconds: u32, written: i64) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = said.entry(chat.to_owned()).or_insert(written);
        if *newest <= written {
            *newest = written;
            self.learn(chat, seconds);
        }
    }

    /// The chat's current setting.
    pub(crate) fn learn(&self, chat: &str, seconds: u32) {
        let mut known = self.known();
        if known.insert(chat.to_owned(), seconds) == Some(seconds) {
            return;
        }
        known.retain(|chat, _| self.chats.jid(chat).is_some());
        let fresh = self.path.with_extension("new");
        if let Ok(text) = serde_json::to_vec(&*known) {
            // If this fails, the value is remembered until the program ends.
            let _ = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.path));
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
