//! Runs: one attempt of an agent at a range of a group's messages.

use policies::{GroupName, SandboxId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{MessageRow, Millis, NewOutgoing, OutboxId, Store, StoreError, groups, messages, now, outbox};

/// The number of a run; the audit log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// The sandbox of a run for which none started. Real ids have 32 digits.
pub const NO_SANDBOX: &str = "0";

/// A run's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It is in flight, or its daemon died.
    Running,
    /// It was answered.
    Done,
    /// It failed.
    Failed,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The group.
    pub group: GroupName,
    /// The first message it deals with.
    pub first: MessageRow,
    /// The last one.
    pub last: MessageRow,
    /// Its state.
    pub state: RunState,
    /// The sandbox it runs in.
    pub sandbox: SandboxId,
    /// The number of the attempt at its first message, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Why a run could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum EndRunError {
    /// It has ended already, or its group was removed. Nothing changed.
    #[error("run {} is not under way any more", .0.0)]
    NotRunning(RunId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Begins a run over a range of messages.
    pub fn begin_run(
        &self,
        group: &GroupName,
        first: MessageRow,
        last: MessageRow,
        sandbox: &SandboxId,
    ) -> Result<Run, StoreError> {
        self.write(|transaction| {
            if !messages::group_exists(transaction, group).map_err(|error| self.explain(&error))? {
                return Err(StoreError::NoGroup(group.to_string()));
            }
            begin(transaction, group, first, last, sandbox).map_err(|error| self.explain(&error))
        })
    }

    /// A run takes on further messages (follow-ups into a live sandbox).
    pub fn extend_run(&self, run: RunId, last: MessageRow) -> Result<(), EndRunError> {
        self.write(|transaction| {
            let update = "UPDATE runs SET last_row = max(last_row, ?2) WHERE id = ?1 AND state = 'running'";
            let changed =
                transaction.execute(update, params![key(run), last.0]).map_err(|error| self.explain(&error))?;
            if changed == 1 { Ok(()) } else { Err(EndRunError::NotRunning(run)) }
        })
    }

    /// Ends a run that was answered: its state, the group's cursor and the replies change together.
    pub fn finish_run_with_reply(
        &self,
        run: RunId,
        cursor: MessageRow,
        replies: &[NewOutgoing],
    ) -> Result<Vec<OutboxId>, EndRunError> {
        self.end(run, RunState::Done, None, Some(cursor), replies)
    }

    /// Ends a run that was not answered. With a cursor its messages are settled (the failure was reported); without one
    /// they are tried again.
    pub fn fail_run(
        &self,
        run: RunId,
        error: &str,
        cursor: Option<MessageRow>,
        told: &[NewOutgoing],
    ) -> Result<Vec<OutboxId>, EndRunError> {
        self.end(run, RunState::Failed, Some(error), cursor, told)
    }

    /// Runs that have not ended. After a start: those whose daemon died.
    pub fn running_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} WHERE state = 'running' ORDER BY id"))?;
            select.query_map([], run_from)?.collect()
        })
    }

    /// One run.
    pub fn run(&self, run: RunId) -> Result<Option<Run>, StoreError> {
        self.read(|connection| {
            connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([key(run)], run_from).optional()
        })
    }

    /// How many runs of a group since a moment reached an agent.
    pub fn runs_since(&self, group: &GroupName, since: Millis) -> Result<u64, StoreError> {
        self.read(|connection| {
            let count = "SELECT count(*) FROM runs WHERE group_name = ?1 AND started_at >= ?2 AND sandbox <> ?3";
            let counted = connection
                .prepare_cached(count)?
                .query_row(params![group.as_str(), since, NO_SANDBOX], |row| row.get::<_, i64>(0))?;
            Ok(counted.unsigned_abs())
        })
    }

    /// How often the messages from this one on have failed.
    pub fn failed_attempts(&self, group: &GroupName, first: MessageRow) -> Result<u32, StoreError> {
        self.read(|connection| failed_attempts(connection, group, first))
    }

    /// Every run that had taken on this message, including failed attempts and runs that ended with an earlier message:
    /// whatever one of them did counts for it.
    pub fn runs_over(&self, group: &GroupName, message: MessageRow) -> Result<Vec<RunId>, StoreError> {
        self.read(|connection| {
            let over = "SELECT id FROM runs WHERE group_name = ?1 AND ?2 BETWEEN first_row AND last_row ORDER BY id";
            let mut select = connection.prepare_cached(over)?;
            select
                .query_map(params![group.as_str(), message.0], |row| Ok(RunId(row.get::<_, i64>(0)?.unsigned_abs())))?
                .collect()
        })
    }

    fn end(
        &self,
        run: RunId,
        state: RunState,
        error: Option<&str>,
        cursor: Option<MessageRow>,
        told: &[NewOutgoing],
    ) -> Result<Vec<OutboxId>, EndRunError> {
        self.write(|transaction| {
            let ended = end(transaction, run, state, error).map_err(|error| self.explain(&error))?;
            let Some(group) = ended else { return Err(EndRunError::NotRunning(run)) };
            let queue = || {
                if let Some(cursor) = cursor {
                    messages::advance_cursor(transaction, &group, cursor)?;
                }
                told.iter()
                    .map(|new| outbox::enqueue(transaction, &group, Some(run), new))
                    .collect::<rusqlite::Result<Vec<_>>>()
            };
            queue().map_err(|error| EndRunError::from(self.explain(&error)))
        })
    }
}

const SELECT: &str =
    "SELECT id, group_name, first_row, last_row, state, sandbox, attempt, started_at, ended_at, error FROM runs";

/// SQLite counts in `i64`; ids start at 1 and never exceed it.
pub(super) fn key(run: RunId) -> i64 {
    i64::try_from(run.0).unwrap_or(i64::MAX)
}

fn begin(
    connection: &Connection,
    group: &GroupName,
    first: MessageRow,
    last: MessageRow,
    sandbox: &SandboxId,
) -> rusqlite::Result<Run> {
    let attempt = failed_attempts(connection, group, first)? + 1;
    connection
        .prepare_cached(
            "INSERT INTO runs (group_name, first_row, last_row, state, sandbox, attempt, started_at, wrote)
             VALUES (?1, ?2, ?3, 'running', ?4, ?5, ?6, 0)",
        )?
        .execute(params![group.as_str(), first.0, last.0, sandbox.as_str(), attempt, now()])?;
    let id = connection.last_insert_rowid();
    connection.query_row(&format!("{SELECT} WHERE id = ?1"), [id], run_from)
}

fn failed_attempts(connection: &Connection, group: &GroupName, first: MessageRow) -> rusqlite::Result<u32> {
    let count = "SELECT count(*) FROM runs WHERE group_name = ?1 AND first_row = ?2 AND state = 'failed'";
    connection.prepare_cached(count)?.query_row(params![group.as_str(), first.0], |row| row.get(0))
}

/// Ends a run that is in flight; returns its group.
pub(super) fn end(
    connection: &Connection,
    run: RunId,
    state: RunState,
    error: Option<&str>,
) -> rusqlite::Result<Option<GroupName>> {
    let update = "UPDATE runs SET state = ?2, error = ?3, ended_at = ?4 WHERE id = ?1 AND state = 'running' RETURNING group_name";
    connection
        .prepare_cached(update)?
        .query_row(params![key(run), state.as_str(), error, now()], |row| groups::group_name(row, 0))
        .optional()
}

impl RunState {
    fn as_str(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Done => "done",
            RunState::Failed => "failed",
        }
    }
}

fn run_from(row: &Row<'_>) -> rusqlite::Result<Run> {
    let state: String = row.get(4)?;
    let sandbox: String = row.get(5)?;
    let unreadable = |column| rusqlite::Error::InvalidColumnType(column, "runs".into(), Type::Text);
    Ok(Run {
        id: RunId(row.get::<_, i64>(0)?.unsigned_abs()),
        group: groups::group_name(row, 1)?,
        first: MessageRow(row.get(2)?),
        last: MessageRow(row.get(3)?),
        state: [RunState::Running, RunState::Done, RunState::Failed]
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| unreadable(4))?,
        sandbox: SandboxId::new(&sandbox).ok_or_else(|| unreadable(5))?,
        attempt: row.get(6)?,
        started_at: row.get(7)?,
        ended_at: row.get(8)?,
        error: row.get(9)?,
    })
}
