//! Agents' operations on the store: messages of a run in flight, and requests for access that wait for the owner.

use policies::GroupName;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{Millis, NewOutgoing, OutboxId, RunId, Sayable, SayableFile, Store, StoreError, groups, now, outbox, runs};

/// How many messages back a reaction can reach on a network: its channel knows the senders of no more.
pub const REACTIONS_REACH: u32 = 512;

/// Why a message was not queued.
#[derive(Debug, thiserror::Error)]
pub enum NotSaid {
    /// The run has ended, or is not this group's.
    #[error("the run is not under way")]
    NotRunning,
    /// The run has sent as many messages as allowed.
    #[error("the run has sent as many messages as one may")]
    TooMany,
    /// Nobody wrote such a message.
    #[error("there is no such message in the chat")]
    NoMessage,
    /// The message is further back than a reaction reaches.
    #[error("more than {REACTIONS_REACH} messages came since")]
    TooOld,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A request that an agent wants to be allowed.
#[derive(Clone, Copy, Debug)]
pub struct NewAccessRequest<'a> {
    /// Host and port.
    pub authority: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The agent's words.
    pub why: &'a str,
}

/// Why a request for access was not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Too many of the group's are waiting.
    #[error("too many requests of the group wait for the owner")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A request for access waiting for the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessRequest {
    /// Its number.
    pub id: u64,
    /// The group whose agent asked.
    pub group: GroupName,
    /// Host and port.
    pub authority: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The agent's latest reason.
    pub why: String,
    /// How often it was asked for.
    pub asked: u64,
    /// When it was first asked for.
    pub first_at: Millis,
    /// When it was last asked for.
    pub last_at: Millis,
}

/// The result of storing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether it was not there before.
    pub is_new: bool,
}

impl Store {
    /// Queues a message of a run in flight, for its own group's chat or another's: at most `most` per run. All other
    /// runs of the group have ended, so none speaks for another.
    pub fn say_in_run(
        &self,
        group: &GroupName,
        run: RunId,
        to: &GroupName,
        new: &NewOutgoing,
        most: u32,
    ) -> Result<OutboxId, NotSaid> {
        self.in_run(group, run, most, |transaction| outbox::enqueue(transaction, to, Some(run), new))
    }

    /// Queues a reaction to a message that somebody wrote in the group's chat: to this one, or to the last that the run
    /// answers. Doorward's own messages and answers to its questions do not count.
    pub fn react_in_run(
        &self,
        group: &GroupName,
        run: RunId,
        message: Option<&str>,
        sign: &Sayable,
        most: u32,
    ) -> Result<OutboxId, NotSaid> {
        let written = "SELECT id, row_id FROM messages WHERE group_name = ?1
                       AND (id = ?2 OR ?2 IS NULL AND row_id = (SELECT last_row FROM runs WHERE id = ?3))
                       AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.group_name = ?1 AND sent_as = messages.id)";
        let find = |connection: &Connection| -> rusqlite::Result<Option<(String, i64)>> {
            let values = params![group.as_str(), message, runs::key(run)];
            connection.prepare_cached(written)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        };
        let (message, row) = self.read(find)?.ok_or(NotSaid::NoMessage)?;
        if self.read(|connection| is_too_far_back(connection, group, row))? {
            return Err(NotSaid::TooOld);
        }
        self.in_run(group, run, most, |transaction| outbox::enqueue_reaction(transaction, (group, &message), run, sign))
    }

    /// Queues a file of a run in flight. The bytes that wait for a group's chat are bounded.
    pub fn send_file_in_run(
        &self,
        group: &GroupName,
        run: RunId,
        (file, text): (&SayableFile, &Sayable),
        (most, bytes): (u32, u64),
    ) -> Result<OutboxId, NotSaid> {
        let waiting = "SELECT coalesce(sum(size), 0) FROM outbox_files JOIN outbox ON outbox.id = outbox_files.outbox
                       WHERE group_name = ?1 AND bytes IS NOT NULL";
        let waiting: i64 =
            self.read(|connection| connection.prepare_cached(waiting)?.query_row([group.as_str()], |row| row.get(0)))?;
        if waiting.unsigned_abs() + file.bytes().len() as u64 > bytes {
            return Err(NotSaid::TooMany);
        }
        self.in_run(group, run, most, |transaction| outbox::enqueue_file(transaction, run, (file, text)))
    }

    /// Queues something of a run in flight.
    fn in_run(
        &self,
        group: &GroupName,
        run: RunId,
        most: u32,
        queue: impl FnOnce(&Connection) -> rusqlite::Result<OutboxId>,
    ) -> Result<OutboxId, NotSaid> {
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| NotSaid::Store(self.explain(&error));
            let under_way = "SELECT 1 FROM runs WHERE id = ?1 AND group_name = ?2 AND state = 'running'";
            let mut select = transaction.prepare_cached(under_way).map_err(explain)?;
            if !select.exists(params![runs::key(run), group.as_str()]).map_err(explain)? {
                return Err(NotSaid::NotRunning);
            }
            // The final replies are queued when a run ends, so these are only its messages.
            let count = "SELECT count(*) FROM outbox WHERE run = ?1";
            let said: u32 = transaction.query_row(count, [runs::key(run)], |row| row.get(0)).map_err(explain)?;
            if said >= most {
                return Err(NotSaid::TooMany);
            }
            queue(transaction).map_err(explain)
        })
    }

    /// How many messages a run sent before its end. Those at its end answer a message.
    pub fn said_in_run(&self, run: RunId) -> Result<u32, StoreError> {
        self.read(|connection| {
            let count = "SELECT count(*) FROM outbox WHERE run = ?1 AND in_reply_to IS NULL";
            connection.prepare_cached(count)?.query_row([runs::key(run)], |row| row.get(0))
        })
    }

    /// Stores a request for access; a repeated one is only counted.
    pub fn keep_access_request(
        &self,
        group: &GroupName,
        new: &NewAccessRequest<'_>,
        most: u32,
    ) -> Result<Kept, NotKept> {
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| NotKept::Store(self.explain(&error));
            let again = "UPDATE access_requests SET asked = asked + 1, last_at = ?5, why = ?6
                         WHERE group_name = ?1 AND authority = ?2 AND method = ?3 AND path = ?4";
            let values = params![group.as_str(), new.authority, new.method, new.path, now(), new.why];
            if transaction.execute(again, values).map_err(explain)? > 0 {
                return Ok(Kept { is_new: false });
            }
            let count = "SELECT count(*) FROM access_requests WHERE group_name = ?1";
            let waiting: u32 = transaction.query_row(count, [group.as_str()], |row| row.get(0)).map_err(explain)?;
            if waiting >= most {
                return Err(NotKept::TooMany);
            }
            let insert = "INSERT INTO access_requests (group_name, authority, method, path, first_at, last_at, why)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
            transaction.execute(insert, values).map_err(explain)?;
            Ok(Kept { is_new: true })
        })
    }

    /// All waiting requests for access, oldest first.
    pub fn access_requests(&self) -> Result<Vec<AccessRequest>, StoreError> {
        self.read(|connection| {
            let select = "SELECT id, group_name, authority, method, path, why, asked, first_at, last_at
                          FROM access_requests ORDER BY id";
            connection.prepare_cached(select)?.query_map([], access_request_from)?.collect()
        })
    }

    /// The latest reason that the group's agent gave for a request, if any.
    pub fn access_reason(
        &self,
        group: &GroupName,
        authority: &str,
        method: &str,
        path: &str,
    ) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let select = "SELECT why FROM access_requests
                          WHERE group_name = ?1 AND authority = ?2 AND method = ?3 AND path = ?4";
            let values = [group.as_str(), authority, method, path];
            connection.prepare_cached(select)?.query_row(values, |row| row.get(0)).optional()
        })
    }

    /// Removes a request for access. Returns whether it existed.
    pub fn settle_access_request(&self, id: u64) -> Result<bool, StoreError> {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        self.write(|transaction| {
            let delete = "DELETE FROM access_requests WHERE id = ?1";
            transaction.execute(delete, [id]).map(|gone| gone == 1).map_err(|error| self.explain(&error))
        })
    }

    /// Removes the requests for access of a group, or of all. Returns how many there were.
    pub fn clear_access_requests(&self, group: Option<&GroupName>) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let delete = "DELETE FROM access_requests WHERE ?1 IS NULL OR group_name = ?1";
            transaction.execute(delete, [group.map(GroupName::as_str)]).map_err(|error| self.explain(&error))
        })
    }
}

fn access_request_from(row: &Row<'_>) -> rusqlite::Result<AccessRequest> {
    Ok(AccessRequest {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        group: groups::group_name(row, 1)?,
        authority: row.get(2)?,
        method: row.get(3)?,
        path: row.get(4)?,
        why: row.get(5)?,
        asked: row.get::<_, i64>(6)?.unsigned_abs(),
        first_at: row.get(7)?,
        last_at: row.get(8)?,
    })
}

/// A terminal needs to remember nothing for a reaction.
fn is_too_far_back(connection: &Connection, group: &GroupName, row: i64) -> rusqlite::Result<bool> {
    let since = "SELECT count(*) FROM (
                     SELECT 1 FROM messages JOIN groups ON groups.name = group_name
                     WHERE row_id > ?2 AND channel <> 'terminal'
                         AND channel = (SELECT channel FROM groups WHERE name = ?1)
                     LIMIT ?3)";
    let since: u32 =
        connection.prepare_cached(since)?.query_row(params![group.as_str(), row, REACTIONS_REACH], |row| row.get(0))?;
    Ok(since >= REACTIONS_REACH)
}
