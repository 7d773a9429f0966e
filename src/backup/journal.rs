//! A snapshot of the audit log while it is written: hard links to its files, which retention does not remove, and a
//! copy of the newest up to its last whole line; verified as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{BackupError, LogHead, at};
use crate::store::ledger;

/// The log may start a new file, or drop its oldest, during the snapshot.
const TRIES: usize = 3;

/// Makes `FOLDER/audit` and `FOLDER/audit.key` from the log; returns how far it goes.
pub(super) fn stage(log: &Path, folder: &Path) -> Result<Option<LogHead>, BackupError> {
    if !log.is_dir() {
        return Ok(None);
    }
    let key = log.with_extension("key");
    if key.exists() {
        fs::copy(&key, folder.join("audit.key")).map_err(at(&key))?;
    }
    let staged = folder.join("audit");
    let mut last = None;
    for _ in 0..TRIES {
        match try_once(log, &staged) {
            Ok(head) => return Ok(Some(head)),
            Err(error) => last = Some(error),
        }
        fs::remove_dir_all(&staged).map_err(at(&staged))?;
    }
    Err(last.unwrap_or_else(|| BackupError::Log("it cannot be copied".to_owned())))
}

fn try_once(log: &Path, staged: &Path) -> Result<LogHead, BackupError> {
    fs::create_dir_all(staged).map_err(at(staged))?;
    let segments = segments(log).map_err(at(log))?;
    let copies: Vec<PathBuf> = segments.iter().map(|path| staged.join(path.file_name().unwrap_or_default())).collect();
    if let (Some(newest), Some(copy)) = (segments.last(), copies.last()) {
        fs::copy(newest, copy).map_err(at(newest))?;
    }
    for (path, copy) in segments.iter().zip(&copies).rev().skip(1) {
        // A copy where the file system has no hard links.
        match fs::hard_link(path, copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(path, copy).map(drop),
            linked => linked,
        }
        .map_err(at(path))?;
    }
    let verified = ledger::verify(staged, None).map_err(|error| BackupError::Log(error.to_string()))?;
    if let Some(copy) = copies.last().filter(|_| verified.torn > 0) {
        let file = fs::OpenOptions::new().write(true).open(copy).map_err(at(copy))?;
        let length = file.metadata().map_err(at(copy))?.len();
        file.set_len(length.saturating_sub(verified.torn)).map_err(at(copy))?;
    }
    Ok(LogHead { seq: verified.last.seq, chain: verified.last.chain.to_string() })
}

/// The log's files, oldest first: their names are numbers of equal width.
fn segments(log: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(log)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut segments: Vec<_> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect();
    segments.sort();
    Ok(segments)
}
