//! What can be wrong with a database file, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use audit::JournalError;
use rusqlite::ErrorCode;

use super::place;

/// Why the store failed. Never carries the data.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// ENOSPC, or SQLite's own limit.
    #[error("the disk is full: {path} cannot grow; free some space", path = path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Because of its mode, its mount or its owner.
    #[error("{path} is read-only; make it and its folder writable for the user that runs doorward", path = path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Another process holds the write lock for longer than we wait.
    #[error("{path} is locked by another program; close what has it open", path = path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// A newer version has written it.
    #[error("{path} was written by a newer doorward (schema {found}, this one knows {known}); update doorward", path = path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// It is another kind of file, or damaged.
    #[error("{path} is damaged or no database; restore it from a backup, or move it away{} to start anew ({detail})", with_version(path), path = path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        detail: String,
    },
    /// It is not the file that its write-ahead log belongs to, or either is damaged.
    #[error(
        "{path} does not go with its write-ahead log {wal} ({detail}): an older copy was put back beside a newer log, \
         or either was damaged. Put the file back that the log belongs to; or, to use the copy as it is and lose what \
         only the log has, move {wal} and {shm} away",
        path = path.display(),
        wal = place::wal_of(path).display(),
        shm = path.with_extension("db-shm").display()
    )]
    OtherWal {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        detail: String,
    },
    /// The file has disappeared.
    #[error("{path} is gone: it was removed or replaced; put it back or restore a backup; or, to begin a new one with nothing in it, start doorward anew{}", without_version(path), path = path.display())]
    Gone {
        /// The database.
        path: PathBuf,
    },
    /// It cannot be opened at all.
    #[error("{path} cannot be opened: {detail}", path = path.display())]
    Unopened {
        /// The database.
        path: PathBuf,
        /// The reason.
        detail: String,
    },
    /// The group is not registered, or no longer.
    #[error("there is no group {0:?}; `doorward group list` shows those there are")]
    NoGroup(String),
    /// Anything else.
    #[error("{path}: {detail}", path = path.display())]
    Other {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        detail: String,
    },
}

/// The version file that proves a database was there is named with it.
fn with_version(path: &Path) -> String {
    place::served(path).map(|version| format!(", and {} with it,", version.display())).unwrap_or_default()
}

fn without_version(path: &Path) -> String {
    place::served(path).map(|version| format!(" once {} is removed too", version.display())).unwrap_or_default()
}

impl StoreError {
    /// Whether the same call may succeed later without a change to the program.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            StoreError::Newer { .. }
                | StoreError::OtherWal { .. }
                | StoreError::Damaged { .. }
                | StoreError::NoGroup(_)
        )
    }

    /// An error of the disk or of permissions.
    pub(super) fn disk(path: &Path, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                StoreError::DiskFull { path }
            }
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly { path },
            _ => StoreError::Other { path, detail: format!("the disk does not take it: {error}") },
        }
    }

    /// An error of the journal in a folder.
    pub(super) fn journal(folder: &Path, error: &JournalError) -> Self {
        match error {
            JournalError::Locked(path) => StoreError::Locked { path: path.clone() },
            JournalError::Changed(path) => StoreError::Gone { path: path.clone() },
            JournalError::Damaged(damage) => {
                StoreError::Damaged { path: folder.to_path_buf(), detail: damage.to_string() }
            }
            JournalError::Io { path, error } | JournalError::Broken { path, error } => Self::disk(path, error),
            JournalError::TooLong(_) => StoreError::Other { path: folder.to_path_buf(), detail: error.to_string() },
        }
    }

    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, detail },
            // SQLite reports shared memory without room, as on a full tmpfs, as a disk error.
            Some(ErrorCode::SystemIoFailure) if is_full(&path) => StoreError::DiskFull { path },
            Some(ErrorCode::CannotOpen) => StoreError::Unopened { path, detail },
            _ => StoreError::Other { path, detail },
        }
    }

    /// The same for a file that could not be created.
    pub(super) fn home(path: &Path, error: &crate::home::HomeError) -> Self {
        use std::io::ErrorKind;
        let path = path.to_path_buf();
        let kind = match error {
            crate::home::HomeError::Io { source, .. } => source.kind(),
            _ => ErrorKind::Other,
        };
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly { path },
            _ => StoreError::Unopened { path, detail: error.to_string() },
        }
    }
}

/// Whether the file system of a database has no free page left.
fn is_full(path: &Path) -> bool {
    path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok()).is_some_and(|disk| disk.f_bavail == 0)
}
