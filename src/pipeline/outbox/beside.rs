//! Outgoing rows other than texts: reactions and files. Not every channel can send them.

use tokio::time::Instant;

use super::Outbox;
use crate::channels::outward::Outward;
use crate::store::{Queued, Store, StoreError};

impl Outbox {
    /// Gives up rows that no channel of their chat can send, at once, and tells the chat.
    pub(super) fn give_up_unsendable(&mut self, due: &mut Vec<Queued>) -> Result<(), StoreError> {
        let (sendable, unsendable): (Vec<_>, Vec<_>) = std::mem::take(due)
            .into_iter()
            .partition(|row| self.links.values().any(|link| link.takes(row) && link.can_send(row)));
        *due = sendable;
        for row in unsendable {
            let what = if row.file.is_some() { "files" } else { "reactions" };
            self.give_up(row.id, &format!("Doorward's channel {} cannot send {what} yet", row.channel))?;
            // Continues with the next row of its chat.
            self.look_again(Instant::now());
        }
        Ok(())
    }
}

/// A row as its channel gets it.
pub(super) fn line(store: &Store, row: &Queued) -> Result<Outward, StoreError> {
    let file = if row.file.is_some() { store.outgoing_file(row.id)? } else { None };
    Ok(Outward::send(row, file.as_ref()))
}
