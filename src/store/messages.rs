//! Messages that came in.

use policies::GroupName;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::channels::protocol::Sender;

use super::{Millis, Store, StoreError, now};

/// The store's number of a message; grows with each. Cursors are such numbers,
/// never times: clocks of senders are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRow(pub i64);

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The store's number.
    pub row: MessageRow,
    /// The channel's id.
    pub id: String,
    /// Who wrote it.
    pub sender: Sender,
    /// What they wrote.
    pub text: String,
    /// When, by the channel's clock.
    pub at: Millis,
    /// When, by ours.
    pub received_at: Millis,
}

/// A message to store.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Its group.
    pub group: &'a GroupName,
    /// The channel's id, unique within the chat.
    pub id: &'a str,
    /// Who wrote it.
    pub sender: &'a Sender,
    /// What they wrote.
    pub text: &'a str,
    /// When, by the channel's clock.
    pub at: Millis,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored now.
    Row(MessageRow),
    /// It had come before, and nothing changed.
    AlreadyThere(MessageRow),
}

impl Store {
    /// Stores a message, once. When this returns it survives crash and power cut.
    pub fn insert_message(&self, new: &NewMessage<'_>) -> Result<Inserted, StoreError> {
        self.write(|transaction| {
            if !group_exists(transaction, new.group).map_err(|error| self.explain(&error))? {
                return Err(StoreError::NoGroup(new.group.to_string()));
            }
            insert(transaction, new).map_err(|error| self.explain(&error))
        })
    }

    /// What no run has dealt with yet, in the order in which it came.
    pub fn pending_messages(&self, group: &GroupName) -> Result<Vec<Message>, StoreError> {
        let beyond = "row_id > (SELECT cursor FROM groups WHERE name = ?1)";
        self.read(|connection| select(connection, beyond, &[&group.as_str()]))
    }

    /// The messages from one row to another, both included.
    pub fn messages_between(
        &self,
        group: &GroupName,
        first: MessageRow,
        last: MessageRow,
    ) -> Result<Vec<Message>, StoreError> {
        self.read(|connection| select(connection, "row_id BETWEEN ?2 AND ?3", &[&group.as_str(), &first.0, &last.0]))
    }

    /// Groups that have messages which no run has dealt with, longest waiting first.
    pub fn groups_waiting(&self) -> Result<Vec<GroupName>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT name FROM groups JOIN messages ON group_name = name AND row_id > cursor
                 GROUP BY name ORDER BY min(row_id)",
            )?;
            select.query_map([], |row| super::groups::group_name(row, 0))?.collect()
        })
    }

    /// The last message that a run has dealt with; 0 before the first.
    pub fn cursor(&self, group: &GroupName) -> Result<MessageRow, StoreError> {
        let found = self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT cursor FROM groups WHERE name = ?1")?;
            select.query_row([group.as_str()], |row| row.get(0).map(MessageRow)).optional()
        })?;
        found.ok_or_else(|| StoreError::NoGroup(group.to_string()))
    }
}

pub(super) fn group_exists(connection: &Connection, group: &GroupName) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM groups WHERE name = ?1")?.exists([group.as_str()])
}

/// Moves a cursor, forward only.
pub(super) fn advance_cursor(connection: &Connection, group: &GroupName, to: MessageRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE groups SET cursor = max(cursor, ?2) WHERE name = ?1")?
        .execute(params![group.as_str(), to.0])?;
    Ok(())
}

fn insert(connection: &Connection, new: &NewMessage<'_>) -> rusqlite::Result<Inserted> {
    let mut seen = connection.prepare_cached("SELECT row_id FROM messages WHERE group_name = ?1 AND id = ?2")?;
    if let Some(row) = seen.query_row([new.group.as_str(), new.id], |row| row.get(0)).optional()? {
        return Ok(Inserted::AlreadyThere(MessageRow(row)));
    }
    connection
        .prepare_cached(
            "INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![new.group.as_str(), new.id, new.sender.id, new.sender.name, new.text, new.at, now()])?;
    Ok(Inserted::Row(MessageRow(connection.last_insert_rowid())))
}

fn select(connection: &Connection, which: &str, by: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Message>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT row_id, id, sender_id, sender_name, text, at, received_at FROM messages
         WHERE group_name = ?1 AND {which} ORDER BY row_id"
    ))?;
    select.query_map(by, message_from)?.collect()
}

fn message_from(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        row: MessageRow(row.get(0)?),
        id: row.get(1)?,
        sender: Sender { id: row.get(2)?, name: row.get(3)? },
        text: row.get(4)?,
        at: row.get(5)?,
        received_at: row.get(6)?,
    })
}
