//! An overview of tasks: what is next, what failed, what is paused.

use policies::GroupName;
use rusqlite::Row;

use super::tasks::{MadeBy, Task, TaskId, TaskState};
use super::{Millis, Store, StoreError, groups};

/// The overview.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// How many are scheduled.
    pub planned: usize,
    /// The next one due.
    pub next: Option<Task>,
    /// Those that failed, latest first.
    pub failed: Vec<FailedTask>,
    /// Those that are paused because of failures, not by an order.
    pub paused: Vec<Task>,
    /// Those that an agent made and that are not over.
    pub made: Vec<Task>,
}

/// A task that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTask {
    /// The task.
    pub id: TaskId,
    /// Its group.
    pub group: GroupName,
    /// How often it failed.
    pub times: u64,
    /// When it was last given up.
    pub at: Millis,
}

impl Store {
    /// The overview; failures and agents' tasks since a moment.
    pub fn standing(&self, since: Millis) -> Result<Standing, StoreError> {
        let all = self.tasks(None, false)?;
        let active = || all.iter().filter(|task| task.state == TaskState::Active);
        let made = |task: &&Task| task.what.made_by == MadeBy::Agent && task.created_at >= since;
        Ok(Standing {
            planned: active().count(),
            next: active().filter(|task| task.plan.next.is_some()).min_by_key(|task| task.plan.next).cloned(),
            failed: self.failed_since(since)?,
            paused: all.iter().filter(|task| task.state == TaskState::Paused && task.why.is_some()).cloned().collect(),
            made: all.iter().filter(made).cloned().collect(),
        })
    }

    fn failed_since(&self, since: Millis) -> Result<Vec<FailedTask>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT task, group_name, count(*), max(ended_at) FROM firings
                       WHERE state = 'failed' AND ended_at >= ?1 GROUP BY task ORDER BY max(ended_at) DESC";
            connection.prepare_cached(sql)?.query_map([since], failed_from)?.collect()
        })
    }
}

fn failed_from(row: &Row<'_>) -> rusqlite::Result<FailedTask> {
    Ok(FailedTask {
        id: TaskId(row.get::<_, i64>(0)?.unsigned_abs()),
        group: groups::group_name(row, 1)?,
        times: row.get::<_, i64>(2)?.unsigned_abs(),
        at: row.get(3)?,
    })
}
