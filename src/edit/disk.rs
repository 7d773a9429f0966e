//! The files themselves: one writer at a time, each text written atomically.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::EditError;
use crate::home::{Home, open_private_file, read_text};

/// How long to wait for another edit. Each takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exclusive right to edit a home's files, until it is dropped.
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

/// Replaces the present text and keeps its permissions; a new file is only for its owner. If the present text is not
/// `before`, it stays. The previous text is kept beside it as `NAME.toml.previous`, which only its owner reads. On the
/// disk when this returns.
pub(super) fn replace(path: &Path, before: Option<&str>, text: &str) -> Result<Option<PathBuf>, EditError> {
    let aside = written(path, text)?;
    let changed = || EditError::Changed { path: path.to_owned() };
    let Some(before) = before else {
        return match aside.persist_noclobber(path) {
            Ok(_) => settled(path).map(|()| None),
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => Err(changed()),
            Err(lost) => Err(unwritten(path)(lost.error)),
        };
    };
    let previous = previous(path);
    match exchange(aside.path(), path) {
        Ok(()) => {}
        // Somebody removed it.
        Err(Errno::NOENT) => return Err(changed()),
        // The file system cannot exchange two names.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return replace_in_two(aside, path, before).map(Some),
        Err(error) => return Err(unwritten(path)(error.into())),
    }
    // The exchanged file is what was there a moment ago, whoever wrote it.
    if read(aside.path())?.as_deref() != Some(before) {
        put_back(aside, path, text)?;
        return Err(changed());
    }
    aside.into_temp_path().persist(&previous).map_err(|lost| unwritten(&previous)(lost.error))?;
    settled(path).map(|()| Some(previous))
}

/// The same in two steps, with a check right before the second.
pub(super) fn replace_in_two(aside: NamedTempFile, path: &Path, before: &str) -> Result<PathBuf, EditError> {
    let previous = previous(path);
    written(&previous, before)?.persist(&previous).map_err(|lost| unwritten(&previous)(lost.error))?;
    if read(path)?.as_deref() != Some(before) {
        return Err(EditError::Changed { path: path.to_owned() });
    }
    aside.persist(path).map_err(|lost| unwritten(path)(lost.error))?;
    settled(path).map(|()| previous)
}

/// The exchanged text was somebody else's: it goes back. If they have saved again meanwhile, that stays.
fn put_back(aside: NamedTempFile, path: &Path, ours: &str) -> Result<(), EditError> {
    // Keeps it whatever fails now.
    let aside = aside.into_temp_path().keep().map_err(|lost| unwritten(path)(lost.error))?;
    let exchanged = || exchange(&aside, path).map_err(|error| unwritten(path)(error.into()));
    exchanged()?;
    if read(&aside)?.as_deref() != Some(ours) {
        exchanged()?;
    }
    std::fs::remove_file(&aside).map_err(unwritten(&aside))
}

fn exchange(one: &Path, other: &Path) -> rustix::io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

/// A text beside the file that it is for, on the disk.
pub(super) fn written(path: &Path, text: &str) -> Result<NamedTempFile, EditError> {
    let mut aside = NamedTempFile::new_in(folder(path)).map_err(unwritten(path))?;
    if let Ok(found) = std::fs::metadata(path) {
        aside.as_file().set_permissions(found.permissions()).map_err(unwritten(path))?;
    }
    aside.write_all(text.as_bytes()).and_then(|()| aside.as_file().sync_all()).map_err(unwritten(path))?;
    Ok(aside)
}

/// Syncs the names in its folder.
fn settled(path: &Path) -> Result<(), EditError> {
    File::open(folder(path)).and_then(|dir| dir.sync_all()).map_err(unwritten(path))
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

fn unwritten(path: &Path) -> impl Fn(io::Error) -> EditError {
    let path = path.to_owned();
    move |source| EditError::Unwritten { path: path.clone(), source }
}
