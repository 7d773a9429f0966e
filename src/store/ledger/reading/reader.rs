//! Questions to the log, while the daemon writes it or without one.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use audit::{Line, Link, Texts};
use proxy::audit::Seq;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::DeserializeOwned;

use super::entries::{Entry, Stands, place, to_row};
use super::filter::Filter;
use super::index::Index;
use super::record::{AuditEntry, Ending, EventRecord, OutcomeRecord};
use crate::store::ledger::old::OldLog;
use crate::store::{RunId, StoreError, runs};

/// A view of the log: its index, and the lines that it says where to find.
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
    /// Opens a log, which must be there, with the index beside it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        if !folder.is_dir() {
            let detail = "it holds no audit log yet; `doorward up` writes one".to_owned();
            return Err(StoreError::Unopened { path: folder.to_path_buf(), detail });
        }
        let index = Index::open(&Index::beside(folder))?;
        let texts = RefCell::new(Source::Journal(Texts::of(folder)));
        Ok(AuditReader { path: folder.to_path_buf(), index, texts, served: false })
    }

    /// Opens a log that an older Doorward kept as a database.
    pub fn open_old(path: &Path) -> Result<Self, StoreError> {
        let (old, index) = (OldLog::open(path)?, Index::for_now()?);
        let filled = index.fill(|take| old.each(take));
        filled.map_err(|error| StoreError::sqlite(path, &error))?;
        Ok(AuditReader { path: path.to_path_buf(), index, texts: RefCell::new(Source::Old(old)), served: false })
    }

    /// Says whether a daemon is running: what has no outcome may then still get
    /// one, unless it is older than that daemon.
    #[must_use]
    pub fn while_served(mut self, served: bool) -> Self {
        self.served = served;
        self
    }

    /// What matches, oldest first.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<AuditEntry>, StoreError> {
        let (conditions, values) = filter.conditions();
        let order = if filter.after.is_some() { "ASC" } else { "DESC" };
        let limit = filter.limit.map_or(-1, i64::from);
        let mut entries = self.select(&format!("WHERE {conditions} ORDER BY seq {order} LIMIT {limit}"), values)?;
        if filter.after.is_none() {
            entries.reverse();
        }
        Ok(entries)
    }

    /// One decision with its outcome.
    pub fn entry(&self, seq: Seq) -> Result<Option<AuditEntry>, StoreError> {
        Ok(self.select("WHERE seq = ?1 AND what IS NULL", vec![Value::Integer(to_row(seq.0))])?.pop())
    }

    /// How many entries match, whatever the limit.
    pub fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        let (conditions, values) = filter.conditions();
        let sql = format!("SELECT count(*) FROM entries WHERE {conditions}");
        let counted = self.rows(&sql, values, |row| row.get::<_, i64>(0))?;
        Ok(counted.into_iter().next().unwrap_or(0).unsigned_abs())
    }

    /// What the newest `count` entries that match come after; 0 where there are not more.
    pub fn before_the_newest(&self, filter: &Filter, count: u32) -> Result<Seq, StoreError> {
        let (conditions, values) = filter.conditions();
        let sql = format!("SELECT seq FROM entries WHERE {conditions} ORDER BY seq DESC LIMIT 1 OFFSET {count}");
        let found = self.rows(&sql, values, |row| row.get::<_, i64>(0))?;
        Ok(Seq(found.first().map_or(0, |seq| seq.unsigned_abs())))
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
        let wrote = self.rows(
            "SELECT 1 FROM entries WHERE run = ?1 AND writes LIMIT 1",
            vec![Value::Integer(runs::key(run))],
            |_| Ok(()),
        );
        wrote.map(|found| !found.is_empty())
    }

    /// Brings the index up to the journal; whether that was anything new.
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

    pub(super) fn select(&self, which: &str, values: Vec<Value>) -> Result<Vec<AuditEntry>, StoreError> {
        let found = self.rows(&Entry::select(which), values, Entry::from)?;
        let opened = self.explained(self.index.reached())?.opened;
        found.into_iter().map(|entry| self.whole(entry, opened)).collect()
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
        let event: Option<EventRecord> = match entry.what {
            Some(_) => Some(self.typed(entry.seq, decision.clone())?),
            None => None,
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
