//! Why a journal cannot be written.

use std::io;
use std::path::{Path, PathBuf};

use crate::verify::Damage;

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process is writing to it.
    #[error("{path} is written by another program", path = .0.display())]
    Locked(PathBuf),
    /// Something else changed it while it was open.
    #[error("{path} was changed, removed or replaced while it was open", path = .0.display())]
    Changed(PathBuf),
    /// Its content is not what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(Damage),
    /// It ends with part of a line that cannot be taken back.
    #[error("{path} ends with part of a line that cannot be taken back: {error}", path = path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No reader accepts a line of that length.
    #[error("a record of {0} bytes is longer than a line may be")]
    TooLong(usize),
    /// An error of the disk or the system.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl JournalError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        JournalError::Io { path: path.to_path_buf(), error }
    }
}
