//! Firings: occurrences of tasks that were due. Each is claimed in one transaction with the task's next occurrence,
//! before anything acts on it; so none is lost or repeated.
//!
//! A firing is carried out by runs like those of messages. Their row is the firing's number, negated
//! ([`FiringId::row`]): it is in no range of messages and moves no cursor.

use jiff::{SignedDuration, Timestamp};
use policies::GroupName;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::tasks::{self, Task, TaskId};
use super::{
    EndRunError, MessageRow, Millis, NewOutgoing, OutboxId, RunId, Store, StoreError, groups, now, outbox, runs,
};
use crate::schedule::Due;

/// The number of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiringId(pub u64);

/// After this many failures in a row a task is paused.
pub const MOST_FAILURES: u32 = 5;

/// How long a task rests after its first failure; doubled with each further one.
const REST: SignedDuration = SignedDuration::from_mins(5);

/// A firing to carry out.
#[derive(Clone, Debug)]
pub struct Firing {
    /// Its number.
    pub id: FiringId,
    /// The task, as it is now.
    pub task: Task,
    /// When it was due.
    pub due_at: Timestamp,
}

/// How a firing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiringState {
    /// It waits or is being carried out.
    Open,
    /// It was done.
    Done,
    /// Its gate found nothing to do.
    Nothing,
    /// It failed.
    Failed,
    /// Somebody stopped it, or paused or cancelled the task before it began.
    Stopped,
    /// It was skipped: nothing ran then, or the previous one was not over.
    Missed,
}

/// An entry in a task's history.
#[derive(Clone, Debug)]
pub struct Fired {
    /// When it was due.
    pub due_at: Millis,
    /// How it ended.
    pub state: FiringState,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// The outcome in words.
    pub outcome: Option<String>,
    /// The last run that carried it out; the log names it.
    pub run: Option<RunId>,
}

/// How a firing's run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FiringEnd {
    /// It is done.
    Done,
    /// The gate found nothing to do.
    Nothing,
    /// It failed, and its chat is told.
    Failed(String),
    /// It failed, and is tried again after this long.
    Again(String, Millis),
    /// Somebody stopped it.
    Stopped,
}

impl FiringId {
    /// The row of its runs.
    pub fn row(self) -> MessageRow {
        MessageRow(-i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    /// The firing that a run with this row carries out, if it is one's.
    pub fn of(row: MessageRow) -> Option<Self> {
        (row.0 < 0).then(|| FiringId(row.0.unsigned_abs()))
    }
}

impl Store {
    /// Claims what is due. When this returns, none of it is due any more and all of it is open.
    pub fn claim_due(&self, at: Millis) -> Result<(), StoreError> {
        // First without the write lock.
        let any = self.read(|connection| {
            let sql = format!("SELECT 1 FROM tasks WHERE {LOOKED_AT}");
            connection.prepare_cached(&sql)?.exists([at])
        })?;
        if !any {
            return Ok(());
        }
        self.write(|transaction| claim(transaction, at).map_err(|error| self.explain(&error)))
    }

    /// The next firing that a group has to carry out.
    pub fn next_firing(&self, group: &GroupName) -> Result<Option<Firing>, StoreError> {
        let at = now();
        self.read(|connection| {
            let sql = "SELECT id, task, due_at FROM firings
                       WHERE group_name = ?1 AND state = 'open' AND not_before <= ?2 ORDER BY id LIMIT 1";
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_row(params![group.as_str(), at], firing_from).optional()?;
            found.map_or(Ok(None), |found| with_task(connection, found))
        })
    }

    /// An open firing.
    pub fn open_firing(&self, id: FiringId) -> Result<Option<Firing>, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT id, task, due_at FROM firings WHERE id = ?1 AND state = 'open'")?;
            let found = select.query_row([key(id)], firing_from).optional()?;
            found.map_or(Ok(None), |found| with_task(connection, found))
        })
    }

    /// All open firings of a group, whether or not they may be tried now.
    pub fn open_firings(&self, group: &GroupName) -> Result<Vec<Firing>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id, task, due_at FROM firings WHERE group_name = ?1 AND state = 'open' ORDER BY id";
            let mut select = connection.prepare_cached(sql)?;
            let found: Vec<_> = select.query_map([group.as_str()], firing_from)?.collect::<rusqlite::Result<_>>()?;
            let with_tasks = found.into_iter().map(|found| with_task(connection, found));
            with_tasks.filter_map(Result::transpose).collect()
        })
    }

    /// Groups with a firing to carry out now.
    pub fn groups_firing(&self, at: Millis) -> Result<Vec<GroupName>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT group_name FROM firings WHERE state = 'open' AND not_before <= ?1
                       GROUP BY group_name ORDER BY min(id)";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map([at], |row| groups::group_name(row, 0))?.collect()
        })
    }

    /// When something will be due or may be tried again; `None` if nothing will. Firings that already wait for their
    /// group's seat, as [`Store::groups_firing`] reports for the same moment, are not included.
    pub fn next_due(&self, at: Millis) -> Result<Option<Millis>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT min(at) FROM (
                           SELECT min(next_due) AS at FROM tasks WHERE state = 'active'
                           UNION ALL SELECT min(not_before) FROM firings WHERE state = 'open' AND not_before > ?1)";
            connection.prepare_cached(sql)?.query_row([at], |row| row.get(0))
        })
    }

    /// Fires a task now, outside its schedule. `false`: one is waiting or running already.
    pub fn fire_now(&self, id: TaskId) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let fire = || -> rusqlite::Result<bool> {
                let Some(task) = tasks::find(transaction, id)? else { return Ok(false) };
                if open_of(transaction, id)? > 0 {
                    return Ok(false);
                }
                open(transaction, &task, tasks::timestamp(now()), now())?;
                Ok(true)
            };
            fire().map_err(|error| self.explain(&error))
        })
    }

    /// Ends a firing's run: the run, the firing, its task and the chat's message change together.
    pub fn end_firing(
        &self,
        run: RunId,
        firing: &Firing,
        how: &FiringEnd,
        told: &[NewOutgoing],
    ) -> Result<Vec<OutboxId>, EndRunError> {
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| EndRunError::from(self.explain(&error));
            let (state, error) = how.of_the_run();
            let Some(group) = runs::end(transaction, run, state, error).map_err(explain)? else {
                return Err(EndRunError::NotRunning(run));
            };
            settle(transaction, firing, how).map_err(explain)?;
            let queued = told.iter().map(|new| outbox::enqueue(transaction, &group, Some(run), new));
            queued.collect::<rusqlite::Result<_>>().map_err(explain)
        })
    }

    /// Closes a firing without a run: it was stopped before it began.
    pub fn stop_firing(&self, firing: &Firing) -> Result<(), StoreError> {
        self.write(|transaction| settle(transaction, firing, &FiringEnd::Stopped).map_err(|error| self.explain(&error)))
    }

    /// The last firings of a task, newest first.
    pub fn fired(&self, id: TaskId, most: u32) -> Result<Vec<Fired>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT due_at, state, ended_at, outcome,
                              (SELECT max(runs.id) FROM runs
                               WHERE runs.group_name = firings.group_name AND first_row = -firings.id)
                       FROM firings WHERE task = ?1 ORDER BY id DESC LIMIT ?2";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map(params![tasks::key(id), most], fired_from)?.collect()
        })
    }
}

/// The tasks to check at `?1`: those due, and those planned by a clock that was ahead.
const LOOKED_AT: &str = "state = 'active' AND next_due IS NOT NULL AND (next_due <= ?1 OR planned_at > ?1)";

fn claim(transaction: &Transaction<'_>, at: Millis) -> rusqlite::Result<()> {
    let sql = format!("{} WHERE {LOOKED_AT} ORDER BY next_due, id", tasks::SELECT);
    let looked_at: Vec<Task> =
        transaction.prepare_cached(&sql)?.query_map([at], tasks::task_from)?.collect::<rusqlite::Result<_>>()?;
    for task in looked_at {
        if let Some(why) = task.what.schedule.lost() {
            pause(transaction, task.id, why)?;
            continue;
        }
        let Due { runs, missed, plan } = task.plan.due(&task.what.schedule, task.what.missed, tasks::timestamp(at));
        let mut left_out = (missed > 0).then(|| format!("{missed} missed while nothing ran"));
        for due in runs {
            // One at a time, except for missed occurrences that are all to be made up for.
            let waiting = open_of(transaction, task.id)?;
            if waiting == 0
                || (task.what.missed == crate::schedule::Missed::All && waiting < crate::schedule::MOST_MISSED)
            {
                open(transaction, &task, due, at)?;
            } else {
                left_out = Some("the one before was not over".to_owned());
            }
        }
        if let Some(why) = left_out {
            let due = plan.last.map_or(at, Timestamp::as_millisecond);
            let insert = "INSERT INTO firings (task, group_name, due_at, claimed_at, state, ended_at, outcome)
                          VALUES (?1, ?2, ?3, ?4, 'missed', ?4, ?5)";
            let values = params![tasks::key(task.id), task.what.group.as_str(), due, at, why];
            transaction.prepare_cached(insert)?.execute(values)?;
        }
        tasks::plan(transaction, task.id, &plan)?;
    }
    Ok(())
}

fn open(transaction: &Transaction<'_>, task: &Task, due: Timestamp, at: Millis) -> rusqlite::Result<()> {
    let insert = "INSERT INTO firings (task, group_name, due_at, claimed_at, state) VALUES (?1, ?2, ?3, ?4, 'open')";
    let values = params![tasks::key(task.id), task.what.group.as_str(), due.as_millisecond(), at];
    transaction.prepare_cached(insert)?.execute(values).map(drop)
}

fn open_of(connection: &Connection, id: TaskId) -> rusqlite::Result<usize> {
    let count = "SELECT count(*) FROM firings WHERE task = ?1 AND state = 'open'";
    let open: u32 = connection.prepare_cached(count)?.query_row([tasks::key(id)], |row| row.get(0))?;
    Ok(usize::try_from(open).unwrap_or(usize::MAX))
}

fn pause(transaction: &Transaction<'_>, id: TaskId, why: &str) -> rusqlite::Result<()> {
    let update = "UPDATE tasks SET state = 'paused', why = ?2 WHERE id = ?1 AND state = 'active'";
    transaction.prepare_cached(update)?.execute(params![tasks::key(id), why]).map(drop)
}

/// Drops open firings that no run carries out.
pub(super) fn drop_unbegun(transaction: &Transaction<'_>, id: TaskId) -> rusqlite::Result<()> {
    let update = "UPDATE firings SET state = 'stopped', ended_at = ?2, outcome = 'the task was changed before it began'
                  WHERE task = ?1 AND state = 'open'
                      AND NOT EXISTS (SELECT 1 FROM runs WHERE first_row = -firings.id AND state = 'running'
                                          AND runs.group_name = firings.group_name)";
    transaction.prepare_cached(update)?.execute(params![tasks::key(id), now()]).map(drop)
}

fn settle(transaction: &Transaction<'_>, firing: &Firing, how: &FiringEnd) -> rusqlite::Result<()> {
    let at = now();
    let state = match how {
        FiringEnd::Again(_, rest) => {
            let update = "UPDATE firings SET not_before = ?2 WHERE id = ?1 AND state = 'open'";
            transaction.prepare_cached(update)?.execute(params![key(firing.id), at.saturating_add(*rest)])?;
            return Ok(());
        }
        FiringEnd::Done => FiringState::Done,
        FiringEnd::Nothing => FiringState::Nothing,
        FiringEnd::Failed(_) => FiringState::Failed,
        FiringEnd::Stopped => FiringState::Stopped,
    };
    let outcome = match how {
        FiringEnd::Failed(why) => Some(why),
        _ => None,
    };
    let close = "UPDATE firings SET state = ?2, ended_at = ?3, outcome = ?4 WHERE id = ?1 AND state = 'open'";
    let closed = transaction.prepare_cached(close)?.execute(params![key(firing.id), state.name(), at, outcome])?;
    if closed == 0 {
        return Ok(());
    }
    match how {
        FiringEnd::Failed(_) => failed(transaction, firing.task.id),
        FiringEnd::Done | FiringEnd::Nothing => {
            let well = "UPDATE tasks SET failures = 0 WHERE id = ?1 AND failures > 0";
            transaction.prepare_cached(well)?.execute([tasks::key(firing.task.id)]).map(drop)
        }
        FiringEnd::Again(..) | FiringEnd::Stopped => Ok(()),
    }
}

/// A task that failed rests before it is due again; one that keeps failing is paused.
fn failed(transaction: &Transaction<'_>, id: TaskId) -> rusqlite::Result<()> {
    let count = "UPDATE tasks SET failures = failures + 1 WHERE id = ?1";
    transaction.prepare_cached(count)?.execute([tasks::key(id)])?;
    let Some(task) = tasks::find(transaction, id)? else { return Ok(()) };
    if task.failures >= MOST_FAILURES {
        return pause(transaction, id, &format!("it failed {} times in a row", task.failures));
    }
    let rest = REST * (1 << task.failures.saturating_sub(1).min(16));
    let plan = task.plan.resting(&task.what.schedule, rest, tasks::timestamp(now()));
    if plan == task.plan { Ok(()) } else { tasks::plan(transaction, id, &plan) }
}

fn key(id: FiringId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

type Found = (FiringId, TaskId, Millis);

fn firing_from(row: &Row<'_>) -> rusqlite::Result<Found> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok((FiringId(number(0)?), TaskId(number(1)?), row.get(2)?))
}

fn with_task(connection: &Connection, (id, task, due_at): Found) -> rusqlite::Result<Option<Firing>> {
    let task = tasks::find(connection, task)?;
    Ok(task.map(|task| Firing { id, task, due_at: tasks::timestamp(due_at) }))
}

fn fired_from(row: &Row<'_>) -> rusqlite::Result<Fired> {
    let state: String = row.get(1)?;
    Ok(Fired {
        due_at: row.get(0)?,
        state: FiringState::named(&state)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(1, "firings".into(), Type::Text))?,
        ended_at: row.get(2)?,
        outcome: row.get(3)?,
        run: row.get::<_, Option<i64>>(4)?.map(|run| RunId(run.unsigned_abs())),
    })
}

impl FiringEnd {
    fn of_the_run(&self) -> (runs::RunState, Option<&str>) {
        match self {
            FiringEnd::Done | FiringEnd::Nothing => (runs::RunState::Done, None),
            FiringEnd::Failed(why) | FiringEnd::Again(why, _) => (runs::RunState::Failed, Some(why)),
            FiringEnd::Stopped => (runs::RunState::Failed, Some("stopped")),
        }
    }
}

impl FiringState {
    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            FiringState::Open => "open",
            FiringState::Done => "done",
            FiringState::Nothing => "nothing",
            FiringState::Failed => "failed",
            FiringState::Stopped => "stopped",
            FiringState::Missed => "missed",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [
            FiringState::Open,
            FiringState::Done,
            FiringState::Nothing,
            FiringState::Failed,
            FiringState::Stopped,
            FiringState::Missed,
        ];
        all.into_iter().find(|state| state.name() == name)
    }
}
