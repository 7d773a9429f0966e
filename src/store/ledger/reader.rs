//! Reading the log, while the daemon writes it or without one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::audit::Seq;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use serde::de::DeserializeOwned;

use super::chain::{self, Verified, VerifyError};
use super::checkpoint;
use super::filter::Filter;
use super::record::{AuditEntry, Ending, EventRecord, OutcomeRecord};
use super::writer::{MIGRATIONS, to_row};
use crate::store::{RunId, StoreError, migrations, quick_check, runs};

/// A read-only view of the log.
#[derive(Debug)]
pub struct AuditReader {
    path: PathBuf,
    connection: Connection,
    served: bool,
}

impl AuditReader {
    /// Opens the log, which must be there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let explain = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(explain)?;
        let found = migrations::version(&connection).map_err(explain)?;
        let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
        if found > known {
            return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
        }
        if found < known {
            let detail = match found {
                0 => "it holds no audit log yet; `doorward up` writes one",
                _ => "an older Doorward wrote it; `doorward up` brings it up to date",
            };
            let detail = detail.to_owned();
            return Err(StoreError::Unopened { path: path.to_path_buf(), detail });
        }
        Ok(AuditReader { path: path.to_path_buf(), connection, served: false })
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
        let sql = format!("{SELECT} {JOINED} WHERE {conditions} ORDER BY d.seq {order} LIMIT {limit}");
        let mut entries = self.select(&sql, values)?;
        if filter.after.is_none() {
            entries.reverse();
        }
        Ok(entries)
    }

    /// One decision with its outcome.
    pub fn entry(&self, seq: Seq) -> Result<Option<AuditEntry>, StoreError> {
        let sql = format!("{SELECT} {JOINED} WHERE d.kind = 'decision' AND d.seq = ?1");
        Ok(self.select(&sql, vec![Value::Integer(to_row(seq.0))])?.pop())
    }

    /// Changes when another connection has committed something: cheap to ask.
    pub fn version(&self) -> Result<i64, StoreError> {
        self.explained(self.connection.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }

    /// How many entries match, whatever the limit.
    pub fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        let (conditions, values) = filter.conditions();
        let sql = format!("SELECT count(*) FROM {JOINED} WHERE {conditions}");
        let counted = self.rows(&sql, values, |row| row.get::<_, i64>(0))?;
        Ok(counted.into_iter().next().unwrap_or(0).unsigned_abs())
    }

    /// What the newest `count` entries that match come after; 0 where there are not more.
    pub fn before_the_newest(&self, filter: &Filter, count: u32) -> Result<Seq, StoreError> {
        let (conditions, values) = filter.conditions();
        let sql = format!("SELECT d.seq FROM {JOINED} WHERE {conditions} ORDER BY d.seq DESC LIMIT 1 OFFSET {count}");
        let found = self.rows(&sql, values, |row| row.get::<_, i64>(0))?;
        Ok(Seq(found.first().map_or(0, |seq| seq.unsigned_abs())))
    }

    /// The number of the last event.
    pub fn last(&self) -> Result<Seq, StoreError> {
        let last =
            self.connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get::<_, i64>(0));
        self.explained(last).map(|seq| Seq(seq.unsigned_abs()))
    }

    /// What of the database is not as SQLite makes it; nothing where all is. Reads all of it.
    pub fn quick_check(&self) -> Result<Option<String>, StoreError> {
        quick_check(&self.connection).map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    /// See [`super::AuditLog::run_wrote_upstream`].
    pub fn run_wrote_upstream(&self, run: RunId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM events WHERE run = ?1 AND kind = 'decision' AND verdict = 'allow'
                   AND CASE record ->> 'protocol'
                       WHEN 'websocket' THEN 1
                       WHEN 'internal' THEN 0
                       WHEN 'operation' THEN record ->> '$.operation.effect'
                       ELSE ifnull(record ->> 'asks_model', 0) = 0 AND coalesce(method, '') NOT IN ('GET', 'HEAD', 'OPTIONS') END";
        let wrote = self.connection.prepare_cached(sql).and_then(|mut select| select.exists([runs::key(run)]));
        self.explained(wrote)
    }

    /// Walks the whole chain, and holds it against its checkpoints, which the key beside
    /// the log must have signed. With a head that was kept elsewhere it also says
    /// whether that head is one of its records: a tail that was cut is found so.
    pub fn verify(&self, head: Option<&str>) -> Result<Verified, VerifyError> {
        let key = checkpoint::known_key(&self.path);
        match self.explained(chain::verify(&self.connection, head, key.as_deref()))? {
            Ok(verified) => Ok(verified),
            // A file that was cut has rows that nobody wrote: it is damaged before it is wrong.
            Err(bad) => match self.quick_check()? {
                Some(detail) => Err(StoreError::Damaged { path: self.path.clone(), detail }.into()),
                None => Err(bad.into()),
            },
        }
    }

    fn select(&self, sql: &str, values: Vec<Value>) -> Result<Vec<AuditEntry>, StoreError> {
        let opened = self.last_opened()?;
        self.rows(sql, values, |row| self.entry_from(row, opened))
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        from: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read = || -> rusqlite::Result<Vec<T>> {
            let mut select = self.connection.prepare_cached(sql)?;
            select.query_map(params_from_iter(values), from)?.collect()
        };
        self.explained(read())
    }

    /// Row by row, until there is none or `take` wants no more.
    pub(super) fn each(
        &self,
        sql: &str,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
    ) -> Result<(), StoreError> {
        let mut read = || -> rusqlite::Result<()> {
            let mut select = self.connection.prepare_cached(sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                if !take(row)? {
                    break;
                }
            }
            Ok(())
        };
        self.explained(read())
    }

    /// The start of the daemon that wrote last: older requests can get no outcome.
    fn last_opened(&self) -> Result<i64, StoreError> {
        let sql =
            "SELECT seq FROM events WHERE kind = 'notice' AND record ->> 'what' = 'opened' ORDER BY seq DESC LIMIT 1";
        let found = self.connection.prepare_cached(sql).and_then(|mut select| select.query_row([], |row| row.get(0)));
        match found {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(0),
            other => self.explained(other),
        }
    }

    fn entry_from(&self, row: &Row<'_>, opened: i64) -> rusqlite::Result<AuditEntry> {
        let seq: i64 = row.get(0)?;
        let decision: serde_json::Value = parse(row, 2)?;
        let outcome: Option<serde_json::Value> = match row.get_ref(3)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(parse(row, 3)?),
        };
        let ended: Option<OutcomeRecord> = outcome.clone().map(|value| typed(value, 3)).transpose()?;
        let event: Option<EventRecord> = match decision.get("what") {
            Some(_) => Some(typed(decision.clone(), 2)?),
            None => None,
        };
        let denied = decision["verdict"] == "deny";
        let ending = match &ended {
            _ if event.is_some() => Ending::Noted,
            _ if denied => Ending::Denied,
            Some(_) => Ending::Ended,
            None if self.served && seq > opened => Ending::UnderWay,
            None => Ending::Interrupted,
        };
        Ok(AuditEntry {
            seq: Seq(seq.unsigned_abs()),
            at: row.get(1)?,
            decision: typed(decision.clone(), 2)?,
            outcome: ended,
            event,
            ending,
            stored: (decision, outcome),
        })
    }

    fn explained<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| match error {
            rusqlite::Error::FromSqlConversionFailure(..) => StoreError::Damaged {
                path: self.path.clone(),
                detail: "a record is unreadable; `doorward audit verify` names the first".to_owned(),
            },
            other => StoreError::sqlite(&self.path, &other),
        })
    }
}

const SELECT: &str = "SELECT d.seq, d.at_ms, d.record, o.record FROM";

/// Each record with its outcome, where it has one.
const JOINED: &str = "events d LEFT JOIN events o ON o.about = d.seq AND o.kind = 'outcome'";

fn parse(row: &Row<'_>, column: usize) -> rusqlite::Result<serde_json::Value> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

fn typed<T: DeserializeOwned>(value: serde_json::Value, column: usize) -> rusqlite::Result<T> {
    serde_json::from_value(value).map_err(|error| unreadable(column, error))
}

pub(super) fn unreadable(column: usize, error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
