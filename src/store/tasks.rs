//! Tasks: scheduled work for a group's agent. This is what they are and how they change; what is due of them is in
//! [`super::firings`].

use jiff::Timestamp;
use policies::GroupName;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Millis, NewOutgoing, RunId, Store, StoreError, firings, groups, messages, now, outbox, runs};
use crate::schedule::{Kind, Missed, Plan, Schedule};

/// The number of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// The most open tasks that a group's agent may have made.
pub const MOST_BY_AGENTS: u32 = 20;

/// The context of a task's agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Context {
    /// The group's conversation.
    #[default]
    Group,
    /// Only the task, in a sandbox of its own.
    Isolated,
}

/// Who made a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// The owner, on the command line.
    Owner,
    /// The group's agent.
    Agent,
}

/// A task's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It will be due.
    Active,
    /// Not due until somebody resumes it.
    Paused,
    /// No occurrence follows.
    Done,
    /// Somebody has cancelled it.
    Cancelled,
}

/// A task to make.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// The group whose agent does it.
    pub group: GroupName,
    /// The prompt.
    pub prompt: String,
    /// When it is due.
    pub schedule: Schedule,
    /// The agent's context.
    pub context: Context,
    /// What happens to missed occurrences.
    pub missed: Missed,
    /// A command that first decides whether there is anything to do.
    pub gate: Option<String>,
    /// Who made it.
    pub made_by: MadeBy,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// Its content.
    pub what: NewTask,
    /// Its state.
    pub state: TaskState,
    /// Why it is paused, if not by an order.
    pub why: Option<String>,
    /// How often in a row it has failed.
    pub failures: u32,
    /// When it was made.
    pub created_at: Millis,
    /// The last and the next occurrence.
    pub plan: Plan,
}

/// A change to a task.
#[derive(Clone, Debug, Default)]
pub struct TaskChange {
    /// The prompt.
    pub prompt: Option<String>,
    /// When it is due.
    pub schedule: Option<Schedule>,
    /// The agent's context.
    pub context: Option<Context>,
    /// What happens to missed occurrences.
    pub missed: Option<Missed>,
    /// The command before it; empty for none.
    pub gate: Option<String>,
    /// Whether it is active, paused or over.
    pub state: Option<TaskState>,
}

/// Why a task was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// The run that asked for it has ended.
    #[error("what was being answered has ended meanwhile")]
    NotRunning,
    /// The group has too many.
    #[error("a group has at most {MOST_BY_AGENTS} tasks that its agent made; cancel one first")]
    TooMany,
    /// It is over.
    #[error("task {} is over and does not change any more; make a new one", .0.0)]
    Over(TaskId),
    /// It does not exist.
    #[error("there is no task {}", .0.0)]
    NoTask(TaskId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The authority for a change, and the chat messages that are queued with it.
pub struct Word<'a> {
    /// For an agent: its run, which must be in flight, and its group.
    pub run: Option<(RunId, &'a GroupName)>,
    /// The messages about the changed task.
    pub tell: &'a dyn Fn(&Task) -> Vec<(GroupName, NewOutgoing)>,
}

impl Word<'_> {
    /// The owner's, on the machine.
    pub fn of_the_owner() -> Self {
        Word { run: None, tell: &|_| Vec::new() }
    }

    fn said(&self, transaction: &Transaction<'_>, task: Task) -> rusqlite::Result<Task> {
        for (group, new) in (self.tell)(&task) {
            outbox::enqueue(transaction, &group, self.run.map(|(run, _)| run), &new)?;
        }
        Ok(task)
    }
}

impl Store {
    /// Makes a task.
    pub fn add_task(&self, new: &NewTask, word: &Word<'_>) -> Result<Task, NotChanged> {
        self.add(new, TaskState::Active, word)
    }

    /// Makes a paused task.
    pub fn add_paused_task(&self, new: &NewTask, word: &Word<'_>) -> Result<Task, NotChanged> {
        self.add(new, TaskState::Paused, word)
    }

    fn add(&self, new: &NewTask, state: TaskState, word: &Word<'_>) -> Result<Task, NotChanged> {
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| NotChanged::Store(self.explain(&error));
            if !messages::group_exists(transaction, &new.group).map_err(explain)? {
                return Err(StoreError::NoGroup(new.group.to_string()).into());
            }
            may(transaction, word, explain)?;
            if new.made_by == MadeBy::Agent && by_agents(transaction, &new.group).map_err(explain)? >= MOST_BY_AGENTS {
                return Err(NotChanged::TooMany);
            }
            insert(transaction, new, state).and_then(|task| word.said(transaction, task)).map_err(explain)
        })
    }

    /// Changes a task and returns the result. Its firings that have not begun are dropped when it is paused or over.
    pub fn change_task(&self, id: TaskId, change: &TaskChange, word: &Word<'_>) -> Result<Task, NotChanged> {
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| NotChanged::Store(self.explain(&error));
            let task = find(transaction, id).map_err(explain)?.ok_or(NotChanged::NoTask(id))?;
            may(transaction, word, explain)?;
            if matches!(task.state, TaskState::Done | TaskState::Cancelled) {
                return Err(NotChanged::Over(id));
            }
            apply(transaction, task, change).map_err(explain)?;
            let task = find(transaction, id).map_err(explain)?.ok_or(NotChanged::NoTask(id))?;
            word.said(transaction, task).map_err(explain)
        })
    }

    /// One task.
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.read(|connection| find(connection, id))
    }

    /// The tasks of a group, or of all; those that are over only if `over`.
    pub fn tasks(&self, group: Option<&GroupName>, over: bool) -> Result<Vec<Task>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "{SELECT} WHERE (?1 IS NULL OR group_name = ?1) AND (?2 OR state IN ('active', 'paused')) ORDER BY id"
            );
            let mut select = connection.prepare_cached(&sql)?;
            select.query_map(params![group.map(GroupName::as_str), over], task_from)?.collect()
        })
    }
}

/// Checks the authority.
fn may(
    connection: &Connection,
    word: &Word<'_>,
    explain: impl Fn(rusqlite::Error) -> NotChanged,
) -> Result<(), NotChanged> {
    let Some((run, group)) = word.run else { return Ok(()) };
    let under_way = "SELECT 1 FROM runs WHERE id = ?1 AND group_name = ?2 AND state = 'running'";
    let mut select = connection.prepare_cached(under_way).map_err(&explain)?;
    match select.exists(params![runs::key(run), group.as_str()]).map_err(explain)? {
        true => Ok(()),
        false => Err(NotChanged::NotRunning),
    }
}

fn by_agents(connection: &Connection, group: &GroupName) -> rusqlite::Result<u32> {
    let count = "SELECT count(*) FROM tasks
                 WHERE group_name = ?1 AND made_by = 'agent' AND state IN ('active', 'paused')";
    connection.prepare_cached(count)?.query_row([group.as_str()], |row| row.get(0))
}

fn insert(transaction: &Transaction<'_>, new: &NewTask, state: TaskState) -> rusqlite::Result<Task> {
    let at = timestamp(now());
    let plan = Plan::from_now(&new.schedule, at, at);
    transaction
        .prepare_cached(
            "INSERT INTO tasks (group_name, prompt, kind, schedule, zone, context, missed, gate, made_by, state,
                                created_at, anchor, planned_at, next_due)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?12, ?10, ?10, ?10, ?11)",
        )?
        .execute(params![
            new.group.as_str(),
            new.prompt,
            new.schedule.kind().name(),
            new.schedule.value(),
            new.schedule.zone_name(),
            new.context.name(),
            new.missed.name(),
            new.gate,
            new.made_by.name(),
            at.as_millisecond(),
            plan.next.map(Timestamp::as_millisecond),
            state.name(),
        ])?;
    let id = TaskId(transaction.last_insert_rowid().unsigned_abs());
    find(transaction, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn apply(transaction: &Transaction<'_>, mut task: Task, change: &TaskChange) -> rusqlite::Result<()> {
    let at = timestamp(now());
    let TaskChange { prompt, schedule, context, missed, gate, state } = change;
    let what = &mut task.what;
    what.prompt = prompt.clone().unwrap_or_else(|| what.prompt.clone());
    what.context = context.unwrap_or(what.context);
    what.missed = missed.unwrap_or(what.missed);
    what.gate = gate.clone().or_else(|| what.gate.clone()).filter(|gate| !gate.trim().is_empty());
    let state = state.unwrap_or(task.state);
    let resumes = state == TaskState::Active && task.state != TaskState::Active;
    if let Some(schedule) = schedule {
        what.schedule = schedule.clone();
        task.plan = Plan::from_now(schedule, at, at);
    } else if resumes && what.schedule.recurs() {
        // Occurrences during the pause do not count as missed.
        task.plan = Plan { last: task.plan.last, ..Plan::from_now(&what.schedule, task.plan.anchor, at) };
    }
    let failures = if resumes { 0 } else { task.failures };
    let why = if state == task.state { task.why.clone() } else { None };
    transaction
        .prepare_cached(
            "UPDATE tasks SET prompt = ?2, kind = ?3, schedule = ?4, zone = ?5, context = ?6, missed = ?7, gate = ?8,
                              state = ?9, failures = ?10, why = ?11, anchor = ?12
             WHERE id = ?1",
        )?
        .execute(params![
            key(task.id),
            what.prompt,
            what.schedule.kind().name(),
            what.schedule.value(),
            what.schedule.zone_name(),
            what.context.name(),
            what.missed.name(),
            what.gate,
            state.name(),
            failures,
            why,
            task.plan.anchor.as_millisecond(),
        ])?;
    plan(transaction, task.id, &task.plan)?;
    if state != TaskState::Active {
        firings::drop_unbegun(transaction, task.id)?;
    }
    if state == TaskState::Cancelled {
        let end = "UPDATE tasks SET ended_at = ?2, next_due = NULL WHERE id = ?1";
        transaction.prepare_cached(end)?.execute(params![key(task.id), at.as_millisecond()])?;
    }
    Ok(())
}

/// Stores the plan; a task without a next occurrence is done.
pub(super) fn plan(transaction: &Transaction<'_>, id: TaskId, plan: &Plan) -> rusqlite::Result<()> {
    let update = "UPDATE tasks SET planned_at = ?2, last_due = ?3, next_due = ?4,
                      state = iif(?4 IS NULL AND state = 'active', 'done', state),
                      ended_at = iif(?4 IS NULL AND state = 'active', ?2, ended_at)
                  WHERE id = ?1";
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let values = params![key(id), plan.planned_at.as_millisecond(), millis(plan.last), millis(plan.next)];
    transaction.prepare_cached(update)?.execute(values).map(drop)
}

/// A task from the store.
pub(super) fn find(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<Task>> {
    let mut select = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    select.query_row([key(id)], task_from).optional()
}

pub(super) const SELECT: &str = "SELECT id, group_name, prompt, kind, schedule, zone, context, missed, gate, made_by,
                                        state, why, failures, created_at, anchor, planned_at, last_due, next_due
                                 FROM tasks";

pub(super) fn task_from(row: &Row<'_>) -> rusqlite::Result<Task> {
    let text = |column| row.get::<_, String>(column);
    let unreadable = |column| rusqlite::Error::InvalidColumnType(column, "tasks".into(), Type::Text);
    let kind = Kind::named(&text(3)?).ok_or_else(|| unreadable(3))?;
    let schedule = Schedule::stored(kind, text(4)?, &text(5)?);
    let at = |column| row.get::<_, Option<Millis>>(column).map(|at| at.map(timestamp));
    Ok(Task {
        id: TaskId(row.get::<_, i64>(0)?.unsigned_abs()),
        what: NewTask {
            group: groups::group_name(row, 1)?,
            prompt: row.get(2)?,
            schedule,
            context: Context::named(&text(6)?).ok_or_else(|| unreadable(6))?,
            missed: Missed::named(&text(7)?).ok_or_else(|| unreadable(7))?,
            gate: row.get(8)?,
            made_by: MadeBy::named(&text(9)?).ok_or_else(|| unreadable(9))?,
        },
        state: TaskState::named(&text(10)?).ok_or_else(|| unreadable(10))?,
        why: row.get(11)?,
        failures: row.get(12)?,
        created_at: row.get(13)?,
        plan: Plan {
            anchor: timestamp(row.get(14)?),
            planned_at: timestamp(row.get(15)?),
            last: at(16)?,
            next: at(17)?,
        },
    })
}

pub(super) fn key(id: TaskId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// The store's time as a timestamp.
pub(super) fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)
}

impl Context {
    /// All of them, as spelt.
    pub const NAMES: [&str; 2] = ["group", "isolated"];

    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            Context::Group => "group",
            Context::Isolated => "isolated",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        [Context::Group, Context::Isolated].into_iter().find(|context| context.name() == name)
    }
}

impl MadeBy {
    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            MadeBy::Owner => "owner",
            MadeBy::Agent => "agent",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [MadeBy::Owner, MadeBy::Agent].into_iter().find(|made_by| made_by.name() == name)
    }
}

impl TaskState {
    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            TaskState::Active => "active",
            TaskState::Paused => "paused",
            TaskState::Done => "done",
            TaskState::Cancelled => "cancelled",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [TaskState::Active, TaskState::Paused, TaskState::Done, TaskState::Cancelled];
        all.into_iter().find(|state| state.name() == name)
    }
}
