//! Pauses: until when nothing is started for a group, or for any.

use policies::GroupName;
use rusqlite::params;

use super::groups::group_name;
use super::{Millis, Store, StoreError};

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The group; `None` for all.
    pub group: Option<GroupName>,
    /// When it ends.
    pub until: Millis,
}

impl Store {
    /// Pauses a group, or all, replacing an existing pause.
    pub fn pause(&self, group: Option<&GroupName>, until: Millis) -> Result<(), StoreError> {
        let replace = "INSERT OR REPLACE INTO pauses (group_name, until) VALUES (?1, ?2)";
        self.write(|transaction| {
            let values = params![group.map(GroupName::as_str), until];
            transaction.execute(replace, values).map(drop).map_err(|error| self.explain(&error))
        })
    }

    /// Ends the pause of a group; `None`: all pauses. Returns whether one was still on.
    pub fn resume(&self, group: Option<&GroupName>, now: Millis) -> Result<bool, StoreError> {
        let delete = "DELETE FROM pauses WHERE group_name = ?1 OR ?1 IS NULL RETURNING until > ?2";
        self.write(|transaction| {
            let explain = |error: rusqlite::Error| self.explain(&error);
            let mut delete = transaction.prepare(delete).map_err(explain)?;
            let values = params![group.map(GroupName::as_str), now];
            let ended: Vec<bool> =
                delete.query_map(values, |row| row.get(0)).and_then(Iterator::collect).map_err(explain)?;
            Ok(ended.contains(&true))
        })
    }

    /// Until when a group is paused, if it is.
    pub fn paused_until(&self, group: &GroupName, now: Millis) -> Result<Option<Millis>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT max(until) FROM pauses WHERE until > ?2 AND (group_name = ?1 OR group_name IS NULL)",
            )?;
            select.query_row(params![group.as_str(), now], |row| row.get(0))
        })
    }

    /// All current pauses, first the one for all groups.
    pub fn pauses(&self, now: Millis) -> Result<Vec<Pause>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT group_name, until FROM pauses WHERE until > ?1 ORDER BY group_name NULLS FIRST",
            )?;
            let pause = |row: &rusqlite::Row<'_>| {
                let named = row.get_ref(0)? != rusqlite::types::ValueRef::Null;
                let group = if named { Some(group_name(row, 0)?) } else { None };
                Ok(Pause { group, until: row.get(1)? })
            };
            select.query_map([now], pause)?.collect()
        })
    }
}
