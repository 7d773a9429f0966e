//! The files themselves: one writer at a time, and each text whole or not at all.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::EditError;
use crate::home::{Home, open_private_file, read_text};

/// How long another edit is waited for. Each takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The right to change files of a home, until it is dropped.
pub(super) fn alone(home: &Home) -> Result<File, EditError> {
    let path = home.edit_lock();
    let file = open_private_file(&path)?;
    let asked = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if asked.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(EditError::Busy),
            Err(TryLockError::Error(source)) => return Err(EditError::Unwritten { path, source }),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Option<String>, EditError> {
    match read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EditError::Unread { path: path.to_owned(), source }),
    }
}

/// Keeps a text beside its file, as `NAME.toml.previous`: nothing reads that but its owner.
pub(super) fn keep(path: &Path, text: &str) -> Result<PathBuf, EditError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    let kept = PathBuf::from(name);
    replace(&kept, text)?;
    Ok(kept)
}

/// Puts a text in the place of what is there, with the rights that that has; a new file is its
/// owner's alone. It is on the disk when this returns.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), EditError> {
    let failed = |source: io::Error| EditError::Unwritten { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut aside = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    if let Ok(found) = std::fs::metadata(path) {
        aside.as_file().set_permissions(found.permissions()).map_err(failed)?;
    }
    aside.write_all(text.as_bytes()).and_then(|()| aside.as_file().sync_all()).map_err(failed)?;
    aside.persist(path).map_err(|error| failed(error.error))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}
