//! Incoming messages.

use channel_protocol::{Quote, Sender};
use policies::GroupName;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Millis, NewOutgoing, Store, StoreError, now, outbox};

/// The store's number of a message; it grows. Cursors are such numbers, never times: senders' clocks are not ours. A
/// negative one belongs to a firing ([`super::FiringId`]), not to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRow(pub i64);

/// The most messages that call which are taken on at once.
const MOST_CALLS: usize = 200;

/// The most other messages that accompany them as context.
pub const MOST_TALK: usize = 200;

/// What a message means to the assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// People among themselves: waits for the next call and goes along with it.
    Talk,
    /// To be answered.
    Call,
    /// Ends the current run and what waits.
    Stop,
}

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
    /// What it means to the assistant.
    pub means: Means,
    /// The message that it answers, if any.
    pub quote: Option<Quote>,
}

/// The longest name that is stored, in bytes. The cost of a name grows with its words.
const LONGEST_NAME: usize = 128;

/// A name as it is stored.
pub(super) fn cut_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST_NAME)]
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
    /// What it means to the assistant.
    pub means: Means,
    /// The message that it answers, if any.
    pub quote: Option<&'a Quote>,
}

/// The result of storing a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored now.
    Row(MessageRow),
    /// It was there already, and nothing changed.
    AlreadyThere(MessageRow),
}

/// The result of importing older messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// This many are stored now; the others were there.
    New(usize),
    /// None: the group has messages waiting for an answer, and these would come after them.
    Waits,
}

impl Store {
    /// Stores messages that another program has dealt with: as talk that needs no answer, with their own times.
    pub fn import_messages(&self, group: &GroupName, all: &[NewMessage<'_>]) -> Result<Imported, StoreError> {
        if !self.calls_waiting(group)?.is_empty() {
            return Ok(Imported::Waits);
        }
        self.write(|transaction| {
            let import = || -> rusqlite::Result<usize> {
                let mut new = 0;
                for message in all {
                    if let Inserted::Row(row) = insert_at(transaction, message, message.at)? {
                        advance_cursor(transaction, group, row)?;
                        new += 1;
                    }
                }
                Ok(new)
            };
            import().map(Imported::New).map_err(|error| self.explain(&error))
        })
    }

    /// Stores a message, once. When this returns it survives crash and power cut.
    pub fn insert_message(&self, new: &NewMessage<'_>) -> Result<Inserted, StoreError> {
        self.write(|transaction| {
            if !group_exists(transaction, new.group).map_err(|error| self.explain(&error))? {
                return Err(StoreError::NoGroup(new.group.to_string()));
            }
            insert(transaction, new).map_err(|error| self.explain(&error))
        })
    }

    /// Stores, once, an order with the reply to it, and a `stop` in each group that it stops.
    pub fn insert_order(
        &self,
        new: &NewMessage<'_>,
        stopped: &[GroupName],
        told: &[NewOutgoing],
    ) -> Result<Inserted, StoreError> {
        self.write(|transaction| {
            let insert_all = || -> rusqlite::Result<Inserted> {
                let inserted = insert(transaction, new)?;
                if let Inserted::Row(row) = inserted {
                    let id = format!("stop-{}", row.0);
                    for group in stopped {
                        let stop = NewMessage { group, id: &id, text: "stop", means: Means::Stop, quote: None, ..*new };
                        insert(transaction, &stop)?;
                    }
                    told.iter()
                        .try_for_each(|new_one| outbox::enqueue(transaction, new.group, None, new_one).map(drop))?;
                }
                Ok(inserted)
            };
            insert_all().map_err(|error| self.explain(&error))
        })
    }

    /// The messages that wait for a run, in order of arrival: from the cursor to the last one that calls. At most
    /// two hundred that call, the oldest; of the talk before and between them the newest [`MOST_TALK`], and one more
    /// if there are more.
    pub fn pending_messages(&self, group: &GroupName) -> Result<Vec<Message>, StoreError> {
        self.read(|connection| {
            let group = group.as_str();
            let beyond = "row_id > (SELECT cursor FROM groups WHERE name = ?1)";
            let calls = format!("means <> 'talk' AND {beyond} ORDER BY row_id LIMIT {MOST_CALLS}");
            let mut pending = select(connection, &calls, &[&group])?;
            let Some(last) = pending.last().map(|message| message.row) else { return Ok(pending) };
            let before = format!(
                "means = 'talk' AND text <> '' AND {beyond} AND row_id < ?2 ORDER BY row_id DESC LIMIT {MOST_TALK} + 1"
            );
            pending.extend(select(connection, &before, &[&group, &last.0])?);
            pending.sort_by_key(|message| message.row);
            Ok(pending)
        })
    }

    /// All messages other than talk that no run has dealt with yet.
    pub fn calls_waiting(&self, group: &GroupName) -> Result<Vec<Message>, StoreError> {
        let beyond = "means <> 'talk' AND row_id > (SELECT cursor FROM groups WHERE name = ?1) ORDER BY row_id";
        self.read(|connection| select(connection, beyond, &[&group.as_str()]))
    }

    /// The sender and text of a group's message, by its id on the network; without a sender if we sent it.
    pub fn quoted(&self, group: &GroupName, id: &str) -> Result<Option<(Option<String>, String)>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT sender_name, text FROM messages WHERE group_name = ?1 AND id = ?2
                 AND sender_id NOT IN (SELECT sender_id FROM not_kept WHERE group_name = ?1)
                 UNION ALL SELECT NULL, coalesce(instead, text) FROM outbox WHERE group_name = ?1 AND sent_as = ?2",
            )?;
            select.query_row([group.as_str(), id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
    }

    /// Whether a message of this id is stored, whoever sent it.
    pub fn is_stored(&self, group: &GroupName, id: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut select = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE group_name = ?1 AND id = ?2)")?;
            select.query_row([group.as_str(), id], |row| row.get(0))
        })
    }

    /// Whether a `stop` has not been settled yet.
    pub fn stop_waits(&self, group: &GroupName) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT 1 FROM messages WHERE group_name = ?1 AND means = 'stop'
                 AND row_id > (SELECT cursor FROM groups WHERE name = ?1)",
            )?;
            select.exists([group.as_str()])
        })
    }

    /// The messages other than talk between two rows, both included.
    pub fn calls_between(
        &self,
        group: &GroupName,
        first: MessageRow,
        last: MessageRow,
    ) -> Result<Vec<Message>, StoreError> {
        let between = "means <> 'talk' AND row_id BETWEEN ?2 AND ?3 ORDER BY row_id";
        self.read(|connection| select(connection, between, &[&group.as_str(), &first.0, &last.0]))
    }

    /// Groups with unanswered messages that call, longest waiting first.
    pub fn groups_waiting(&self) -> Result<Vec<GroupName>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT name FROM groups JOIN messages ON group_name = name AND row_id > cursor AND means <> 'talk'
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
    insert_at(connection, new, now())
}

fn insert_at(connection: &Connection, new: &NewMessage<'_>, received_at: Millis) -> rusqlite::Result<Inserted> {
    let mut seen = connection.prepare_cached("SELECT row_id FROM messages WHERE group_name = ?1 AND id = ?2")?;
    if let Some(row) = seen.query_row([new.group.as_str(), new.id], |row| row.get(0)).optional()? {
        return Ok(Inserted::AlreadyThere(MessageRow(row)));
    }
    let quote = new.quote;
    connection
        .prepare_cached(
            "INSERT INTO messages (group_name, id, sender_id, sender_name, text, at, received_at, means,
                                   quote_id, quote_sender, quote_text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            new.group.as_str(),
            new.id,
            new.sender.id,
            cut_name(&new.sender.name),
            new.text,
            new.at,
            received_at,
            new.means.as_str(),
            quote.map(|quote| &quote.id),
            quote.map(|quote| cut_name(&quote.sender)),
            quote.map(|quote| &quote.text),
        ])?;
    Ok(Inserted::Row(MessageRow(connection.last_insert_rowid())))
}

fn select(connection: &Connection, which: &str, by: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Message>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT row_id, id, sender_id, sender_name, text, at, received_at, means, quote_id, quote_sender, quote_text
         FROM messages WHERE group_name = ?1 AND {which}"
    ))?;
    select.query_map(by, message_from)?.collect()
}

fn message_from(row: &Row<'_>) -> rusqlite::Result<Message> {
    let means: String = row.get(7)?;
    let known = [Means::Talk, Means::Call, Means::Stop].into_iter().find(|known| known.as_str() == means);
    let quote = |id| -> rusqlite::Result<Quote> { Ok(Quote { id, sender: row.get(9)?, text: row.get(10)? }) };
    Ok(Message {
        row: MessageRow(row.get(0)?),
        id: row.get(1)?,
        sender: Sender { id: row.get(2)?, name: row.get(3)? },
        text: row.get(4)?,
        at: row.get(5)?,
        received_at: row.get(6)?,
        means: known.ok_or_else(|| rusqlite::Error::InvalidColumnType(7, "messages".into(), Type::Text))?,
        quote: row.get::<_, Option<String>>(8)?.map(quote).transpose()?,
    })
}

impl Means {
    fn as_str(self) -> &'static str {
        match self {
            Means::Talk => "talk",
            Means::Call => "call",
            Means::Stop => "stop",
        }
    }
}
