//! Whether a database that is open still has its name. A file may be removed or replaced
//! while it is open, and SQLite would go on writing into nowhere: all of it is gone with
//! the process. The write-ahead log is a file of its own, and as much can happen to it.

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
    /// Where a database is that was just opened, in WAL mode, and read from.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        Ok(Place { database: identity(path, path)?, wal: identity(path, &beside(path, "-wal"))? })
    }

    /// An error where either is not what it was.
    pub(super) fn is_there(&self, path: &Path) -> Result<(), StoreError> {
        if Self::of(path)? == *self { Ok(()) } else { Err(StoreError::Gone { path: path.to_path_buf() }) }
    }
}

/// Where a database's write-ahead log is.
pub(super) fn wal_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// What says that a daemon has served with this database: it wrote its version beside it (`upgrade.rs`).
pub(super) fn served(path: &Path) -> Option<PathBuf> {
    let version = path.with_file_name("version");
    (version.is_file() && !path.is_dir()).then_some(version)
}

/// Where a daemon has served there is a database, and something in it: what is empty or gone was lost, and is not
/// begun anew as if nothing had been.
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

/// After an end that was none, a write-ahead log is there: whether the file beside it is the
/// one that it was written for. Read only, so that nothing of either is changed.
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
