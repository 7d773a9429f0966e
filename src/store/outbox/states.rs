//! How outgoing messages stand: which wait, were sent or were given up. It only reads.

use policies::GroupName;
use rusqlite::{OptionalExtension, Row, params};

use super::{DUE, LONGEST_PAUSE, Millis, OutboxId, Sayable, Store, StoreError, key, unreadable};

/// An outgoing message's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    /// It waits.
    Queued,
    /// It has reached the channel's network.
    Sent,
    /// It was given up.
    Failed,
}

impl Store {
    /// When the next message of a channel becomes due: what to sleep until. `None`: none is waiting.
    pub fn next_outgoing_at(&self, channel: &str, now: Millis) -> Result<Option<Millis>, StoreError> {
        self.read(|connection| {
            let heads = "SELECT min(id) FROM outbox WHERE state = 'queued' GROUP BY group_name";
            let sql = format!(
                "SELECT min(next_attempt_at) FROM outbox JOIN groups ON groups.name = group_name
                 WHERE id IN ({heads}) AND channel = ?1 AND NOT {DUE}"
            );
            connection.prepare_cached(&sql)?.query_row(params![channel, now, LONGEST_PAUSE], |row| row.get(0))
        })
    }

    /// Whether this id on the network is that of a message sent to this group.
    pub fn is_ours(&self, group: &GroupName, sent_as: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT 1 FROM outbox WHERE group_name = ?1 AND sent_as = ?2")?;
            select.exists([group.as_str(), sent_as])
        })
    }

    /// Its state; `None` once its group was removed.
    pub fn outgoing_state(&self, id: OutboxId) -> Result<Option<OutboxState>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT state FROM outbox WHERE id = ?1")?;
            select.query_row([key(id)], state_from).optional()
        })
    }

    /// The newest message to a group's chat, in any state.
    pub fn newest_outgoing(&self, group: &GroupName) -> Result<Option<OutboxId>, StoreError> {
        self.read(|connection| {
            let newest = "SELECT max(id) FROM outbox WHERE group_name = ?1";
            let id: Option<i64> = connection.prepare_cached(newest)?.query_row([group.as_str()], |row| row.get(0))?;
            Ok(id.map(|id| OutboxId(id.unsigned_abs())))
        })
    }

    /// A notice with this text that a group's chat has had or will get.
    pub fn notice_there(&self, group: &GroupName, text: &Sayable) -> Result<Option<OutboxId>, StoreError> {
        self.read(|connection| {
            let there = "SELECT max(id) FROM outbox
                         WHERE group_name = ?1 AND text = ?2 AND kind = 'notice' AND state <> 'failed'";
            let values = [group.as_str(), text.as_str()];
            let id: Option<i64> = connection.prepare_cached(there)?.query_row(values, |row| row.get(0))?;
            Ok(id.map(|id| OutboxId(id.unsigned_abs())))
        })
    }
}

fn state_from(row: &Row<'_>) -> rusqlite::Result<OutboxState> {
    let text: String = row.get(0)?;
    match text.as_str() {
        "queued" => Ok(OutboxState::Queued),
        "sent" => Ok(OutboxState::Sent),
        "failed" => Ok(OutboxState::Failed),
        _ => Err(unreadable(0)),
    }
}
