//! The log from before the journal: `audit.db`, a chain of SQLite rows. It is only read: checked once, when the journal
//! starts after it, and by `--old`.

mod chain;
mod checkpoint;

use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::{Chain, Line, Link, Place};
use policies::GroupName;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::Serialize;

use super::log::AuditLog;
use super::reading::AuditReader;
use crate::store::{Millis, StoreError, migrations, quick_check};

#[cfg(test)]
pub(super) use chain::hash;
pub use chain::{OldBadRecord, OldVerified, OldVerifyError};

/// An `audit.db`, for reading.
#[derive(Debug)]
pub struct OldLog {
    path: PathBuf,
    connection: Connection,
}

/// The newest of its formats.
const NEWEST: u32 = 2;

impl OldLog {
    /// Opens an existing one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let explain = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(explain)?;
        let found = migrations::version(&connection).map_err(explain)?;
        let path = path.to_path_buf();
        match found {
            0 => Err(StoreError::Unopened { path, detail: "it holds no audit log".to_owned() }),
            1..=NEWEST => Ok(OldLog { path, connection }),
            _ => Err(StoreError::Newer { path, found, known: NEWEST }),
        }
    }

    /// Walks the whole chain and compares it with its checkpoints, which the key beside the log must have signed.
    pub fn verify(&self, head: Option<&str>) -> Result<OldVerified, OldVerifyError> {
        let explain = |error: rusqlite::Error| StoreError::sqlite(&self.path, &error);
        let key = checkpoint::known_key(&self.path);
        match chain::verify(&self.connection, head, key.as_deref()).map_err(explain)? {
            Ok(verified) => Ok(verified),
            // A truncated file has rows that nobody wrote: it is reported as damaged before it is reported as altered.
            Err(bad) => match quick_check(&self.connection).map_err(explain)? {
                Some(detail) => Err(StoreError::Damaged { path: self.path.clone(), detail }.into()),
                None => Err(bad.into()),
            },
        }
    }

    /// Its last record.
    pub fn head(&self) -> Result<Link, StoreError> {
        let sql = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1";
        let last = self.connection.query_row(sql, [], |row| {
            let hash: [u8; 32] = row.get(1)?;
            let chain = Chain::parse(chain::hex(&hash).as_bytes()).unwrap_or(Link::NONE.chain);
            Ok(Link { seq: row.get::<_, i64>(0)?.unsigned_abs(), chain })
        });
        let last = last.optional().map_err(|error| StoreError::sqlite(&self.path, &error))?;
        Ok(last.unwrap_or(Link::NONE))
    }

    /// Its records, oldest first.
    pub(super) fn each(&self, take: &mut dyn FnMut(&Line<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare("SELECT seq, at_ms, kind, about, record FROM events ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)?.unsigned_abs();
            let text = row.get_ref(4)?.as_bytes()?;
            take(&Line {
                seq,
                at: row.get(1)?,
                kind: row.get_ref(2)?.as_str()?,
                about: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
                chain: Link::NONE.chain,
                text,
                place: Place { segment: 0, offset: seq, length: text.len() as u64 },
            })?;
        }
        Ok(())
    }

    /// The text of a record.
    pub(super) fn record(&self, (_, seq, _): (u64, u64, u64)) -> Option<String> {
        let sql = "SELECT record FROM events WHERE seq = ?1";
        let seq = i64::try_from(seq).ok()?;
        self.connection.prepare_cached(sql).ok()?.query_row([seq], |row| row.get(0)).ok()
    }
}

/// An older log that the journal does not continue from yet.
#[derive(Debug)]
pub struct Before {
    log: PathBuf,
    /// Its last record: the journal continues from it.
    pub head: Link,
    /// Its first altered record, if any.
    pub damage: Option<OldBadRecord>,
}

impl Before {
    /// Looks for one and checks it.
    pub fn the_journal(folder: &Path, old: &Path) -> Result<Option<Self>, StoreError> {
        if !old.exists() {
            return Ok(None);
        }
        let unread =
            |error: std::io::Error| StoreError::Unopened { path: folder.to_path_buf(), detail: error.to_string() };
        let first = audit::first(folder).map_err(unread)?;
        let mut lines = audit::Lines::from(folder, 0);
        // What is carried over is in the first lines, and the last of them says that it is complete.
        while let Some(line) = lines.next().map_err(unread)? {
            match line.kind {
                "segment" | "checkpoint" | "notice" if !is_all(line.text) => {}
                _ => return Ok(None),
            }
        }
        let log = OldLog::open(old)?;
        let head = log.head()?;
        if first.is_some_and(|first| first != head.seq + 1) {
            return Ok(None);
        }
        let damage = match log.verify(None) {
            Ok(_) => None,
            Err(OldVerifyError::Bad(damage)) => Some(damage),
            Err(OldVerifyError::Store(error)) => return Err(error),
        };
        Ok(Some(Before { log: old.to_path_buf(), head, damage }))
    }
}

/// Whether this is the last line carried over.
fn is_all(line: &[u8]) -> bool {
    let whole = serde_json::from_slice::<serde_json::Value>(line);
    whole.is_ok_and(|line| line["what"] == CARRIED && line["group"].is_null())
}

/// The kind of event.
const CARRIED: &str = "carried";

/// What a group had used on the day on which the journal started.
#[derive(Serialize)]
struct Carried {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    text: String,
    count: u64,
    bytes: u64,
    names: Vec<String>,
}

/// The most names in one line.
const NAMES_AT_ONCE: usize = 1000;

impl AuditLog {
    /// Writes what still counts of an older log into the first lines of the journal that continues it: `since` is the
    /// start of the day.
    pub fn carry_over(&self, before: &Before, since: Millis) -> Result<(), StoreError> {
        let reader = AuditReader::open_old(&before.log)?;
        for group in reader.groups_since(since)? {
            let Ok(name) = GroupName::parse(&group) else { continue };
            let used = reader.used_since(&name, since)?;
            let mut names: Vec<String> = used.names.into_iter().collect();
            let mut counts = (used.requests, used.bytes_up);
            while counts != (0, 0) || !names.is_empty() {
                let rest = names.split_off(names.len().min(NAMES_AT_ONCE));
                let text = "what the group had used of this day before".to_owned();
                self.carry(Some(group.clone()), text, counts, names)?;
                (names, counts) = (rest, (0, 0));
            }
        }
        let text = format!(
            "the log goes on from {}, which stays as it is; its last record is {}, with the head {}",
            before.log.file_name().unwrap_or_default().to_string_lossy(),
            before.head.seq,
            before.head.chain
        );
        self.carry(None, text, (0, 0), Vec::new())?;
        self.sync().map(drop)
    }

    fn carry(
        &self,
        group: Option<String>,
        text: String,
        (count, bytes): (u64, u64),
        names: Vec<String>,
    ) -> Result<(), StoreError> {
        let carried = Carried { what: CARRIED, group, text, count, bytes, names };
        self.shared.append("notice", None, &carried).map(drop)
    }
}
