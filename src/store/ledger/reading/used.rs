//! What a group has used of its day, read back from the log. A day can be a million records
//! long: whoever asks does so off the workers, and over a connection of its own, so that
//! nobody else who reads the log waits for it.

use std::collections::BTreeSet;

use policies::GroupName;
use rusqlite::types::Value;
use serde::Deserialize;

use super::AuditReader;
use super::entries::Entry;
use crate::store::{Millis, StoreError};

/// What a group has used since a moment: allowed requests, bytes of heads and bodies,
/// and the names below a wildcard that were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedSince {
    /// Requests that were allowed.
    pub requests: u64,
    /// Bytes that went up.
    pub bytes_up: u64,
    /// Names below a wildcard.
    pub names: BTreeSet<String>,
}

impl AuditReader {
    /// What a group has used since a moment, as far as the index knows it.
    pub(in crate::store::ledger) fn used_since(
        &self,
        group: &GroupName,
        since: Millis,
    ) -> Result<UsedSince, StoreError> {
        let mut used = UsedSince::default();
        let of = || vec![Value::Integer(since), Value::Text(group.to_string())];
        let sums = "SELECT count(*), coalesce(sum(up), 0) FROM entries
                    WHERE at_ms >= ?1 AND group_name = ?2 AND allowed AND NOT operation";
        for (requests, up) in self.rows(sums, of(), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))? {
            (used.requests, used.bytes_up) = (requests.unsigned_abs(), up.unsigned_abs());
        }
        let names =
            "SELECT DISTINCT host FROM entries WHERE at_ms >= ?1 AND group_name = ?2 AND allowed AND by_wildcard";
        used.names.extend(self.rows(names, of(), |row| row.get::<_, String>(0))?);
        let carried = Entry::select("WHERE at_ms >= ?1 AND group_name = ?2 AND what = 'carried'");
        for entry in self.rows(&carried, of(), Entry::from)? {
            used.add(serde_json::from_value(self.record(entry.seq, entry.place)?).unwrap_or_default());
        }
        Ok(used)
    }

    /// The groups that did anything since a moment.
    pub(in crate::store::ledger) fn groups_since(&self, since: Millis) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT group_name FROM entries WHERE at_ms >= ?1 AND what IS NULL ORDER BY 1";
        self.rows(sql, vec![Value::Integer(since)], |row| row.get(0))
    }
}

/// What was used before the journal began, from an older log: an event of the journal.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Carried {
    count: u64,
    bytes: u64,
    names: BTreeSet<String>,
}

impl UsedSince {
    fn add(&mut self, carried: Carried) {
        self.requests += carried.count;
        self.bytes_up = self.bytes_up.saturating_add(carried.bytes);
        self.names.extend(carried.names);
    }
}
