//! The outbox: outgoing messages until they are sent.

use channel_protocol::OutgoingKind;
use policies::GroupName;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Millis, RunId, Sayable, SayableFile, Store, StoreError, groups, messages, now, runs};

mod states;

pub use states::OutboxState;

/// The number of an outgoing message; a resend carries the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId(pub u64);

/// A message to send to a group's chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOutgoing {
    /// What it is.
    pub kind: OutgoingKind,
    /// The text.
    pub text: Sayable,
    /// The channel's id of the message that it answers, if any.
    pub in_reply_to: Option<String>,
}

/// A queued message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its number.
    pub id: OutboxId,
    /// The group.
    pub group: GroupName,
    /// The group's channel.
    pub channel: String,
    /// The group's chat.
    pub chat: String,
    /// The run it came from.
    pub run: Option<RunId>,
    /// What it is.
    pub kind: OutgoingKind,
    /// The text.
    pub text: Sayable,
    /// What it answers.
    pub in_reply_to: Option<String>,
    /// The message that it reacts to; its text is the emoji.
    pub reacts_to: Option<String>,
    /// The sender of that message, by the channel's id.
    pub reacts_to_sender: Option<String>,
    /// Its file, whose bytes are [`Store::outgoing_file`].
    pub file: Option<FileFacts>,
    /// How often sending it has failed.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Millis,
}

/// A file's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// Queues a message that is not a run's final reply: a notice, an operation's message.
    pub fn enqueue(&self, group: &GroupName, run: Option<RunId>, new: &NewOutgoing) -> Result<OutboxId, StoreError> {
        self.write(|transaction| {
            if !messages::group_exists(transaction, group).map_err(|error| self.explain(&error))? {
                return Err(StoreError::NoGroup(group.to_string()));
            }
            enqueue(transaction, group, run, new).map_err(|error| self.explain(&error))
        })
    }

    /// What a channel may send now: the oldest queued message of each chat, if it is due. The next one of that chat
    /// follows when this one has ended, which keeps the order within a chat. The caller leaves out what is being sent
    /// already.
    pub fn next_outgoing(&self, channel: &str, now: Millis) -> Result<Vec<Queued>, StoreError> {
        self.read(|connection| {
            let heads = "SELECT min(id) FROM outbox WHERE state = 'queued' GROUP BY group_name";
            let sql = format!("{SELECT} WHERE outbox.id IN ({heads}) AND channel = ?1 AND {DUE} ORDER BY outbox.id");
            connection.prepare_cached(&sql)?.query_map(params![channel, now, LONGEST_PAUSE], queued_from)?.collect()
        })
    }

    /// The same for one chat.
    pub fn next_outgoing_of(&self, group: &GroupName, now: Millis) -> Result<Option<Queued>, StoreError> {
        self.read(|connection| {
            let head = "SELECT min(id) FROM outbox WHERE state = 'queued' AND group_name = ?1";
            let sql = format!("{SELECT} WHERE outbox.id = ({head}) AND {DUE}");
            let values = params![group.as_str(), now, LONGEST_PAUSE];
            connection.prepare_cached(&sql)?.query_row(values, queued_from).optional()
        })
    }

    /// It was sent, with its id on the network if the channel reports one. `false`: it had ended before, or its group
    /// was removed.
    pub fn mark_sent(&self, id: OutboxId, sent_as: Option<&str>) -> Result<bool, StoreError> {
        let update = "UPDATE outbox SET state = 'sent', attempts = attempts + 1, ended_at = ?2, sent_as = ?3
                      WHERE id = ?1 AND state = 'queued'";
        // An unsent file is kept as long as the notice that its chat got instead.
        let leave = "UPDATE outbox_files SET bytes = NULL
                     WHERE outbox = ?1 AND (SELECT instead FROM outbox WHERE id = ?1) IS NULL";
        self.write(|transaction| {
            let end = || {
                let ended = transaction.execute(update, params![key(id), now(), sent_as])?;
                transaction.prepare_cached(leave)?.execute([key(id)])?;
                Ok(ended == 1)
            };
            end().map_err(|error: rusqlite::Error| self.explain(&error))
        })
    }

    /// A message's file; `None` once it was sent.
    pub fn outgoing_file(&self, id: OutboxId) -> Result<Option<SayableFile>, StoreError> {
        self.read(|connection| {
            let select = "SELECT group_name, name, media, bytes FROM outbox_files JOIN outbox ON outbox.id = outbox
                          WHERE outbox = ?1 AND bytes IS NOT NULL";
            let file = |row: &Row<'_>| SayableFile::stored(row, 1, groups::group_name(row, 0)?);
            connection.prepare_cached(select)?.query_row([key(id)], file).optional()
        })
    }

    /// Queues a notice in place of an answer that cannot be sent; the text stays ([`Store::undelivered`]). `false`: it
    /// is such a notice itself, or had ended.
    pub fn send_instead(&self, id: OutboxId, why: &str, words: &Sayable) -> Result<bool, StoreError> {
        let update = "UPDATE outbox SET instead = ?2, error = ?3, attempts = 0, next_attempt_at = 0
                      WHERE id = ?1 AND state = 'queued' AND instead IS NULL AND kind IN ('reply', 'notice')
                          AND group_name = ?4";
        let Some(row) = self.outgoing(id)? else { return Ok(false) };
        self.end_outgoing(update, &[&key(id), &words.as_str(), &why, &words.goes_to(&row.group).as_str()])
    }

    /// It was not sent: it is tried again at `retry_at`, or given up without one.
    pub fn mark_failed(&self, id: OutboxId, why: &str, retry_at: Option<Millis>) -> Result<bool, StoreError> {
        let update = "UPDATE outbox SET attempts = attempts + 1, error = iif(instead IS NULL, ?2, error),
                          state = iif(?3 IS NULL, 'failed', 'queued'),
                          next_attempt_at = coalesce(?3, next_attempt_at),
                          ended_at = iif(?3 IS NULL, ?4, NULL)
                      WHERE id = ?1 AND state = 'queued'";
        self.end_outgoing(update, &[&key(id), &why, &retry_at, &now()])
    }

    /// A message with its group.
    pub fn outgoing(&self, id: OutboxId) -> Result<Option<Queued>, StoreError> {
        self.read(|connection| {
            let sql = format!("{SELECT} WHERE outbox.id = ?1");
            connection.prepare_cached(&sql)?.query_row([key(id)], queued_from).optional()
        })
    }

    fn end_outgoing(&self, update: &str, by: &[&dyn rusqlite::ToSql]) -> Result<bool, StoreError> {
        self.write(|transaction| transaction.execute(update, by).map_err(|error| self.explain(&error)))
            .map(|changed| changed == 1)
    }
}

/// The longest pause between two attempts to send a message, in milliseconds.
pub const LONGEST_PAUSE: Millis = 600_000;

/// Whether a message is due, at `?2`. A wait longer than any pause was set by a clock that was ahead: waiting for it
/// would silence the chat.
const DUE: &str = "(next_attempt_at <= ?2 OR next_attempt_at > ?2 + ?3)";

const SELECT: &str = "SELECT outbox.id, group_name, channel, chat, run, iif(instead IS NULL, kind, 'failure'),
                             coalesce(instead, text), in_reply_to, attempts, outbox.created_at,
                             iif(instead IS NULL, reacts_to, NULL), outbox_files.name, outbox_files.size,
                             (SELECT sender_id FROM messages
                              WHERE messages.group_name = outbox.group_name AND messages.id = reacts_to)
                      FROM outbox JOIN groups ON groups.name = group_name
                      LEFT JOIN outbox_files ON outbox_files.outbox = outbox.id AND instead IS NULL";

pub(super) fn enqueue(
    connection: &Connection,
    group: &GroupName,
    run: Option<RunId>,
    new: &NewOutgoing,
) -> rusqlite::Result<OutboxId> {
    connection
        .prepare_cached(
            "INSERT INTO outbox (group_name, run, kind, text, in_reply_to, state, next_attempt_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'queued', 0, ?6)",
        )?
        .execute(params![
            new.text.goes_to(group).as_str(),
            run.map(runs::key),
            kind_text(new.kind),
            new.text.as_str(),
            new.in_reply_to,
            now()
        ])?;
    Ok(OutboxId(connection.last_insert_rowid().unsigned_abs()))
}

/// Queues a reaction to a message.
pub(super) fn enqueue_reaction(
    connection: &Connection,
    to: (&GroupName, &str),
    run: RunId,
    sign: &Sayable,
) -> rusqlite::Result<OutboxId> {
    let new = NewOutgoing { kind: OutgoingKind::Reply, text: sign.clone(), in_reply_to: None };
    let id = enqueue(connection, to.0, Some(run), &new)?;
    connection.prepare_cached("UPDATE outbox SET reacts_to = ?2 WHERE id = ?1")?.execute(params![key(id), to.1])?;
    Ok(id)
}

/// Sends a file to the chat that it was checked for, with a text that may be empty.
pub(super) fn enqueue_file(
    connection: &Connection,
    run: RunId,
    (file, text): (&SayableFile, &Sayable),
) -> rusqlite::Result<OutboxId> {
    let to = file.goes_to();
    if text.goes_to(to) != to {
        return Err(rusqlite::Error::ToSqlConversionFailure("a file and its text are for two chats".into()));
    }
    let new = NewOutgoing { kind: OutgoingKind::Reply, text: text.clone(), in_reply_to: None };
    let id = enqueue(connection, to, Some(run), &new)?;
    let (name, media, bytes) = (file.name(), file.media(), file.bytes());
    connection
        .prepare_cached("INSERT INTO outbox_files (outbox, name, media, size, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![key(id), name, media, i64::try_from(bytes.len()).unwrap_or(i64::MAX), bytes])?;
    Ok(id)
}

/// Removes names from what was said in a chat, in Doorward's words and in answers. The rest of a text has been checked
/// with it.
pub(super) fn leave_names_out(
    connection: &Connection,
    group: &GroupName,
    names: &[String],
    column: &'static str,
) -> rusqlite::Result<()> {
    for name in names {
        let sql = format!("SELECT id, {column} FROM outbox WHERE group_name = ?1 AND instr({column}, ?2) > 0");
        let mut select = connection.prepare(&sql)?;
        let rows = select.query_map([group.as_str(), name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (id, text) in rows.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
            let text = without(&text, name);
            connection.execute(&format!("UPDATE outbox SET {column} = ?2 WHERE id = ?1"), params![id, text])?;
        }
    }
    Ok(())
}

/// A text without a name, except where it is part of a word.
fn without(text: &str, name: &str) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices(name) {
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let (before, behind) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        if !word(before) && !word(behind) {
            out += &text[from..at];
            out.push('\u{2026}');
            from = at + name.len();
        }
    }
    out + &text[from..]
}

pub(super) fn key(id: OutboxId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

fn kind_text(kind: OutgoingKind) -> &'static str {
    match kind {
        OutgoingKind::Reply => "reply",
        OutgoingKind::Done => "done",
        OutgoingKind::Notice => "notice",
        OutgoingKind::Failure => "failure",
    }
}

fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "outbox".into(), Type::Text)
}

fn queued_from(row: &Row<'_>) -> rusqlite::Result<Queued> {
    let kind: String = row.get(5)?;
    let group = groups::group_name(row, 1)?;
    Ok(Queued {
        id: OutboxId(row.get::<_, i64>(0)?.unsigned_abs()),
        channel: row.get(2)?,
        chat: row.get(3)?,
        run: row.get::<_, Option<i64>>(4)?.map(|run| RunId(run.unsigned_abs())),
        kind: [OutgoingKind::Reply, OutgoingKind::Done, OutgoingKind::Notice, OutgoingKind::Failure]
            .into_iter()
            .find(|known| kind_text(*known) == kind)
            .ok_or_else(|| unreadable(5))?,
        text: Sayable::stored(row, 6, &group)?,
        group,
        in_reply_to: row.get(7)?,
        attempts: row.get(8)?,
        created_at: row.get(9)?,
        reacts_to: row.get(10)?,
        reacts_to_sender: row.get(13)?,
        file: file_from(row)?,
    })
}

fn file_from(row: &Row<'_>) -> rusqlite::Result<Option<FileFacts>> {
    let name: Option<String> = row.get(11)?;
    name.map(|name| Ok(FileFacts { name, size: row.get::<_, i64>(12)?.unsigned_abs() })).transpose()
}
