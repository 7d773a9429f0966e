//! Queries on the log, with or without a daemon writing it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use audit::{Line, Link, Texts};
use proxy::audit::Seq;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::DeserializeOwned;

use super::blocks;
use super::entries::{Entry, Stands, place};
use super::filter::Filter;
use super::index::Index;
use super::record::{AuditEntry, Ending, EventRecord, OutcomeRecord};
use crate::store::ledger::old::OldLog;
use crate::store::{RunId, StoreError};

/// A view of the log: its index, and the lines that it points to.
pub struct AuditReader {
    pub(super) path: PathBuf,
    pub(super) index: Index,
    pub(super) texts: RefCell<Source>,
    served: bool,
}

/// Where the lines are.
pub(super) enum Source {
    Journal(Texts),
    Old(OldLog),
}

impl std::fmt::Debug for AuditReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditReader").field("index", &self.index).finish_non_exhaustive()
    }
}

impl AuditReader {
    /// Opens an existing log, with the index beside it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        if !folder.is_dir() {
            let detail = "it holds no audit log yet; `doorward up` writes one".to_owned();
            return Err(StoreError::Unopened { path: folder.to_path_buf(), detail });
        }
        let index = Index::open(&Index::beside(folder))?;
        let texts = RefCell::new(Source::Journal(Texts::of(folder)));
        Ok(AuditReader { path: folder.to_path_buf(), index, texts, served: false })
    }

    /// Opens an older version's log, which is a database.
    pub fn open_old(path: &Path) -> Result<Self, StoreError> {
        let (old, index) = (OldLog::open(path)?, Index::for_now()?);
        let filled = index.fill(|take| old.each(take));
        filled.map_err(|error| StoreError::sqlite(path, &error))?;
        Ok(AuditReader { path: path.to_path_buf(), index, texts: RefCell::new(Source::Old(old)), served: false })
    }

    /// Says whether a daemon is running: a request without an outcome may then still get one, unless it is older than
    /// that daemon.
    #[must_use]
    pub fn while_served(mut self, served: bool) -> Self {
        self.served = served;
        self
    }

    /// The matching entries, oldest first.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<AuditEntry>, StoreError> {
        let limit = filter.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut found = Vec::new();
        if limit > 0 {
            self.each(filter, |entry| {
                found.push(entry);
                found.len() < limit
            })?;
        }
        if filter.after.is_none() {
            found.reverse();
        }
        let opened = self.explained(self.index.reached())?.opened;
        found.into_iter().map(|entry| self.whole(entry, opened)).collect()
    }

    /// One decision with its outcome.
    pub fn entry(&self, seq: Seq) -> Result<Option<AuditEntry>, StoreError> {
        Ok(self.any(seq.0)?.filter(|entry| entry.event.is_none()))
    }

    /// A decision with its outcome, or an event.
    pub(super) fn any(&self, seq: u64) -> Result<Option<AuditEntry>, StoreError> {
        self.catch_up()?;
        let found = self.explained(blocks::one(&self.index.connection, seq))?;
        let opened = self.explained(self.index.reached())?.opened;
        found.map(|entry| self.whole(entry, opened)).transpose()
    }

    /// How many entries match, whatever the limit.
    pub fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        let (mut count, mut others) = (0, String::from("1"));
        if let Some((of_each, known)) = filter.counted() {
            let sql = format!("SELECT coalesce(sum({of_each}), 0) FROM blocks WHERE {known}");
            let counted = self.rows(&sql, Vec::new(), |row| row.get::<_, i64>(0))?;
            count += counted.into_iter().next().unwrap_or(0).unsigned_abs();
            others = format!("NOT ({known})");
        }
        self.each_in(&others, filter, |_| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    /// The number before the newest `count` matching entries; 0 if there are not more.
    pub fn before_the_newest(&self, filter: &Filter, count: u32) -> Result<Seq, StoreError> {
        let (mut left, mut before) = (count, 0);
        self.each(&Filter { after: None, ..filter.clone() }, |entry| {
            if filter.after.is_some_and(|after| entry.seq <= after.0) {
                return false;
            }
            if left == 0 {
                before = entry.seq;
                return false;
            }
            left -= 1;
            true
        })?;
        Ok(Seq(before))
    }

    /// The number of the last event.
    pub fn last(&self) -> Result<Seq, StoreError> {
        self.head().map(|head| Seq(head.seq))
    }

    /// The last line, by its number and chain.
    pub(super) fn head(&self) -> Result<Link, StoreError> {
        self.catch_up()?;
        self.explained(self.index.reached()).map(|reached| reached.last)
    }

    /// See [`crate::store::ledger::AuditLog::run_wrote_upstream`].
    pub fn run_wrote_upstream(&self, run: RunId) -> Result<bool, StoreError> {
        let mut wrote = false;
        self.each(&Filter { run: Some(run), ..Filter::default() }, |entry| {
            wrote = entry.writes;
            !wrote
        })?;
        Ok(wrote)
    }

    /// Brings the index up to the journal; returns whether there was anything new.
    pub fn catch_up(&self) -> Result<bool, StoreError> {
        match &*self.texts.borrow() {
            Source::Journal(_) => self.index.catch_up(&self.path),
            Source::Old(_) => Ok(false),
        }
    }

    /// Whether its index still has its name.
    pub(super) fn is_there(&self) -> bool {
        self.index.is_there()
    }

    /// Passes on matching entries, whatever the limit, until `take` returns false: from the newest on, or from the
    /// first after `after`.
    pub(super) fn each(&self, filter: &Filter, take: impl FnMut(Entry) -> bool) -> Result<(), StoreError> {
        self.each_in("1", filter, take)
    }

    /// The same for the blocks for which `which` holds, in SQL.
    fn each_in(&self, which: &str, filter: &Filter, mut take: impl FnMut(Entry) -> bool) -> Result<(), StoreError> {
        self.catch_up()?;
        let oldest_first = filter.after.is_some();
        let order = if oldest_first { "ASC" } else { "DESC" };
        let sql = format!("SELECT entries FROM blocks WHERE {which} AND {} ORDER BY first {order}", filter.blocks());
        let mut read = || -> rusqlite::Result<()> {
            let mut select = self.index.connection.prepare_cached(&sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let mut block = blocks::read(row)?;
                if !oldest_first {
                    block.reverse();
                }
                if !block.into_iter().filter(|entry| filter.takes(entry)).all(&mut take) {
                    break;
                }
            }
            Ok(())
        };
        self.explained(read())
    }

    /// Rows of the index, once it is up to date.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        from: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.catch_up()?;
        let read = |connection: &Connection| -> rusqlite::Result<Vec<T>> {
            let mut select = connection.prepare_cached(sql)?;
            select.query_map(params_from_iter(values), from)?.collect()
        };
        self.explained(read(&self.index.connection))
    }

    /// An entry with its lines.
    fn whole(&self, entry: Entry, opened: u64) -> Result<AuditEntry, StoreError> {
        let decision = self.record(entry.seq, entry.place)?;
        let outcome = entry.end.map(|end| self.record(entry.seq, end)).transpose()?;
        let ended: Option<OutcomeRecord> = outcome.clone().map(|value| self.typed(entry.seq, value)).transpose()?;
        let event: Option<EventRecord> = match entry.is_event() {
            true => Some(self.typed(entry.seq, decision.clone())?),
            false => None,
        };
        let denied = decision["verdict"] == "deny";
        let ending = match &ended {
            _ if event.is_some() => Ending::Noted,
            _ if denied => Ending::Denied,
            Some(_) => Ending::Ended,
            None if self.served && entry.seq > opened => Ending::UnderWay,
            None => Ending::Interrupted,
        };
        Ok(AuditEntry {
            seq: Seq(entry.seq),
            at: entry.at,
            decision: self.typed(entry.seq, decision.clone())?,
            outcome: ended,
            event,
            ending,
            stored: (decision, outcome),
        })
    }

    /// The fields of a line, without those that every line has.
    pub(super) fn record(&self, seq: u64, at: Stands) -> Result<serde_json::Value, StoreError> {
        let mut text = Vec::new();
        let read = match &mut *self.texts.borrow_mut() {
            Source::Journal(texts) => {
                let line = texts.read(place(at), &mut text).ok().flatten();
                line.and_then(|line: Line<'_>| serde_json::from_slice(line.text).ok())
            }
            Source::Old(old) => old.record(at).and_then(|text| serde_json::from_str(&text).ok()),
        };
        let mut record: serde_json::Value = read.ok_or_else(|| self.unreadable(seq))?;
        if let Some(fields) = record.as_object_mut() {
            for name in ["seq", "at", "kind", "about", "chain"] {
                fields.remove(name);
            }
        }
        Ok(record)
    }

    fn typed<T: DeserializeOwned>(&self, seq: u64, value: serde_json::Value) -> Result<T, StoreError> {
        serde_json::from_value(value).map_err(|_| self.unreadable(seq))
    }

    /// Why the journal cannot be read.
    pub(super) fn unread(&self, error: &std::io::Error) -> StoreError {
        StoreError::Unopened { path: self.path.clone(), detail: error.to_string() }
    }

    fn unreadable(&self, seq: u64) -> StoreError {
        let path = self.path.clone();
        StoreError::Damaged { path, detail: format!("record {seq} is unreadable; `doorward audit verify` tells more") }
    }

    pub(super) fn explained<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::sqlite(&self.index.path, &error))
    }
}
