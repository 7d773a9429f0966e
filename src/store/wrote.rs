//! Which runs may have written: stored on the disk before the first request of a run that may change something is sent.
//! So invariant 13 does not depend on the audit log, which may lose its last second in a power cut, be restored from a
//! copy, or be gone.

use std::collections::BTreeSet;

use desk::lock;
use policies::GroupName;
use rusqlite::{OptionalExtension, params};

use super::{MessageRow, RunId, Store, StoreError, runs};

/// The last runs known to be marked, so that each is marked once.
pub(super) type Marked = BTreeSet<RunId>;

/// How many are remembered; nobody asks about ended ones.
const REMEMBERED: usize = 1024;

impl Store {
    /// A run is about to write. When this returns, that fact survives a power cut.
    pub async fn will_write(&self, run: RunId) -> Result<(), StoreError> {
        if !self.is_marked(run) {
            self.mark(run)?;
            self.durable().await?;
            self.remember(run);
        }
        Ok(())
    }

    /// The same, on the caller's thread.
    pub fn will_write_now(&self, run: RunId) -> Result<(), StoreError> {
        if !self.is_marked(run) {
            self.mark(run)?;
            self.durable.as_ref().map_or(Ok(()), super::Durable::sync)?;
            self.remember(run);
        }
        Ok(())
    }

    /// Whether any run that had taken on this message may have written; `None` if one is from before this was stored,
    /// and none of the others has.
    pub fn wrote(&self, group: &GroupName, message: MessageRow) -> Result<Option<bool>, StoreError> {
        self.read(|connection| {
            let over = "SELECT max(wrote), count(*) - count(wrote) FROM runs
                        WHERE group_name = ?1 AND ?2 BETWEEN first_row AND last_row";
            let (wrote, unknown): (Option<bool>, i64) = connection
                .prepare_cached(over)?
                .query_row(params![group.as_str(), message.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(match wrote {
                Some(true) => Some(true),
                _ if unknown > 0 => None,
                _ => Some(false),
            })
        })
    }

    /// The least that the audit log beside this database had reached at the last start; `None` before the first.
    pub fn log_seen(&self) -> Result<Option<u64>, StoreError> {
        self.read(|connection| {
            let seen = connection.query_row("SELECT seen FROM audit_log", [], |row| row.get::<_, i64>(0)).optional()?;
            if seen.is_some() {
                return Ok(seen.map(i64::unsigned_abs));
            }
            // From before this was stored: if anything ran, there was a log.
            let ran = connection.query_row("SELECT EXISTS (SELECT 1 FROM runs)", [], |row| row.get(0))?;
            Ok(if ran { Some(1) } else { None })
        })
    }

    /// The audit log has reached this record, and it is on the disk.
    pub fn see_log(&self, seq: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let set = "INSERT INTO audit_log (one, seen) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET seen = ?1";
            let seq = i64::try_from(seq).unwrap_or(i64::MAX);
            transaction.execute(set, [seq]).map(drop).map_err(|error| self.explain(&error))
        })
    }

    /// The audit log is not the same: a run that only the log would know about counts as one that wrote.
    pub fn log_was_lost(&self) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mark = "UPDATE runs SET wrote = 1 WHERE wrote IS NULL";
            transaction.execute(mark, []).map(drop).map_err(|error| self.explain(&error))
        })
    }

    /// The log starts anew after an older one: a run that is still open counts as one that wrote.
    pub fn log_begins_anew(&self) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mark = "UPDATE runs SET wrote = 1 WHERE wrote IS NULL OR state = 'running'";
            transaction.execute(mark, []).map(drop).map_err(|error| self.explain(&error))
        })
    }

    fn mark(&self, run: RunId) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mark = "UPDATE runs SET wrote = 1 WHERE id = ?1";
            let mut update = transaction.prepare_cached(mark).map_err(|error| self.explain(&error))?;
            update.execute([runs::key(run)]).map(drop).map_err(|error| self.explain(&error))
        })
    }

    fn is_marked(&self, run: RunId) -> bool {
        lock(&self.marked).contains(&run)
    }

    fn remember(&self, run: RunId) {
        let mut marked = lock(&self.marked);
        marked.insert(run);
        if marked.len() > REMEMBERED {
            marked.pop_first();
        }
    }
}
