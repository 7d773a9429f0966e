//! A policy file, by what its path resolves to: whether it differs from the one that was taken, and whether it has been
//! written completely.
//!
//! An editor that first empties a file, or writes a new one, must not put half a policy in force. A file counts once
//! its own writing has ended: it was closed or renamed onto, as the file system reports, or has not changed for a
//! second. A save of a neighbouring file says nothing about it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::PolicyError;
use super::text::{PolicyFile, Text};
use crate::home::is_a_file;

/// A file and the text taken from it.
pub(super) struct Watched {
    file: PolicyFile,
    /// Whether it only denies: then it stays in force when it is missing or empty.
    denies: bool,
    taken: Option<Taken>,
    /// The new file that was noticed, and since when it has been unchanged.
    noticed: Option<(Identity, Instant)>,
    /// Increases with every text taken.
    version: u64,
    /// Whether it was reported as missing or empty.
    told: bool,
}

struct Taken {
    text: Option<Text>,
    identity: Option<Identity>,
    /// Whether it cannot have changed unseen since.
    settled: bool,
}

/// Identifies the file that was read. The times are the inode's, so that a link, a hard link and their target are one
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that has been unchanged this long is complete.
const QUIET: Duration = Duration::from_secs(1);

impl Watched {
    /// A file; `denies` where it only denies.
    pub(super) fn new(file: PolicyFile, denies: bool) -> Self {
        Watched { file, denies, taken: None, noticed: None, version: 0, told: false }
    }

    /// Its path, with links not followed.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The version of the text.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The text, if there is a file.
    pub(super) fn text(&self) -> Option<&Text> {
        self.taken.as_ref().and_then(|taken| taken.text.as_ref())
    }

    /// Whether one of these paths is this file, by its own name or its target's.
    pub(super) fn is_among(&self, paths: &[PathBuf]) -> bool {
        let (own, target) = (self.path(), std::fs::canonicalize(self.path()).ok());
        let is_it = |path: &PathBuf| {
            path == own
                || target.as_ref() == Some(path)
                || (path.file_name() == own.file_name() && same_folder(path, own))
        };
        paths.iter().any(is_it)
    }

    /// Takes the text if it has changed and is complete. `written`: the file system has just reported that.
    pub(super) fn look(&mut self, written: bool) -> Result<(), PolicyError> {
        let found = std::fs::metadata(self.path()).and_then(|found| is_a_file(&found).map(|()| Identity::of(&found)));
        let found = self.file.unless_missing(found)?;
        if let (Some(taken), false) = (&self.taken, written) {
            if taken.identity == found && taken.settled {
                return Ok(());
            }
            if found.is_some_and(|found| !self.is_quiet(found)) {
                return Ok(());
            }
        }
        match found {
            None => self.take(None, None, true, written),
            Some(_) => self.read(written)?,
        }
        Ok(())
    }

    fn read(&mut self, written: bool) -> Result<(), PolicyError> {
        let Some((text, seen)) = self.file.unless_missing(self.file.read())? else {
            self.take(None, None, true, written);
            return Ok(());
        };
        let [before, after] = seen.map(|seen| Identity::of(&seen));
        let whole = before == after;
        if !whole && self.taken.is_some() {
            // Somebody is writing: wait for the end, or until it rests.
            return Ok(());
        }
        let settled = whole && self.is_quiet(before);
        self.take(Some(text), Some(before), settled, written);
        Ok(())
    }

    fn take(&mut self, text: Option<Text>, identity: Option<Identity>, settled: bool, written: bool) {
        let blank = |text: &Option<Text>| text.as_ref().is_none_or(|text| text.as_str().trim().is_empty());
        let last = self.taken.as_ref().map(|taken| &taken.text);
        let takes_back = self.denies && blank(&text) && last.is_some_and(|last| !blank(last));
        if takes_back && (text.is_none() || !written) {
            if !std::mem::replace(&mut self.told, true) {
                let (name, what) = (self.file.name(), if text.is_none() { "gone" } else { "empty" });
                tracing::warn!("{name} is {what}; its denials stay until it is saved again or the daemon ends");
            }
            return;
        }
        self.told = false;
        if last != Some(&text) {
            self.version += 1;
        }
        self.taken = Some(Taken { text, identity, settled });
    }

    /// Whether the file has been unchanged for a while: by its own times, or by observation (clocks go wrong, and other
    /// machines have their own).
    fn is_quiet(&mut self, found: Identity) -> bool {
        let (seconds, nanos) = found.changed;
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
        let changed = changed.map(|(seconds, nanos)| UNIX_EPOCH + Duration::new(seconds, nanos));
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        if age.is_some_and(|age| age >= QUIET) {
            return true;
        }
        match self.noticed {
            Some((before, since)) if before == found => since.elapsed() >= QUIET,
            _ => {
                self.noticed = Some((found, Instant::now()));
                false
            }
        }
    }
}

impl Identity {
    fn of(found: &Metadata) -> Self {
        Identity {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| path.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    folder(one).is_some_and(|one| folder(other) == Some(one))
}
