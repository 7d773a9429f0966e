//! "… is typing": shown while an answer is being written, renewed before phones let it fade, and
//! never for longer than a run can take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use whatsapp_rust::Jid;
use whatsapp_rust::prelude::Client;

/// Phones let it fade after about 25 seconds.
const AGAIN: Duration = Duration::from_secs(10);

/// After half an hour it is no longer believable.
const TIMES: u32 = 180;

/// The indicators being shown.
pub(crate) struct Typing {
    client: Arc<Client>,
    shown: HashMap<Jid, JoinHandle<()>>,
}

impl Typing {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Typing { client, shown: HashMap::new() }
    }

    /// Shows or hides the indicator of a registered chat. Failing to show it is not an error.
    pub(crate) fn set(&mut self, chat: Jid, on: bool) {
        if let Some(task) = self.shown.remove(&chat) {
            task.abort();
        }
        let client = Arc::clone(&self.client);
        if on {
            let to = chat.clone();
            let task = tokio::spawn(async move {
                for _ in 0..TIMES {
                    let _ = client.chatstate().send_composing(&to).await;
                    tokio::time::sleep(AGAIN).await;
                }
            });
            self.shown.insert(chat, task);
        } else {
            tokio::spawn(async move {
                let _ = client.chatstate().send_paused(&chat).await;
            });
        }
    }
}
