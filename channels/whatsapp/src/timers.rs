//! How long messages stay in chats where they disappear. What goes out says so too, or it
//! would stay on phones where all around it is gone.
//!
//! Kept in a file, so that the first answer after a restart has its time; of registered
//! chats alone, by what the daemon calls them.

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
}

impl Timers {
    /// What the last run knew. A file that cannot be read is begun anew: each message of
    /// the chat says it again.
    pub(crate) fn open(path: &Path, chats: Chats) -> Self {
        let known = fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Timers { path: path.to_path_buf(), chats, seconds: Arc::new(Mutex::new(known)) }
    }

    /// How long messages of a chat stay; 0 for ever, `None` where that was never said.
    pub(crate) fn of(&self, chat: &str) -> Option<u32> {
        self.known().get(chat).copied()
    }

    /// The chat has said it.
    pub(crate) fn learn(&self, chat: &str, seconds: u32) {
        let mut known = self.known();
        if known.insert(chat.to_owned(), seconds) == Some(seconds) {
            return;
        }
        known.retain(|chat, _| self.chats.jid(chat).is_some());
        let fresh = self.path.with_extension("new");
        if let Ok(text) = serde_json::to_vec(&*known) {
            // Not written: it is known until the program ends.
            let _ = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.path));
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
