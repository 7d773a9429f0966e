//! A policy file, by what its path resolves to: whether it differs from the one that was taken, and whether it has been
//! written completely.
//!
//! An editor that first empties a file, or writes a new one, must not put half a policy in force. A file counts once
//! its own writing has ended: it was closed or renamed onto, as the file system reports, or has not changed for a
//! second. A save of a neighbouring file says nothing about it.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policies::GroupName;
use policy_file::Source;

use super::PolicyError;
use crate::home::is_a_file;

/// A file and the text taken from it.
pub(super) struct Watched {
    path: PathBuf,
    name: String,
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
    source: Option<Source>,
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
    /// A group's own file.
    pub(super) fn of_group(path: PathBuf, group: &GroupName) -> Self {
        Self::new(path, format!("policies/{group}.toml"), false)
    }

    /// The file of a group's accepted skills.
    pub(super) fn of_skills(path: PathBuf, group: &GroupName) -> Self {
        Self::new(path, format!("skills/{group}.toml"), false)
    }

    /// `base.toml`.
    pub(super) fn base(path: PathBuf) -> Self {
        Self::new(path, "policies/base.toml".to_owned(), true)
    }

    fn new(path: PathBuf, name: String, denies: bool) -> Self {
        Watched { path, name, denies, taken: None, noticed: None, version: 0, told: false }
    }

    /// Its path, with links not followed.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the text.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn length(&self) -> usize {
        self.taken.as_ref().and_then(|taken| taken.source.as_ref()).map_or(0, |source| source.text.len())
    }

    /// The text, if there is a file.
    pub(super) fn source(&self) -> Option<Source> {
        self.taken.as_ref().and_then(|taken| taken.source.clone())
    }

    /// The text of a file that does not exist.
    pub(super) fn empty(&self) -> Source {
        Source { name: self.name.clone(), text: String::new() }
    }

    /// Whether one of these paths is this file, by its own name or its target's.
    pub(super) fn is_among(&self, paths: &[PathBuf]) -> bool {
        let target = std::fs::canonicalize(&self.path).ok();
        let is_it = |path: &PathBuf| {
            *path == self.path
                || target.as_ref() == Some(path)
                || (path.file_name() == self.path.file_name() && same_folder(path, &self.path))
        };
        paths.iter().any(is_it)
    }

    /// Takes the text if it has changed and is complete. `written`: the file system has just reported that.
    pub(super) fn look(&mut self, written: bool) -> Result<(), PolicyError> {
        let found = self.unless_missing(std::fs::metadata(&self.path))?;
        found.as_ref().map_or(Ok(()), is_a_file).map_err(|error| self.unreadable(error))?;
        let found = found.map(|found| Identity::of(&found));
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
        let mut file = match self.unless_missing(File::open(&self.path))? {
            Some(file) => file,
            None => {
                self.take(None, None, true, written);
                return Ok(());
            }
        };
        let mut text = String::new();
        let mut read = || -> io::Result<(Identity, Identity)> {
            let before = Identity::of(&file.metadata()?);
            file.read_to_string(&mut text)?;
            Ok((before, Identity::of(&file.metadata()?)))
        };
        let (before, after) = read().map_err(|error| self.unreadable(error))?;
        let whole = before == after;
        if !whole && self.taken.is_some() {
            // Somebody is writing: wait for the end, or until it rests.
            return Ok(());
        }
        let settled = whole && self.is_quiet(before);
        self.take(Some(Source { name: self.name.clone(), text }), Some(before), settled, written);
        Ok(())
    }

    fn take(&mut self, source: Option<Source>, identity: Option<Identity>, settled: bool, written: bool) {
        let blank = |source: &Option<Source>| source.as_ref().is_none_or(|source| source.text.trim().is_empty());
        let last = self.taken.as_ref().map(|taken| &taken.source);
        let takes_back = self.denies && blank(&source) && last.is_some_and(|last| !blank(last));
        if takes_back && (source.is_none() || !written) {
            if !std::mem::replace(&mut self.told, true) {
                let what = if source.is_none() { "gone" } else { "empty" };
                tracing::warn!("{} is {what}; its denials stay until it is saved again or the daemon ends", self.name);
            }
            return;
        }
        self.told = false;
        if last != Some(&source) {
            self.version += 1;
        }
        self.taken = Some(Taken { source, identity, settled });
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

    fn unless_missing<T>(&self, found: io::Result<T>) -> Result<Option<T>, PolicyError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    fn unreadable(&self, error: io::Error) -> PolicyError {
        PolicyError::Read { file: self.name.clone(), error }
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
