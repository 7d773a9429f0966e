//! Bringing a database up to date, one numbered step after the other.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Applies the steps that the file has not seen; `user_version` counts them.
/// All of them or none: a crash in between leaves the file as it was.
pub(super) fn bring_up_to_date(
    path: &Path,
    mut connection: Connection,
    steps: &[&str],
) -> Result<Connection, StoreError> {
    let explain = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    // Looked at without the write lock first: opening must not wait for a writer.
    if version(&connection).map_err(explain)? == known {
        return Ok(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    let found = version(&transaction).map_err(explain)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step).map_err(explain)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(explain)?;
    transaction.commit().map_err(explain)?;
    Ok(connection)
}

/// The number of steps that the file has seen.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
