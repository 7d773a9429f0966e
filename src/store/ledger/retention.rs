//! How long the log is kept: by age and by size, removed from its beginning, up to a
//! signed checkpoint, both in one transaction.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::chain::Link;
use super::checkpoint::{self, Checkpoint, Key};
use super::writer::to_row;
use crate::store::Millis;

/// How much of the log is kept. Nothing said: all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records that are older go.
    pub age: Option<Duration>,
    /// The oldest go while the log holds more bytes.
    pub size: Option<u64>,
}

/// What is younger is never removed, whatever the size: the day's budgets of `[limits]`
/// are counted from it after a restart, and no day is longer than 25 hours.
const ALWAYS: Duration = Duration::from_hours(26);

/// A checkpoint is made this often even if nothing is removed.
const CHECKPOINT_EVERY: Duration = Duration::from_hours(24);

/// So many records go in one transaction: whoever asks at a door waits for it.
const AT_ONCE: u64 = 20_000;

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pruned {
    /// The records up to this one.
    pub(super) seq: u64,
    /// Whether there is more to remove.
    pub(super) more: bool,
}

/// Removes what has had its time, and makes the checkpoint that is due.
pub(super) fn keep(
    connection: &Connection,
    key: &Key,
    retention: &Retention,
    now: Millis,
) -> rusqlite::Result<Option<Pruned>> {
    // Rolled back when it is dropped without a commit.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let Some((first, last)) = ends(&transaction)? else { return Ok(None) };
    let due = due(&transaction, retention, now, first, last)?;
    let pruned = due.map(|due| Pruned { seq: due.min(first + AT_ONCE - 1), more: due >= first + AT_ONCE });
    match pruned {
        Some(Pruned { seq, .. }) => {
            Checkpoint::add(&transaction, key, link(&transaction, seq)?, true, now)?;
            transaction.execute("DELETE FROM events WHERE seq <= ?1", [to_row(seq)])?;
        }
        None => {
            let before = checkpoint::last(&transaction)?;
            if before.is_none_or(|before| before.seq < last && before.at_ms <= now - millis(CHECKPOINT_EVERY)) {
                Checkpoint::add(&transaction, key, link(&transaction, last)?, false, now)?;
            }
        }
    }
    transaction.commit()?;
    Ok(pruned)
}

/// The last record that has to go; the last one of all always stays.
fn due(
    connection: &Connection,
    retention: &Retention,
    now: Millis,
    first: u64,
    last: u64,
) -> rusqlite::Result<Option<u64>> {
    let before = |age: Duration| -> rusqlite::Result<u64> {
        // In the order of writing: a clock that was set back removes nothing too much.
        let sql = "SELECT seq FROM events WHERE at_ms >= ?1 ORDER BY seq LIMIT 1";
        let kept: Option<i64> = connection.query_row(sql, [now - millis(age)], |row| row.get(0)).optional()?;
        Ok(kept.map_or(last, i64::unsigned_abs).min(last) - 1)
    };
    let old = retention.age.map(|age| before(age.max(ALWAYS))).transpose()?.unwrap_or(0);
    let much = match retention.size {
        Some(most) => too_much(connection, most, first, last)?.min(before(ALWAYS)?),
        None => 0,
    };
    Ok(Some(old.max(much)).filter(|due| *due >= first))
}

/// Down to nine tenths, so that not every record brings a removal.
fn too_much(connection: &Connection, most: u64, first: u64, last: u64) -> rusqlite::Result<u64> {
    let pragma = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    // What was removed leaves free pages, which are filled again before the file grows.
    let pages = pragma("PRAGMA page_count")?.saturating_sub(pragma("PRAGMA freelist_count")?);
    let used = pages * pragma("PRAGMA page_size")?;
    if used <= most {
        return Ok(0);
    }
    let records = u128::from(last - first + 1);
    let over = u128::from(used - most / 10 * 9);
    Ok(first - 1 + u64::try_from(records * over / u128::from(used)).unwrap_or(0))
}

fn ends(connection: &Connection) -> rusqlite::Result<Option<(u64, u64)>> {
    let row: (Option<i64>, Option<i64>) =
        connection.query_row("SELECT (SELECT min(seq) FROM events), (SELECT max(seq) FROM events)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(row.0.zip(row.1).map(|(first, last)| (first.unsigned_abs(), last.unsigned_abs())))
}

fn link(connection: &Connection, seq: u64) -> rusqlite::Result<Link> {
    let hash = connection.query_row("SELECT hash FROM events WHERE seq = ?1", [to_row(seq)], |row| row.get(0))?;
    Ok(Link { seq, hash })
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
