//! Whether an open database still has its name. A file may be removed or replaced while it is open, and SQLite would
//! keep writing to an unlinked file that vanishes with the process. The same can happen to the write-ahead log, a
//! separate file.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{StoreError, quick_check};

/// The files of an open database, by device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    database: (u64, u64),
    wal: (u64, u64),
}

impl Place {
    /// The files of a database that was just opened in WAL mode and read from.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        Ok(Place { database: identity(path, path)?, wal: identity(path, &beside(path, "-wal"))? })
    }

    /// Fails if either file is not the same any more.
    pub(super) fn is_there(&self, path: &Path) -> Result<(), StoreError> {
        if Self::of(path)? == *self { Ok(()) } else { Err(StoreError::Gone { path: path.to_path_buf() }) }
    }
}

/// The path of a database's write-ahead log.
pub(super) fn wal_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The proof that a daemon has served with this database: its version file beside it (`upgrade.rs`).
pub(super) fn served(path: &Path) -> Option<PathBuf> {
    let version = path.with_file_name("version");
    (version.is_file() && !path.is_dir()).then_some(version)
}

/// Where a daemon has served, there must be a non-empty database: an empty or missing one was lost, and is not silently
/// created anew.
pub(super) fn is_not_lost(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        _ if served(path).is_none() => Ok(()),
        Ok(found) if found.is_file() && found.len() == 0 => {
            Err(StoreError::Damaged { path: path.to_path_buf(), detail: "it is empty".to_owned() })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Gone { path: path.to_path_buf() }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// After a crash there is a write-ahead log: checks that it was written for the file beside it. Read-only, so that
/// neither changes.
pub(super) fn goes_with_its_wal(path: &Path) -> Result<(), StoreError> {
    let written = std::fs::metadata(wal_of(path)).is_ok_and(|wal| wal.len() > 0);
    if !written || !path.exists() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let found = Connection::open_with_flags(path, flags).and_then(|connection| quick_check(&connection));
    let other = |detail| StoreError::OtherWal { path: path.to_path_buf(), detail };
    match found {
        Ok(None) => Ok(()),
        Ok(Some(found)) => Err(other(found)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Err(other(error.to_string())),
        Err(error) => Err(StoreError::sqlite(path, &error)),
    }
}

fn identity(database: &Path, file: &Path) -> Result<(u64, u64), StoreError> {
    let path = database.to_path_buf();
    match std::fs::metadata(file) {
        Ok(found) => Ok((found.dev(), found.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Gone { path }),
        Err(error) => Err(StoreError::Unopened { path, detail: error.to_string() }),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
