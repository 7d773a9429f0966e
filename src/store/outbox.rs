//! The outbox: what is to be sent, until it was.

use channel_protocol::OutgoingKind;
use policies::GroupName;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Millis, RunId, Sayable, Store, StoreError, groups, messages, now, runs};

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
    /// The channel's id of the message this answers, where it answers one.
    pub in_reply_to: Option<String>,
}

/// A message as it is to be sent.
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
    /// How often sending it has failed.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Millis,
}

/// What became of an outgoing message.
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
    /// Queues a message that no run ends with: a notice, an operation's message.
    pub fn enqueue(&self, group: &GroupName, run: Option<RunId>, new: &NewOutgoing) -> Result<OutboxId, StoreError> {
        self.write(|transaction| {
            if !messages::group_exists(transaction, group).map_err(|error| self.explain(&error))? {
                return Err(StoreError::NoGroup(group.to_string()));
            }
            enqueue(transaction, group, run, new).map_err(|error| self.explain(&error))
        })
    }

    /// What a channel may send now: of each chat the oldest queued message, if
    /// its time has come. The next of that chat follows once this one has ended,
    /// so the order within a chat holds. What is being sent already is for the
    /// caller to leave out.
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

    /// When the next message of a channel that is not due yet will be: what to sleep until.
    /// `None`: none waits for its time.
    pub fn next_outgoing_at(&self, channel: &str, now: Millis) -> Result<Option<Millis>, StoreError> {
        self.read(|connection| {
            let heads = "SELECT min(id) FROM outbox WHERE state = 'queued' GROUP BY group_name";
            let sql = format!(
                "SELECT min(next_attempt_at) FROM outbox JOIN groups ON name = group_name
                 WHERE id IN ({heads}) AND channel = ?1 AND NOT {DUE}"
            );
            connection.prepare_cached(&sql)?.query_row(params![channel, now, LONGEST_PAUSE], |row| row.get(0))
        })
    }

    /// It was sent, as what the network calls it where the channel says so. `false`:
    /// it had ended before, or its group was removed.
    pub fn mark_sent(&self, id: OutboxId, sent_as: Option<&str>) -> Result<bool, StoreError> {
        let update = "UPDATE outbox SET state = 'sent', attempts = attempts + 1, ended_at = ?2, sent_as = ?3
                      WHERE id = ?1 AND state = 'queued'";
        self.end_outgoing(update, &[&key(id), &now(), &sent_as])
    }

    /// Whether the network's id is that of a message which was sent to this group.
    pub fn is_ours(&self, group: &GroupName, sent_as: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT 1 FROM outbox WHERE group_name = ?1 AND sent_as = ?2")?;
            select.exists([group.as_str(), sent_as])
        })
    }

    /// In the place of an answer that cannot be sent its chat gets word of that; the text
    /// stays ([`Store::undelivered`]). `false`: it is such word itself, or had ended.
    pub fn send_instead(&self, id: OutboxId, why: &str, words: &Sayable) -> Result<bool, StoreError> {
        let update = "UPDATE outbox SET instead = ?2, error = ?3, attempts = 0, next_attempt_at = 0
                      WHERE id = ?1 AND state = 'queued' AND instead IS NULL AND kind IN ('reply', 'notice')
                          AND group_name = ?4";
        let Some(row) = self.outgoing(id)? else { return Ok(false) };
        self.end_outgoing(update, &[&key(id), &words.as_str(), &why, &words.goes_to(&row.group).as_str()])
    }

    /// It was not sent: tried again at `retry_at`, given up without one.
    pub fn mark_failed(&self, id: OutboxId, why: &str, retry_at: Option<Millis>) -> Result<bool, StoreError> {
        let update = "UPDATE outbox SET attempts = attempts + 1, error = iif(instead IS NULL, ?2, error),
                          state = iif(?3 IS NULL, 'failed', 'queued'),
                          next_attempt_at = coalesce(?3, next_attempt_at),
                          ended_at = iif(?3 IS NULL, ?4, NULL)
                      WHERE id = ?1 AND state = 'queued'";
        self.end_outgoing(update, &[&key(id), &why, &retry_at, &now()])
    }

    /// What became of it; `None` once its group was removed.
    pub fn outgoing_state(&self, id: OutboxId) -> Result<Option<OutboxState>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT state FROM outbox WHERE id = ?1")?;
            select.query_row([key(id)], state_from).optional()
        })
    }

    /// Whose message it is, and what.
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

/// Whether a message's time has come, at `?2`. One that would wait for longer than anything
/// does has its time from a clock that was ahead: waiting for that would silence its chat.
const DUE: &str = "(next_attempt_at <= ?2 OR next_attempt_at > ?2 + ?3)";

const SELECT: &str = "SELECT outbox.id, group_name, channel, chat, run, iif(instead IS NULL, kind, 'failure'),
                             coalesce(instead, text), in_reply_to, attempts, outbox.created_at
                      FROM outbox JOIN groups ON name = group_name";

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

fn state_from(row: &Row<'_>) -> rusqlite::Result<OutboxState> {
    let text: String = row.get(0)?;
    match text.as_str() {
        "queued" => Ok(OutboxState::Queued),
        "sent" => Ok(OutboxState::Sent),
        "failed" => Ok(OutboxState::Failed),
        _ => Err(unreadable(0)),
    }
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
    })
}
