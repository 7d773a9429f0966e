//! Brings a database up to date in numbered steps, after making a copy of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, copy};

/// The suffix of a copy's name after that of its database; the schema's number follows.
pub(super) const COPY: &str = ".schema-";

/// Applies the steps that the file lacks, counted by `user_version`. All of them or none: a crash in between leaves the
/// file as it was.
pub(super) fn bring_up_to_date(
    path: &Path,
    mut connection: Connection,
    steps: &[&str],
) -> Result<Connection, StoreError> {
    let explain = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    // First without the write lock: opening must not wait for a writer.
    if version(&connection).map_err(explain)? == known {
        return Ok(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    let found = version(&transaction).map_err(explain)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    // A new file needs no copy.
    if found > 0 {
        keep_copy(path, found)?;
    }
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step).map_err(explain)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(explain)?;
    transaction.commit().map_err(explain)?;
    Ok(connection)
}

/// The number of steps that the file has had.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Copies the database as it is before its first step, atomically. An older copy of this schema is replaced.
fn keep_copy(path: &Path, schema: u32) -> Result<(), StoreError> {
    let aside = beside(path, ".copying");
    let made = copy::copy_database(path, &aside).and_then(|()| {
        let kept = beside(path, &format!("{COPY}{schema}"));
        std::fs::rename(&aside, &kept).map_err(|error| StoreError::disk(&kept, &error))
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    made
}

/// Removes copies older than this: what they hold has expired in the database.
pub(super) fn remove_copies(path: &Path, age: Duration) -> std::io::Result<()> {
    for copy in copies(path)? {
        let made = std::fs::metadata(&copy)?.modified()?;
        if SystemTime::now().duration_since(made).is_ok_and(|since| since >= age) {
            std::fs::remove_file(copy)?;
        }
    }
    Ok(())
}

/// The existing copies.
pub(super) fn copies(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let begins = format!("{}{COPY}", name.to_string_lossy());
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_string_lossy().strip_prefix(&begins).map(str::to_owned);
        if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
            copies.push(entry.path());
        }
    }
    Ok(copies)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
