//! A home in one encrypted file, and back.
//!
//! The file is what the `age` tool writes, around a gzipped tar: `age -d FILE | tar tz` lists it
//! without us. `doorward-backup.json` comes first and says what follows; then the folders `config`
//! and `data`.
//!
//! **Invariants**
//! - Secrets and sessions are included only on request. What this version does not recognise counts as a secret.
//! - It can be made while a daemon serves: databases through SQLite's own backup, the audit log up to a
//!   verified line.
//! - An agent's folder may change while it is copied: no link in it is followed.
//! - A home is restored whole, after all of it was verified, and never over an existing one.

mod contents;
mod journal;
mod lock;
mod pack;
mod place;
mod restore;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::home::HomeError;
use crate::store::StoreError;

pub use lock::{Key, KeyError, Lock};
pub use restore::{Restored, restore};
pub use write::{Written, write};

/// The first entry.
const MANIFEST: &str = "doorward-backup.json";

/// The version of the layout: a reader must know it.
const FORMAT: u32 = 1;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of its layout.
    format: u32,
    /// The version of Doorward that wrote it.
    pub version: String,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Whether secrets and sessions are in it.
    pub with_secrets: bool,
    /// The uid that owned the home: its files go to whoever restores it.
    owner: u32,
    /// The audit log's last line, where there is a log.
    pub log: Option<LogHead>,
}

/// How far the audit log in a backup goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// The number of its last line.
    pub seq: u64,
    /// What `doorward audit verify` prints as its head.
    pub chain: String,
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The backup itself cannot be written.
    #[error("the backup cannot be written: {0}")]
    Output(io::Error),
    /// The backup itself cannot be read to its end.
    #[error("the backup cannot be read: {0}; it is cut off or damaged")]
    Input(io::Error),
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// There is no home to save.
    #[error("there is nothing at {0} yet")]
    Nothing(String),
    /// The audit log is incomplete.
    #[error("the audit log: {0}; `doorward audit verify` says the same, docs/audit.md what to do")]
    Log(String),
    /// It cannot be decrypted.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A newer Doorward wrote it.
    #[error("doorward {0} wrote this backup, in a form that this version does not know; restore it with that version")]
    Newer(String),
    /// It decrypts, but holds something else.
    #[error("this is no backup of a Doorward home: {0}")]
    Other(String),
    /// Something is there already.
    #[error("{path} is there already, and {what} in it; a home is restored into an empty place only: give another --home", path = path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        what: String,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_path_buf();
    move |source| BackupError::Io { path, source }
}
