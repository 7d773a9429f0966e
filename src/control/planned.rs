//! The overview of tasks for `doorward status` and `doctor`.

use serde::{Deserialize, Serialize};

use crate::store::{FailedTask, Millis, Store, StoreError, Task, now};

/// How long a failure is reported: a day.
const TOLD_FOR: Millis = 24 * 60 * 60 * 1000;

/// The most of a kind that are named.
const NAMED_AT_MOST: usize = 100;

/// An overview of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTasks {
    /// How many are scheduled.
    pub planned: usize,
    /// The next one due.
    pub next: Option<NextTask>,
    /// Those that failed within a day, latest first.
    pub failed: Vec<TaskFailed>,
    /// Those that are paused because of failures.
    pub paused: Vec<TaskPaused>,
}

/// The task that is due next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextTask {
    /// Its number.
    pub task: u64,
    /// Its group.
    pub group: String,
    /// When, in milliseconds since 1970.
    pub at_ms: Millis,
}

/// A task that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailed {
    /// Its number.
    pub task: u64,
    /// Its group.
    pub group: String,
    /// How often within a day.
    pub times: u64,
}

/// A task that was paused automatically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPaused {
    /// Its number.
    pub task: u64,
    /// Its group.
    pub group: String,
    /// The reason.
    pub why: String,
}

impl PlannedTasks {
    /// From the store.
    pub fn of(store: &Store) -> Result<Self, StoreError> {
        let standing = store.standing(now().saturating_sub(TOLD_FOR))?;
        let paused: Vec<TaskPaused> = standing.paused.iter().take(NAMED_AT_MOST).map(paused).collect();
        let is_paused = |one: &FailedTask| standing.paused.iter().any(|paused| paused.id == one.id);
        Ok(PlannedTasks {
            planned: standing.planned,
            next: standing.next.and_then(next),
            failed: standing.failed.iter().filter(|one| !is_paused(one)).take(NAMED_AT_MOST).map(failed).collect(),
            paused,
        })
    }
}

fn next(task: Task) -> Option<NextTask> {
    let at_ms = task.plan.next?.as_millisecond();
    Some(NextTask { task: task.id.0, group: task.what.group.to_string(), at_ms })
}

fn failed(one: &FailedTask) -> TaskFailed {
    TaskFailed { task: one.id.0, group: one.group.to_string(), times: one.times }
}

fn paused(task: &Task) -> TaskPaused {
    TaskPaused { task: task.id.0, group: task.what.group.to_string(), why: task.why.clone().unwrap_or_default() }
}
