//! People's control over their data in a chat: whether it is kept, what is kept, and its removal.

use std::path::Path;

use channel_protocol::Sender;
use desk::screen::quotation;
use policies::GroupName;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Millis, NewOutgoing, Store, StoreError, messages, now, outbox};

/// What is kept of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptOf {
    /// Messages.
    pub messages: u64,
    /// When the first of them came.
    pub since: Millis,
}

/// Somebody who has written in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Their number in the group, from 1.
    pub number: u32,
    /// Their id on the channel.
    pub id: String,
    /// The name that the chat showed last.
    pub name: String,
}

/// The most characters of a name in Doorward's own messages.
pub const NAME_IN_WORDS: usize = 60;

/// How often truncating the write-ahead log is tried: readers delay it.
const TRIES: u32 = 50;

impl Store {
    /// Whether a member wants nothing of theirs kept.
    pub fn keeps_nothing_of(&self, group: &GroupName, sender: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            let sql = "SELECT 1 FROM not_kept WHERE group_name = ?1 AND sender_id = ?2";
            connection.prepare_cached(sql)?.exists([group.as_str(), sender])
        })
    }

    /// Whether any member does.
    pub fn keeps_nothing_of_some(&self, group: &GroupName) -> Result<bool, StoreError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM not_kept WHERE group_name = ?1")?.exists([group.as_str()])
        })
    }

    /// From now on nothing of this member is kept, and their waiting talk is removed.
    pub fn keep_nothing_of(&self, group: &GroupName, sender: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let keep_nothing = || -> rusqlite::Result<()> {
                let note = "INSERT OR IGNORE INTO not_kept (group_name, sender_id, since) VALUES (?1, ?2, ?3)";
                transaction.execute(note, params![group.as_str(), sender, now()])?;
                let talk = "UPDATE messages SET text = '' WHERE group_name = ?1 AND sender_id = ?2 AND means = 'talk'
                            AND row_id > (SELECT cursor FROM groups WHERE name = ?1)";
                transaction.execute(talk, [group.as_str(), sender]).map(drop)
            };
            keep_nothing().map_err(|error| self.explain(&error))
        })
    }

    /// Their messages are kept again.
    pub fn keep_again(&self, group: &GroupName, sender: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let again = "DELETE FROM not_kept WHERE group_name = ?1 AND sender_id = ?2";
            transaction.execute(again, [group.as_str(), sender]).map(drop).map_err(|error| self.explain(&error))
        })
    }

    /// What is kept of a member.
    pub fn kept_of(&self, group: &GroupName, sender: &str) -> Result<KeptOf, StoreError> {
        self.read(|connection| {
            let sql = "SELECT count(*), coalesce(min(received_at), 0) FROM messages
                       WHERE group_name = ?1 AND sender_id = ?2";
            connection.query_row(sql, [group.as_str(), sender], |row| {
                Ok(KeptOf { messages: row.get::<_, i64>(0)?.unsigned_abs(), since: row.get(1)? })
            })
        })
    }

    /// Overwrites everything kept of a member, in the database, its write-ahead log and the copies from before an
    /// upgrade: texts, names, and quotes by others. Only the places of their messages stay. Their messages that waited
    /// for an answer wait no longer. Returns how many messages they were.
    pub fn forget(&self, group: &GroupName, sender: &Sender) -> Result<u64, StoreError> {
        let forgotten =
            self.write(|transaction| forget(transaction, group, sender).map_err(|error| self.explain(&error)))?;
        for _ in 0..TRIES {
            let busy = self.read(|connection| {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            })?;
            if busy == 0 {
                break;
            }
        }
        for copy in self.copies().map_err(|error| StoreError::disk(&self.path, &error))? {
            forget_in_copy(&copy, group, sender).map_err(|error| StoreError::disk(&copy, &error))?;
        }
        Ok(forgotten)
    }

    /// Everybody who has written in a group, by number; newcomers get the next one.
    pub fn members(&self, group: &GroupName) -> Result<Vec<Member>, StoreError> {
        self.write(|transaction| members(transaction, group).map_err(|error| self.explain(&error)))
    }

    /// Queues the notice that a chat of several people gets once; `None` if it has had it.
    pub fn tell_people_once(&self, group: &GroupName, told: &NewOutgoing) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let tell = || -> rusqlite::Result<bool> {
                let claim = "UPDATE groups SET told = 1 WHERE name = ?1 AND told = 0";
                if transaction.execute(claim, [group.as_str()])? == 0 {
                    return Ok(false);
                }
                outbox::enqueue(transaction, group, None, told).map(|_| true)
            };
            tell().map_err(|error| self.explain(&error))
        })
    }

    /// Whether it has had it.
    pub fn people_were_told(&self, group: &GroupName) -> Result<bool, StoreError> {
        self.read(|connection| {
            let told = connection.prepare_cached("SELECT told FROM groups WHERE name = ?1")?;
            let mut told = told;
            Ok(told.query_row([group.as_str()], |row| row.get(0)).optional()?.unwrap_or(true))
        })
    }
}

/// Quotes of a person, and those of unknown origin: of messages that were never stored, or have expired.
const QUOTES: &str = "UPDATE messages SET quote_text = '', quote_sender = '' WHERE group_name = ?1
                      AND quote_id NOT IN (SELECT id FROM messages WHERE group_name = ?1 AND sender_id <> ?2)";
const NOT_OURS: &str = "AND quote_id NOT IN (SELECT sent_as FROM outbox WHERE group_name = ?1 AND sent_as IS NOT NULL)";

fn forget(connection: &Connection, group: &GroupName, sender: &Sender) -> rusqlite::Result<u64> {
    let of = [group.as_str(), sender.id.as_str()];
    let mut names = names_of(connection, sender, of)?;
    names.extend(name_among_people(connection, of)?);
    for column in ["text", "instead"] {
        outbox::leave_names_out(connection, group, &names, column)?;
    }
    connection.execute(&format!("{QUOTES} {NOT_OURS}"), of)?;
    let rows = connection.execute(
        "UPDATE messages SET text = '', sender_name = '', sender_id = '', quote_text = NULL, quote_sender = NULL,
                             quote_id = NULL, means = 'talk'
         WHERE group_name = ?1 AND sender_id = ?2",
        of,
    )?;
    connection.execute("UPDATE people SET sender_id = NULL, name = '' WHERE group_name = ?1 AND sender_id = ?2", of)?;
    Ok(rows as u64)
}

/// The last name of a member whose messages have all expired.
fn name_among_people(connection: &Connection, of: [&str; 2]) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM people WHERE group_name = ?1 AND sender_id = ?2 AND length(name) > 1";
    connection.query_row(sql, of, |row| row.get(0)).optional()
}

/// A member's names in a group: the current one and earlier ones.
fn names_of(connection: &Connection, sender: &Sender, of: [&str; 2]) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT sender_name FROM messages WHERE group_name = ?1 AND sender_id = ?2";
    let mut select = connection.prepare(sql)?;
    let mut names = select.query_map(of, |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    names.push(sender.name.clone());
    names.extend(names.clone().iter().map(|name| quotation(name, NAME_IN_WORDS)));
    for name in &mut names {
        *name = name.trim().to_owned();
    }
    names.retain(|name| name.chars().nth(1).is_some());
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.dedup();
    Ok(names)
}

/// The same in a copy of the database, which has the tables of its time. A copy that cannot be overwritten is removed.
fn forget_in_copy(copy: &Path, group: &GroupName, sender: &Sender) -> std::io::Result<()> {
    let made = std::fs::metadata(copy)?.modified()?;
    match overwrite_in_copy(copy, group, sender) {
        // Keeps its age, so that it still expires in time.
        Ok(()) => std::fs::File::options().write(true).open(copy)?.set_modified(made),
        Err(error) => {
            tracing::warn!(copy = %copy.display(), %error, "a copy of the database could not be overwritten, and is removed");
            std::fs::remove_file(copy)
        }
    }
}

fn overwrite_in_copy(copy: &Path, group: &GroupName, sender: &Sender) -> rusqlite::Result<()> {
    let connection =
        Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Leaves nothing in a companion file.
    connection.pragma_update(None, "journal_mode", "memory")?;
    connection.pragma_update(None, "secure_delete", true)?;
    let has = |table: &str, column: &str| -> rusqlite::Result<bool> {
        let mut select = connection.prepare("SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2")?;
        select.exists([table, column])
    };
    let of = [group.as_str(), sender.id.as_str()];
    let mut names = names_of(&connection, sender, of)?;
    if has("people", "sender_id")? {
        names.extend(name_among_people(&connection, of)?);
    }
    for column in ["text", "instead"] {
        if has("outbox", column)? {
            outbox::leave_names_out(&connection, group, &names, column)?;
        }
    }
    if has("messages", "quote_text")? {
        let not_ours = if has("outbox", "sent_as")? { NOT_OURS } else { "" };
        connection.execute(&format!("{QUOTES} {not_ours}"), of)?;
        let own = "UPDATE messages SET quote_text = NULL, quote_sender = NULL, quote_id = NULL
                   WHERE group_name = ?1 AND sender_id = ?2";
        connection.execute(own, of)?;
    }
    let texts =
        "UPDATE messages SET text = '', sender_name = '', sender_id = '' WHERE group_name = ?1 AND sender_id = ?2";
    connection.execute(texts, of)?;
    if has("people", "sender_id")? {
        let people = "UPDATE people SET sender_id = NULL, name = '' WHERE group_name = ?1 AND sender_id = ?2";
        connection.execute(people, of)?;
    }
    connection.close().map_err(|(_, error)| error)
}

fn members(connection: &Connection, group: &GroupName) -> rusqlite::Result<Vec<Member>> {
    let group = group.as_str();
    let newest = "SELECT sender_id, sender_name, min(row_id), max(row_id) FROM messages
                  WHERE group_name = ?1 AND sender_id <> '' GROUP BY sender_id ORDER BY 3";
    let mut seen = connection.prepare_cached(newest)?;
    let seen = seen.query_map([group], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for found in seen {
        let (id, name) = found?;
        let name = messages::cut_name(&name);
        connection
            .prepare_cached(
                "INSERT INTO people (group_name, number, sender_id, name)
                 VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM people WHERE group_name = ?1), ?2, ?3)
                 ON CONFLICT (group_name, sender_id) DO UPDATE SET name = ?3 WHERE name <> ?3",
            )?
            .execute([group, &id, name])?;
    }
    let all =
        "SELECT number, sender_id, name FROM people WHERE group_name = ?1 AND sender_id IS NOT NULL ORDER BY number";
    let mut all = connection.prepare_cached(all)?;
    all.query_map([group], |row| Ok(Member { number: row.get(0)?, id: row.get(1)?, name: row.get(2)? }))?.collect()
}
