//! The daily digest: at most one a day, whatever the clock does and however often the daemon starts.

use policies::GroupName;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Millis, NewOutgoing, Store, StoreError, outbox};

/// The last digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDigest {
    /// Its day, like 2026-11-30.
    pub day: String,
    /// The moment up to which it reported.
    pub at: Millis,
    /// Whether the owner has switched digests off.
    pub off: bool,
}

impl Store {
    /// The last digest; `None` before the first.
    pub fn last_digest(&self) -> Result<Option<LastDigest>, StoreError> {
        self.read(last)
    }

    /// Digests start here: the first one is for the day after this one.
    pub fn begin_digests(&self, day: &str, at: Millis) -> Result<(), StoreError> {
        self.write(|transaction| {
            let begin = "INSERT OR IGNORE INTO digests (one, day, at, off) VALUES (1, ?1, ?2, 0)";
            transaction.execute(begin, params![day, at]).map(drop).map_err(|error| self.explain(&error))
        })
    }

    /// Queues a day's digest, unless that day or a later one has had it. Without a text the day is skipped.
    pub fn queue_digest(
        &self,
        day: &str,
        at: Millis,
        told: Option<(&GroupName, &NewOutgoing)>,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let queue = || -> rusqlite::Result<bool> {
                let claim = "UPDATE digests SET day = ?1, at = ?2 WHERE one = 1 AND day < ?1";
                if transaction.execute(claim, params![day, at])? == 0 {
                    return Ok(false);
                }
                if let Some((group, new)) = told {
                    outbox::enqueue(transaction, group, None, new)?;
                }
                Ok(told.is_some())
            };
            queue().map_err(|error| self.explain(&error))
        })
    }

    /// Switches the digest off or on.
    pub fn set_digest_off(&self, off: bool) -> Result<(), StoreError> {
        self.write(|transaction| {
            let set = "UPDATE digests SET off = ?1 WHERE one = 1";
            transaction.execute(set, [off]).map(drop).map_err(|error| self.explain(&error))
        })
    }
}

fn last(connection: &Connection) -> rusqlite::Result<Option<LastDigest>> {
    let read = |row: &rusqlite::Row<'_>| Ok(LastDigest { day: row.get(0)?, at: row.get(1)?, off: row.get(2)? });
    connection.query_row("SELECT day, at, off FROM digests", [], read).optional()
}
