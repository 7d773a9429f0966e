//! The daemon's memory: groups, messages, runs and the outbox in `doorward.db`; the audit log ([`ledger`]) in a file of
//! its own.
//!
//! What it is: one connection behind a mutex, short calls, one transaction for each promise of the pipeline; a daemon's
//! fsyncs on a thread of their own ([`Store::durable`]). What it is not: a scheduler; callers decide when to run, retry
//! or send.
//!
//! **Invariants**
//! - A message is stored once, however often its channel delivers it.
//! - A run ends, its group's cursor moves and its replies are queued together or
//!   not at all; a run that has ended cannot end again.
//! - Ids of messages, runs and outgoing messages are never reused, even after their group was removed: the audit log
//!   and the channels keep them.

mod asked;
mod asks;
mod copy;
mod digests;
mod durable;
mod error;
mod firings;
mod grants;
mod groups;
pub mod ledger;
mod messages;
mod migrations;
mod nanoclaw;
mod operations;
mod outbox;
mod pauses;
mod people;
mod place;
mod retention;
mod runs;
mod say;
mod standing;
mod tasks;
mod undelivered;
mod wrote;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use desk::lock;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use asked::{Answered, Ask, AskState, NewAsk};
pub use asks::AskId;
pub use copy::{copy_database, is_a_database, is_beside_a_database};
pub use digests::LastDigest;
pub use error::StoreError;
pub use firings::{Fired, Firing, FiringEnd, FiringId, FiringState, MOST_FAILURES};
pub use grants::{Found, NewGrant, Wanted};
pub use groups::{AddGroupError, EVERY_GROUP, Group, NewGroup, is_reserved};
pub use messages::{Imported, Inserted, MOST_TALK, Means, Message, MessageRow, NewMessage};
pub use nanoclaw::{NanoClaw, Registered, Said, Scheduled};
pub use operations::{AccessRequest, Kept, NewAccessRequest, NotKept, NotSaid, REACTIONS_REACH};
pub use outbox::{FileFacts, LONGEST_PAUSE, NewOutgoing, OutboxId, OutboxState, Queued};
pub use pauses::Pause;
pub use people::{KeptOf, Member, NAME_IN_WORDS};
pub use retention::{Old, Retained};
pub use runs::{EndRunError, NO_SANDBOX, Run, RunId, RunState};
pub use say::{Growing, MARK, Say, Sayable, SayableFile, Text};
pub use standing::{FailedTask, Standing};
pub use tasks::{Context, MOST_BY_AGENTS, MadeBy, NewTask, NotChanged, Task, TaskChange, TaskId, TaskState, Word};
pub use undelivered::Undelivered;

use durable::Durable;
use place::Place;
use wrote::Marked;

/// Milliseconds since 1970 UTC.
pub type Millis = i64;

/// The handle to `doorward.db`; shared by `Arc`.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
    place: Place,
    /// For a daemon: commits do not wait for the disk; whoever has to, does.
    durable: Option<Durable>,
    marked: Mutex<Marked>,
}

impl Store {
    /// Opens the database, creates it (0600) if it is missing, and brings an older one up to date. Writes are on the
    /// disk when a call returns.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        place::is_not_lost(path)?;
        let connection = open_private(path).and_then(|connection| {
            set_up(&connection).map_err(|error| StoreError::sqlite(path, &error))?;
            migrations::bring_up_to_date(path, connection, MIGRATIONS)
        })?;
        let place = Place::of(path)?;
        let connection = Mutex::new(connection);
        Ok(Store { path: path.to_path_buf(), connection, place, durable: None, marked: Mutex::default() })
    }

    /// The same, but returns `None` instead of creating one.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        place::is_not_lost(path)?;
        let is_there = path.try_exists().map_err(|error| StoreError::disk(path, &error))?;
        is_there.then(|| Self::open(path)).transpose()
    }

    /// The same for a daemon, whose workers must not wait for the disk: a write survives `kill -9`, and a power cut
    /// after half a second or after [`Store::durable`].
    pub fn serve(path: &Path) -> Result<Self, StoreError> {
        place::is_not_lost(path)?;
        place::goes_with_its_wal(path)?;
        let mut store = Self::open(path)?;
        let large = std::fs::metadata(path).is_ok_and(|found| found.len() > CHECKED_AT_ONCE);
        match if large { None } else { store.quick_check()? } {
            Some(detail) => return Err(StoreError::Damaged { path: path.to_path_buf(), detail }),
            None if large => tell_aside(path),
            None => {}
        }
        store.relax().map_err(|error| store.explain(&error))?;
        store.durable = Some(Durable::start(path, store.place)?);
        Ok(store)
    }

    /// `NORMAL`: a commit is in the write-ahead log, without an fsync. Nor does it trigger a checkpoint, which takes
    /// three.
    fn relax(&self) -> rusqlite::Result<()> {
        let connection = self.connection();
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)
    }

    /// Waits until everything written so far survives a power cut. Nothing is promised to the outside before.
    pub async fn durable(&self) -> Result<(), StoreError> {
        match &self.durable {
            Some(durable) => durable.synced().await,
            None => Ok(()),
        }
    }

    /// SQLite's complaint about the database; `None` if it is intact.
    pub fn quick_check(&self) -> Result<Option<String>, StoreError> {
        self.read(quick_check)
    }

    /// Removes copies of the database from before an upgrade once they are this old.
    pub fn remove_copies(&self, age: Duration) -> std::io::Result<()> {
        migrations::remove_copies(&self.path, age)
    }

    /// Those copies, which must also be overwritten when something must be gone everywhere.
    fn copies(&self) -> std::io::Result<Vec<PathBuf>> {
        migrations::copies(&self.path)
    }

    /// Whether the database still has its name; see [`StoreError::Gone`].
    pub fn is_there(&self) -> Result<(), StoreError> {
        self.place.is_there(&self.path)
    }

    /// Runs a closure in one transaction that takes the write lock at its start, so that what it reads still holds when
    /// it writes.
    fn write<T, E: From<StoreError>>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        self.is_there()?;
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.explain(&error))?;
        let done = work(&transaction)?;
        transaction.commit().map_err(|error| self.explain(&error))?;
        if let Some(durable) = &self.durable {
            durable.committed();
        }
        Ok(done)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.connection()).map_err(|error| self.explain(&error))
    }

    /// A panic leaves no half-finished transaction: dropping one rolls it back.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }
}

/// A larger database is checked in the background: a gigabyte takes 3 s, and 18 s from a disk.
const CHECKED_AT_ONCE: u64 = 64 << 20;

/// Logs what is wrong with a large database, in the background.
fn tell_aside(path: &Path) {
    let path = path.to_path_buf();
    std::thread::spawn(move || {
        if let Err(error) = look_through(&path) {
            tracing::error!(%error, "Database is not whole");
        }
    });
}

fn look_through(path: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let found = Connection::open_with_flags(path, flags).and_then(|connection| quick_check(&connection));
    match found.map_err(|error| StoreError::sqlite(path, &error))? {
        Some(detail) => Err(StoreError::Damaged { path: path.to_path_buf(), detail }),
        None => Ok(()),
    }
}

/// SQLite's complaint about a database's structure; `None` if it is intact.
fn quick_check(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(Some(found).filter(|found| found != "ok"))
}

/// The current time.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

const MIGRATIONS: &[&str] = &[
    include_str!("schema/main-1.sql"),
    include_str!("schema/main-2.sql"),
    include_str!("schema/main-3.sql"),
    include_str!("schema/main-4.sql"),
    include_str!("schema/main-5.sql"),
    include_str!("schema/main-6.sql"),
    include_str!("schema/main-7.sql"),
    include_str!("schema/main-8.sql"),
    include_str!("schema/main-9.sql"),
    include_str!("schema/main-10.sql"),
];

/// Creates the file before SQLite does: 0600 from the first byte. SQLite gives `-wal` and `-shm` the database's mode.
fn open_private(path: &Path) -> Result<Connection, StoreError> {
    crate::home::make_private_file(path).map_err(|error| StoreError::home(path, &error))?;
    Connection::open(path).map_err(|error| StoreError::sqlite(path, &error))
}

/// `FULL`: when a command ends, its work is done, whatever happens then.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Deleted data is overwritten: a removed group leaves no text behind.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)
}

#[cfg(test)]
mod tests;
