//! Appending: one commit, and what to do when that fails.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::audit::Seq;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::chain::{Link, hash};
use super::checkpoint::Key;
use super::retention::{self, Pruned, Retention};
use crate::store::place::{self, Place};
use crate::store::{Millis, StoreError, migrations, open_private};

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) at_ms: Millis,
    pub(super) kind: &'static str,
    pub(super) about: Option<u64>,
    pub(super) record: String,
}

/// The one who appends.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    open: Option<Open>,
    /// The last row that this process has written or found.
    last: Link,
    generation: u64,
    /// Outcomes that wait for the next commit.
    kept: VecDeque<Event>,
    /// How many outcomes there was no room to keep.
    lost: u64,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The file, or its write-ahead log, may be removed while it is open, and SQLite
    /// would go on writing into nowhere.
    place: Place,
    head: Link,
}

/// So many outcomes wait in memory; at a few hundred bytes each.
const KEPT_AT_MOST: usize = 10_000;

/// So many of them are written along with one new event.
const CAUGHT_UP_AT_ONCE: usize = 64;

pub(super) const MIGRATIONS: &[&str] = &[include_str!("../schema/audit-1.sql"), include_str!("../schema/audit-2.sql")];

impl Writer {
    /// At start: the file is made where it is missing.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        place::goes_with_its_wal(path)?;
        let open = Open::set_up(path, open_private(path)?)?;
        super::durable::sync_folder(path)?;
        let (path, last) = (path.to_path_buf(), open.head);
        Ok(Writer { path, open: Some(open), last, generation: 0, kept: VecDeque::new(), lost: 0 })
    }

    /// Which opening of the file this is.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> u64 {
        self.last.seq
    }

    /// Appends events and, in the same commit before them, outcomes that have been
    /// waiting: two rows for a request, and one commit. Says the number of the last.
    pub(super) fn append(&mut self, new: impl IntoIterator<Item = Event>) -> Result<Seq, StoreError> {
        if self.lost > 0 {
            self.catch_up()?;
        }
        let mut events: Vec<Event> = self.kept.iter().take(CAUGHT_UP_AT_ONCE).cloned().collect();
        let along = events.len();
        events.extend(new);
        let seq = self.write(&events)?;
        self.kept.drain(..along);
        Ok(seq)
    }

    /// Keeps an outcome until it can be written, or until the next event takes it along.
    pub(super) fn keep(&mut self, event: Event) {
        if self.kept.len() < KEPT_AT_MOST {
            self.kept.push_back(event);
        } else {
            self.lost += 1;
        }
    }

    /// Writes what has been waiting; says whether there was anything.
    pub(super) fn catch_up(&mut self) -> Result<bool, StoreError> {
        let mut any = false;
        while !self.kept.is_empty() {
            let events: Vec<Event> = self.kept.iter().take(CAUGHT_UP_AT_ONCE).cloned().collect();
            self.write(&events)?;
            self.kept.drain(..events.len());
            any = true;
        }
        if self.lost > 0 {
            let text = format!("{} outcomes or counts were lost while the log could not be written", self.lost);
            let record = serde_json::json!({ "what": "outcomes_lost", "text": text }).to_string();
            self.write(&[Event { at_ms: crate::store::now(), kind: "notice", about: None, record }])?;
            self.lost = 0;
            any = true;
        }
        Ok(any)
    }

    /// Removes what has had its time, and makes the checkpoint that is due.
    pub(super) fn retain(&mut self, key: &Key, retention: &Retention) -> Result<Option<Pruned>, StoreError> {
        let path = self.path.clone();
        let open = self.opened()?;
        retention::keep(&open.connection, key, retention, crate::store::now())
            .map_err(|error| StoreError::sqlite(&path, &error))
    }

    /// Writes events in one commit: all of them, or none.
    fn write(&mut self, events: &[Event]) -> Result<Seq, StoreError> {
        let path = self.path.clone();
        let written = self.opened().and_then(|open| open.append(&path, events));
        match &written {
            Ok(_) => self.last = self.open.as_ref().map_or(self.last, |open| open.head),
            Err(StoreError::DiskFull { .. } | StoreError::Locked { .. }) => {}
            Err(_) => self.open = None,
        }
        written
    }

    fn opened(&mut self) -> Result<&mut Open, StoreError> {
        place::exists(&self.path)?;
        if self.open.as_ref().is_some_and(|open| open.place.is_there(&self.path).is_err()) {
            self.open = None;
        }
        match &mut self.open {
            Some(open) => Ok(open),
            closed => {
                self.generation += 1;
                Ok(closed.insert(Open::again(&self.path, &self.last)?))
            }
        }
    }
}

impl Open {
    /// Opens the log that this process had open before: an empty file or an older
    /// copy in its place is not it.
    fn again(path: &Path, last: &Link) -> Result<Self, StoreError> {
        let explain = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        let known = migrations::version(&connection).map_err(explain)? > 0
            && connection
                .prepare("SELECT 1 FROM events WHERE seq = ?1 AND hash = ?2")
                .and_then(|mut select| select.exists(params![to_row(last.seq), last.hash]))
                .map_err(explain)?;
        if known || *last == Link::FIRST {
            return Self::set_up(path, connection);
        }
        Err(StoreError::Gone { path: path.to_path_buf() })
    }

    fn set_up(path: &Path, connection: Connection) -> Result<Self, StoreError> {
        let explain = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        connection.busy_timeout(Duration::from_millis(500)).map_err(explain)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(explain)?;
        connection.pragma_update(None, "synchronous", "normal").map_err(explain)?;
        // Checkpoints are the thread's: no request waits for an fsync.
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(explain)?;
        let connection = migrations::bring_up_to_date(path, connection, MIGRATIONS)?;
        let head = head(&connection).map_err(explain)?;
        Ok(Open { place: Place::of(path)?, connection, head })
    }

    fn append(&mut self, path: &Path, events: &[Event]) -> Result<Seq, StoreError> {
        let mut tried = self.insert(events);
        if is_taken(&tried) {
            // Another program has appended since: continue its chain, and let nobody
            // append between looking at its end and writing.
            tried = self.insert_together(None, events);
        }
        self.head = tried.map_err(|error| StoreError::sqlite(path, &error))?;
        Ok(Seq(self.head.seq))
    }

    fn insert(&self, events: &[Event]) -> rusqlite::Result<Link> {
        let [event] = events else { return self.insert_together(Some(self.head), events) };
        self.insert_after(self.head, event)
    }

    /// After a known row, or after the last one there is.
    fn insert_together(&self, after: Option<Link>, events: &[Event]) -> rusqlite::Result<Link> {
        // Rolled back when it is dropped without a commit.
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let after = after.map_or_else(|| head(&transaction), Ok)?;
        let head = events.iter().try_fold(after, |head, event| self.insert_after(head, event))?;
        transaction.commit()?;
        Ok(head)
    }

    fn insert_after(&self, head: Link, event: &Event) -> rusqlite::Result<Link> {
        let seq = head.seq + 1;
        let hash = hash(&head.hash, seq, event.at_ms, event.kind, event.about, &event.record);
        self.connection
            .prepare_cached(
                "INSERT INTO events (seq, at_ms, kind, about, record, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![to_row(seq), event.at_ms, event.kind, event.about.map(to_row), event.record, hash])?;
        Ok(Link { seq, hash })
    }
}

/// SQLite counts in `i64`; a log never gets that long.
pub(super) fn to_row(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn head(connection: &Connection) -> rusqlite::Result<Link> {
    let last = connection
        .prepare_cached("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Link { seq: row.get::<_, i64>(0)?.unsigned_abs(), hash: row.get(1)? }))
        .optional()?;
    Ok(last.unwrap_or(Link::FIRST))
}

fn is_taken(tried: &rusqlite::Result<Link>) -> bool {
    matches!(tried, Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
impl Writer {
    /// A full disk, as SQLite sees it.
    pub(super) fn limit_pages(&mut self, pages: u32) {
        let sql = format!("PRAGMA max_page_count = {pages}");
        self.opened().unwrap().connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap();
    }

    /// As if so many outcomes had found no room.
    pub(super) fn lose(&mut self, count: u64) {
        self.lost = count;
    }
}
