//! Copies of databases in use, by SQLite's own backup API.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::migrations::COPY;
use super::{StoreError, open_private};

/// The first bytes of an SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long to wait for a writer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Copies a database as of one moment, whoever writes to it meanwhile.
pub fn copy_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(|error| StoreError::sqlite(from, &error))?;
    source.busy_timeout(PATIENCE).map_err(|error| StoreError::sqlite(from, &error))?;
    let mut copy = open_private(to)?;
    let copied = Backup::new(&source, &mut copy).and_then(|backup| backup.step(-1));
    match copied.map_err(|error| StoreError::sqlite(from, &error))? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::Locked { path: from.to_path_buf() }),
    }
}

/// Whether a file is a database, by its first bytes.
pub fn is_a_database(file: &Path) -> bool {
    let mut begins = [0; MAGIC.len()];
    File::open(file).is_ok_and(|mut file| file.read_exact(&mut begins).is_ok() && begins == MAGIC)
}

/// Whether a name is that of a file next to a database, whose content is in the database's copy, or once was in it.
pub fn is_beside_a_database(name: impl AsRef<OsStr>) -> bool {
    let name = name.as_ref().to_string_lossy();
    ["-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end)) || name.contains(COPY)
}
