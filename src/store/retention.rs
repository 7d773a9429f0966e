//! How long chats are kept: messages, runs and sent messages are removed oldest first, a few at a time, so that nothing
//! waits for it.
//!
//! Open work is never removed: an unanswered message that calls, a run in flight or with unanswered messages, unsent
//! messages, a task that will be due. Nor are the last [`NEWEST`] rows of each table, whatever the clock says: they
//! identify messages that a channel delivers again.

use std::collections::BTreeMap;

use policies::GroupName;
use rusqlite::{Transaction, params};

use super::{Millis, Store, StoreError};

/// How many of the last rows of each table always stay.
const NEWEST: i64 = 1000;

/// How many rows are checked in one transaction.
const AT_ONCE: i64 = 200;

/// The progress of a removal; the default is the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retained {
    table: usize,
    after: i64,
    /// How many rows were removed.
    pub removed: usize,
}

/// An append-only table, in the order of its ids.
struct Kept {
    table: &'static str,
    id: &'static str,
    /// When a row was completed.
    at: &'static str,
    /// What may be removed once it is old.
    closed: &'static str,
}

const KEPT: [Kept; 6] = [
    Kept {
        table: "messages",
        id: "row_id",
        at: "received_at",
        closed: "(means = 'talk' OR row_id <= (SELECT cursor FROM groups WHERE name = group_name))",
    },
    Kept { table: "asks", id: "id", at: "coalesce(answered_at, asked_at)", closed: "state NOT IN ('waiting', 'gone')" },
    Kept { table: "outbox", id: "id", at: "coalesce(ended_at, created_at)", closed: "state <> 'queued'" },
    Kept {
        table: "runs",
        id: "id",
        at: "coalesce(ended_at, started_at)",
        // A firing's row is negative: it stays as long as the firing is open.
        closed: "state <> 'running' AND last_row <= (SELECT cursor FROM groups WHERE name = group_name)
                 AND NOT EXISTS (SELECT 1 FROM firings WHERE firings.id = -last_row AND firings.state = 'open')",
    },
    Kept { table: "firings", id: "id", at: "coalesce(ended_at, claimed_at)", closed: "state <> 'open'" },
    Kept { table: "tasks", id: "id", at: "coalesce(ended_at, created_at)", closed: "state IN ('done', 'cancelled')" },
];

/// What is old: everything from before a time, and for some groups from before another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Old {
    /// The default.
    pub before: Millis,
    /// For groups with their own setting.
    pub of: BTreeMap<GroupName, Millis>,
}

impl Old {
    fn latest(&self) -> Millis {
        self.of.values().copied().fold(self.before, Millis::max)
    }

    /// As SQL.
    fn of_groups(&self) -> String {
        serde_json::to_string(&self.of).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl Store {
    /// Removes some of what is old; `None` when nothing is left.
    pub fn retain(&self, old: &Old, so_far: Retained) -> Result<Option<Retained>, StoreError> {
        let Some(kept) = KEPT.get(so_far.table) else { return Ok(None) };
        self.write(|transaction| {
            let step = kept.step(transaction, old, so_far.after).map_err(|error| self.explain(&error))?;
            Ok(Some(match step {
                Some((after, removed)) => Retained { after, removed: so_far.removed + removed, ..so_far },
                None => Retained { table: so_far.table + 1, after: 0, ..so_far },
            }))
        })
    }
}

impl Kept {
    /// The next rows: the last one checked, and how many were removed. `None`: all that follow are young.
    fn step(&self, transaction: &Transaction<'_>, old: &Old, after: i64) -> rusqlite::Result<Option<(i64, usize)>> {
        let Kept { table, id, at, closed } = self;
        let look = format!(
            "SELECT max(id), min(at), (SELECT max({id}) FROM {table}) - {NEWEST}
             FROM (SELECT {id} AS id, {at} AS at FROM {table} WHERE {id} > ?1 ORDER BY {id} LIMIT {AT_ONCE})"
        );
        let (until, oldest, newest): (Option<i64>, Option<Millis>, Option<i64>) =
            transaction.prepare_cached(&look)?.query_row([after], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let (Some(until), Some(newest)) = (until, newest) else { return Ok(None) };
        if oldest.is_none_or(|oldest| oldest >= old.latest()) || after >= newest {
            return Ok(None);
        }
        let until = until.min(newest);
        let before = "coalesce((SELECT value FROM json_each(?4) WHERE key = group_name), ?3)";
        let delete = format!("DELETE FROM {table} WHERE {id} > ?1 AND {id} <= ?2 AND {at} < {before} AND {closed}");
        let values = params![after, until, old.before, old.of_groups()];
        let removed = transaction.prepare_cached(&delete)?.execute(values)?;
        Ok(Some((until, removed)))
    }
}
