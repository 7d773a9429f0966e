//! The lifetime of messages in chats where they disappear. Outgoing messages carry it too, or
//! they would stay on phones when all around them are gone.
//!
//! Kept in a file, so that the first answer after a restart has it; for registered chats
//! alone, by the daemon's names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chats::Chats;

/// The times of registered chats.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    path: PathBuf,
    chats: Chats,
    seconds: Arc<Mutex<BTreeMap<String, u32>>>,
    /// When the newest message that has said it was written.
    said: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl Timers {
    /// Loads what the last run knew. An unreadable file starts empty: each message of a chat
    /// says it again.
    pub(crate) fn open(path: &Path, chats: Chats) -> Self {
        let known = fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Timers { path: path.to_path_buf(), chats, seconds: Arc::new(Mutex::new(known)), said: Arc::default() }
    }

    /// The lifetime of a chat's messages; 0 for ever, `None` where no message has said it.
    pub(crate) fn of(&self, chat: &str) -> Option<u32> {
        self.known().get(chat).copied()
    }

    /// A message of the chat has said it. One that is older than another may come after it: its
    /// phone had to send it again.
    pub(crate) fn hear(&self, chat: &str, seconds: u32, written: i64) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = said.entry(chat.to_owned()).or_insert(written);
        if *newest <= written {
            *newest = written;
            self.learn(chat, seconds);
        }
    }

    /// The chat has it so.
    pub(crate) fn learn(&self, chat: &str, seconds: u32) {
        let mut known = self.known();
        if known.insert(chat.to_owned(), seconds) == Some(seconds) {
            return;
        }
        known.retain(|chat, _| self.chats.jid(chat).is_some());
        let fresh = self.path.with_extension("new");
        if let Ok(text) = serde_json::to_vec(&*known) {
            // Not written: it is remembered until the program ends.
            let _ = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.path));
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
