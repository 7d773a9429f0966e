//! What can be wrong with a database file, in words that say what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use audit::JournalError;
use rusqlite::ErrorCode;

use super::place;

/// Why the store could not do it. Never carries what was to be stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// ENOSPC, or SQLite's own limit.
    #[error("the disk is full: {path} cannot grow; free some space", path = path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// By its mode, its mount or its owner.
    #[error("{path} is read-only; make it and its folder writable for the user that runs doorward", path = path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Somebody else holds the write lock for longer than we wait.
    #[error("{path} is locked by another program; close what has it open", path = path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// A newer doorward was here.
    #[error("{path} was written by a newer doorward (schema {found}, this one knows {known}); update doorward", path = path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Some other file, or one that was damaged.
    #[error("{path} is damaged or no database; restore it from a backup, or move it away{} to start anew ({detail})", with_version(path), path = path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// Not the file that its write-ahead log belongs to, or either is damaged.
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
        /// What SQLite said.
        detail: String,
    },
    /// The file was there, and is not any more.
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
        /// Why.
        detail: String,
    },
    /// The group is not registered (any more).
    #[error("there is no group {0:?}; `doorward group list` shows those there are")]
    NoGroup(String),
    /// Anything else.
    #[error("{path}: {detail}", path = path.display())]
    Other {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}

/// What says that a database was there goes with it.
fn with_version(path: &Path) -> String {
    place::served(path).map(|version| format!(", and {} with it,", version.display())).unwrap_or_default()
}

fn without_version(path: &Path) -> String {
    place::served(path).map(|version| format!(" once {} is removed too", version.display())).unwrap_or_default()
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing the program.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            StoreError::Newer { .. }
                | StoreError::OtherWal { .. }
                | StoreError::Damaged { .. }
                | StoreError::NoGroup(_)
        )
    }

    /// What a disk, or who may write to it, has against a file.
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

    /// Of the journal in a folder.
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
            // Shared memory that finds no room, as on a full tmpfs, is an error of the disk to SQLite.
            Some(ErrorCode::SystemIoFailure) if is_full(&path) => StoreError::DiskFull { path },
            Some(ErrorCode::CannotOpen) => StoreError::Unopened { path, detail },
            _ => StoreError::Other { path, detail },
        }
    }

    /// A file that could not even be created, in the same words.
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

/// Whether not a page is free where a database lies.
fn is_full(path: &Path) -> bool {
    path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok()).is_some_and(|disk| disk.f_bavail == 0)
}
