//! Grants: what an owner's yes lets through. Each is taken in its own transaction, and the taker may pass once: two
//! that race for the last use cannot both get it.
//!
//! What it is not: the monotonic clock. Whoever takes a grant has checked that.

use policies::{GrantId, GroupName};
use rusqlite::{Connection, params};

use super::asks::{self, AskId};
use super::{Group, Millis, RunId, Store, StoreError, runs};

/// A grant to store.
#[derive(Clone, Copy, Debug)]
pub struct NewGrant<'a> {
    /// The group whose agent may use it.
    pub group: &'a GroupName,
    /// The hash that a request must have.
    pub matches: &'a str,
    /// Whether it is for requests with any body until a run ends, or for exactly one request.
    pub of_answer: bool,
    /// The run with which a grant for an answer ends.
    pub run: Option<RunId>,
    /// The chat in which it was given; `None` if on the machine.
    pub main: Option<&'a Group>,
    /// How often it may be used.
    pub uses: u32,
    /// Its lifetime in milliseconds.
    pub lasts: Millis,
}

/// A request in search of a grant.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The group whose agent asks.
    pub group: &'a GroupName,
    /// Its run.
    pub run: Option<RunId>,
    /// The hash of the whole request.
    pub exact: &'a str,
    /// The same without its body.
    pub shape: &'a str,
    /// Whether its body is short enough for a grant for an answer.
    pub is_short: bool,
    /// The time.
    pub at: Millis,
}

/// A grant that may fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub id: GrantId,
    /// The question that it answered.
    pub ask: AskId,
    /// Whether it is for a whole answer.
    pub of_answer: bool,
}

impl Store {
    /// The grants that would let a request through; first those for exactly this one.
    pub fn grants_for(&self, wanted: &Wanted<'_>) -> Result<Vec<Found>, StoreError> {
        self.read(|connection| {
            let sql =
                "SELECT id, ask, kind = 'answer' FROM grants WHERE group_name = ?1 AND uses_left > 0 AND ended IS NULL
                       AND ((kind = 'once' AND matches = ?2) OR (kind = 'answer' AND matches = ?3 AND ?4))
                       ORDER BY kind = 'answer', id";
            let values = params![wanted.group.as_str(), wanted.exact, wanted.shape, wanted.is_short];
            let found = |row: &rusqlite::Row<'_>| {
                let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                Ok(Found { id: GrantId(number(0)?), ask: AskId(number(1)?), of_answer: row.get(2)? })
            };
            connection.prepare_cached(sql)?.query_map(values, found)?.collect()
        })
    }

    /// Takes one use of a grant, if its conditions still hold: its time by the wall clock, its run, and that its chat
    /// is the owner's. `false`: there is nothing to take.
    pub fn take_grant(&self, grant: GrantId, wanted: &Wanted<'_>) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let take = "UPDATE grants SET uses_left = uses_left - 1
                        WHERE id = ?1 AND group_name = ?2 AND uses_left > 0 AND ended IS NULL
                        AND given_at <= ?3 AND ?3 < expires_at
                        AND matches = iif(kind = 'once', ?4, ?5) AND (kind = 'once' OR ?6)
                        AND (kind = 'once' OR (run IS ?7 AND EXISTS
                             (SELECT 1 FROM runs WHERE runs.id = grants.run AND state = 'running')))
                        AND (chat IS NULL OR EXISTS (SELECT 1 FROM groups WHERE is_main = 1
                             AND groups.channel = grants.channel AND groups.chat = grants.chat))";
            let values = params![
                key(grant),
                wanted.group.as_str(),
                wanted.at,
                wanted.exact,
                wanted.shape,
                wanted.is_short,
                wanted.run.map(runs::key)
            ];
            let taken = transaction.prepare_cached(take).and_then(|mut take| take.execute(values));
            taken.map(|taken| taken == 1).map_err(|error| self.explain(&error))
        })
    }

    /// Ends a group's remaining grants. Returns how many there were.
    pub fn end_grants(&self, group: &GroupName, why: &str) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let end = "UPDATE grants SET ended = ?2 WHERE group_name = ?1 AND uses_left > 0 AND ended IS NULL";
            transaction.execute(end, params![group.as_str(), why]).map_err(|error| self.explain(&error))
        })
    }

    /// Ends a grant that has expired by the monotonic clock.
    pub fn end_grant(&self, grant: GrantId, why: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let end = "UPDATE grants SET ended = ?2 WHERE id = ?1 AND ended IS NULL";
            transaction.execute(end, params![key(grant), why]).map(drop).map_err(|error| self.explain(&error))
        })
    }
}

pub(super) fn insert(connection: &Connection, ask: AskId, at: Millis, new: &NewGrant<'_>) -> rusqlite::Result<GrantId> {
    let insert =
        "INSERT INTO grants (ask, kind, group_name, matches, run, channel, chat, uses_left, given_at, expires_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9 + ?10)";
    let values = params![
        asks::key(ask),
        if new.of_answer { "answer" } else { "once" },
        new.group.as_str(),
        new.matches,
        new.run.map(runs::key),
        new.main.map(|main| &main.channel),
        new.main.map(|main| &main.chat),
        new.uses,
        at,
        new.lasts
    ];
    connection.execute(insert, values)?;
    Ok(GrantId(connection.last_insert_rowid().unsigned_abs()))
}

pub(super) fn end_all(connection: &Connection, why: &str) -> rusqlite::Result<usize> {
    connection.execute("UPDATE grants SET ended = ?1 WHERE uses_left > 0 AND ended IS NULL", [why])
}

fn key(grant: GrantId) -> i64 {
    i64::try_from(grant.0).unwrap_or(i64::MAX)
}
