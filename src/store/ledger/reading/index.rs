//! The index: the positions of records in the journal, and hourly sums. Any process brings it up to date, one at a
//! time; where it cannot be written, a temporary one replaces it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::{Chain, Line, Lines, Link, Place, Texts};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};

use super::blocks;
use super::entries::{Entry, Sums, stands, to_row};
use crate::store::StoreError;

/// The version of the tables; an index with another one is rebuilt.
const FORM: u32 = 4;

const SCHEMA: &str = include_str!("../../schema/audit-index.sql");

/// The most lines in a transaction, so that others that wait get a turn.
const AT_ONCE: u32 = 20_000;

/// An index, open for queries and for more lines.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    _gone_at_the_end: Option<tempfile::TempPath>,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The last line that was read.
    pub(super) last: Link,
    place: Place,
    /// The number of the line with which a daemon last opened the log.
    pub(super) opened: u64,
}

impl Reached {
    const NOTHING: Reached = Reached { last: Link::NONE, place: Place { segment: 0, offset: 0, length: 0 }, opened: 0 };
}

impl Index {
    /// Where the index of a log is.
    pub(super) fn beside(folder: &Path) -> PathBuf {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push("-index.db");
        folder.with_file_name(name)
    }

    /// Opens or creates an index; a damaged one, or one of another version, is rebuilt.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        match Self::set_up(path) {
            Ok(index) => Ok(index),
            Err(error) if may_not_write(&error) => Self::for_now(),
            Err(_) => {
                remove(path);
                Self::set_up(path).or_else(|error| match may_not_write(&error) {
                    true => Self::for_now(),
                    false => Err(StoreError::sqlite(path, &error)),
                })
            }
        }
    }

    /// A temporary index.
    pub(super) fn for_now() -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Other {
            path: std::env::temp_dir(),
            detail: format!("no room for an index: {error}"),
        };
        let file = tempfile::NamedTempFile::new().map_err(failed)?.into_temp_path();
        let index = Self::set_up(&file).map_err(|error| StoreError::sqlite(&file, &error))?;
        Ok(Index { _gone_at_the_end: Some(file), ..index })
    }

    fn set_up(path: &Path) -> rusqlite::Result<Self> {
        if !path.exists() {
            // The companion files of a deleted index do not belong to the new one.
            remove(path);
            crate::home::make_private_file(path).map_err(|_| cannot_open())?;
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        let form: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match form {
            FORM => {}
            0 => {
                let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", FORM)?;
                transaction.commit()?;
            }
            _ => return Err(rusqlite::Error::InvalidQuery),
        }
        Ok(Index { path: path.to_path_buf(), connection, _gone_at_the_end: None })
    }

    /// Whether its file still has its name.
    pub(super) fn is_there(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn reached(&self) -> rusqlite::Result<Reached> {
        let sql = "SELECT seq, chain, segment, offset, length, opened FROM reached";
        let read = self.connection.prepare_cached(sql)?.query_row([], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let chain = Chain::parse(row.get_ref(1)?.as_str()?.as_bytes()).unwrap_or(Link::NONE.chain);
            let place = Place { segment: number(2)?, offset: number(3)?, length: number(4)? };
            Ok(Reached { last: Link { seq: number(0)?, chain }, place, opened: number(5)? })
        });
        Ok(read.optional()?.unwrap_or(Reached::NOTHING))
    }

    /// Brings it up to the journal's present end; returns whether there was anything new.
    pub(super) fn catch_up(&self, folder: &Path) -> Result<bool, StoreError> {
        let explain = |error: rusqlite::Error| StoreError::sqlite(&self.path, &error);
        let unread =
            |error: std::io::Error| StoreError::Unopened { path: folder.to_path_buf(), detail: error.to_string() };
        let first = audit::first(folder).map_err(unread)?.unwrap_or(1);
        let mut any = false;
        while self.is_behind(folder, first).map_err(explain)? {
            any = true;
            let transaction =
                Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(explain)?;
            // Another process may have advanced it meanwhile.
            let reached = self.reached().map_err(explain)?;
            let (reached, lines) = match lines(folder, &reached).map_err(unread)? {
                Some(lines) => (reached, lines),
                None => {
                    transaction
                        .execute_batch("DELETE FROM blocks; DELETE FROM sums; DELETE FROM tokens; DELETE FROM reached")
                        .map_err(explain)?;
                    (Reached::NOTHING, Lines::from(folder, 0))
                }
            };
            forget(&transaction, first).map_err(explain)?;
            let mut batch = Batch::after(reached);
            let mut lines = lines;
            while batch.lines < AT_ONCE {
                let Some(line) = lines.next().map_err(unread)? else { break };
                batch.take(&transaction, &line).map_err(explain)?;
            }
            let at_the_end = batch.lines < AT_ONCE;
            batch.write(&transaction).map_err(explain)?;
            transaction.commit().map_err(explain)?;
            if at_the_end {
                // Newer lines are for the next reader: under load there are always more.
                break;
            }
        }
        Ok(any)
    }

    /// Takes lines that come from no journal.
    pub(super) fn fill(
        &self,
        each: impl FnOnce(&mut dyn FnMut(&Line<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let mut batch = Batch::after(Reached::NOTHING);
        each(&mut |line| {
            batch.take(&transaction, line)?;
            if batch.lines >= AT_ONCE {
                let full = std::mem::replace(&mut batch, Batch::after(Reached::NOTHING));
                batch.reached = full.reached.clone();
                full.write(&transaction)?;
            }
            Ok(())
        })?;
        batch.write(&transaction)?;
        transaction.commit()
    }

    fn is_behind(&self, folder: &Path, first: u64) -> rusqlite::Result<bool> {
        let reached = self.reached()?;
        let oldest: Option<i64> =
            self.connection.prepare_cached("SELECT min(first) FROM blocks")?.query_row([], |row| row.get(0))?;
        if oldest.is_some_and(|oldest| oldest.unsigned_abs() < first) {
            return Ok(true);
        }
        match lines(folder, &reached) {
            Ok(Some(mut lines)) => Ok(lines.next().is_ok_and(|line| line.is_some())),
            // It was built from another journal.
            Ok(None) => Ok(true),
            Err(_) => Ok(false),
        }
    }
}

/// The lines after the one reached; `None` if that line is no longer there unchanged.
fn lines(folder: &Path, reached: &Reached) -> std::io::Result<Option<Lines>> {
    if *reached == Reached::NOTHING {
        return Ok(Some(Lines::from(folder, 0)));
    }
    let mut text = Vec::new();
    let found = match Texts::of(folder).read(reached.place, &mut text) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        found => found?,
    };
    match found.filter(|line| line.seq == reached.last.seq && line.chain == reached.last.chain) {
        Some(line) => Lines::behind(folder, line.seq, line.place).map(Some),
        None => Ok(None),
    }
}

/// Removes what is no longer in the journal.
fn forget(index: &Connection, first: u64) -> rusqlite::Result<()> {
    let mut sums = Sums::default();
    let old = "SELECT entries FROM blocks WHERE first < ?1";
    for block in index.prepare_cached(old)?.query_map([to_row(first)], blocks::read)? {
        block?.iter().filter(|entry| entry.seq < first).for_each(|entry| sums.add(entry, -1));
    }
    // The rest of a block that straddles the border stays.
    let kept = blocks::take(index, first)?;
    blocks::write(index, &kept.iter().filter(|entry| entry.seq >= first).collect::<Vec<_>>())?;
    index.execute("DELETE FROM blocks WHERE first < ?1", [to_row(first)])?;
    index.execute("DELETE FROM tokens WHERE seq < ?1", [to_row(first)])?;
    sums.write(index)?;
    index.execute("DELETE FROM sums WHERE times = 0", []).map(drop)
}

/// Lines that are added in one transaction.
struct Batch {
    reached: Reached,
    entries: BTreeMap<u64, Entry>,
    sums: Sums,
    lines: u32,
    /// The ends of blocks that were taken out and are continued.
    ends: BTreeSet<u64>,
}

impl Batch {
    fn after(reached: Reached) -> Self {
        Batch { reached, entries: BTreeMap::new(), sums: Sums::default(), lines: 0, ends: BTreeSet::new() }
    }

    fn take(&mut self, index: &Connection, line: &Line<'_>) -> rusqlite::Result<()> {
        if self.lines == 0 {
            self.take_in_the_last(index)?;
        }
        self.lines += 1;
        self.reached.last = Link { seq: line.seq, chain: line.chain };
        self.reached.place = line.place;
        let before = self.entries.last_key_value().map(|(_, before)| before);
        if let Some(entry) = Entry::of(line, before) {
            if &*entry.names.what == "opened" {
                self.reached.opened = line.seq;
            }
            self.entries.insert(line.seq, entry);
        }
        match line.about.filter(|_| line.kind == "outcome") {
            Some(about) => self.end(index, about, line),
            None => Ok(()),
        }
    }

    /// Continues the last block if it has few entries.
    fn take_in_the_last(&mut self, index: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT last FROM (SELECT last, count FROM blocks ORDER BY first DESC LIMIT 1) WHERE count < ?1";
        let last: Option<i64> =
            index.prepare_cached(sql)?.query_row([to_row(blocks::FEW)], |row| row.get(0)).optional()?;
        last.map_or(Ok(()), |last| self.take_out(index, last.unsigned_abs()).map(drop))
    }

    fn end(&mut self, index: &Connection, about: u64, line: &Line<'_>) -> rusqlite::Result<()> {
        if !self.entries.contains_key(&about) {
            let last = self.take_out(index, about)?;
            self.ends.extend(last);
        }
        if let Some(entry) = self.entries.get_mut(&about) {
            entry.end(line);
        }
        Ok(())
    }

    /// Takes out a block, to be written again with the rest; returns its last number.
    fn take_out(&mut self, index: &Connection, holding: u64) -> rusqlite::Result<Option<u64>> {
        let block = blocks::take(index, holding)?;
        let last = block.last().map(|entry| entry.seq);
        for entry in block {
            self.sums.add(&entry, -1);
            self.entries.insert(entry.seq, entry);
        }
        Ok(last)
    }

    fn write(mut self, index: &Connection) -> rusqlite::Result<()> {
        let mut block = Vec::with_capacity(blocks::MOST);
        for entry in self.entries.values() {
            entry.tokens.write(index, entry)?;
            self.sums.add(entry, 1);
            block.push(entry);
            if block.len() == blocks::MOST || self.ends.contains(&entry.seq) {
                blocks::write(index, &block)?;
                block.clear();
            }
        }
        blocks::write(index, &block)?;
        self.sums.write(index)?;
        let Reached { last, place, opened } = &self.reached;
        let (segment, offset, length) = stands(*place);
        let place = [segment, offset, length, *opened].map(to_row);
        index
            .prepare_cached("INSERT OR REPLACE INTO reached (one, seq, chain, segment, offset, length, opened) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![to_row(last.seq), last.chain.as_str(), place[0], place[1], place[2], place[3]])
            .map(drop)
    }
}

/// The files of an index.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(PathBuf::from(name));
    }
}

fn may_not_write(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::DiskFull)
    )
}

fn cannot_open() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), None)
}
