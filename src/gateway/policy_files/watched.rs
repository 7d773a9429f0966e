//! One policy file, by what its path resolves to: whether it is another than the one that
//! was taken, and whether it is written to its end.
//!
//! An editor that empties a file first, or writes a new one, must not put half a policy in
//! force. A file counts once its own writing has ended: it was closed or renamed onto, which
//! the file system tells, or it has not changed for a second. That a neighbour was saved
//! says nothing about it.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policies::GroupName;
use policy_file::Source;

use super::PolicyError;
use crate::home::is_a_file;

/// A file and what was taken from it.
pub(super) struct Watched {
    path: PathBuf,
    name: String,
    /// Whether it only takes away: then it is not given up because it is away or empty.
    denies: bool,
    taken: Option<Taken>,
    /// Another than the one that was taken, and since when it is as it is.
    noticed: Option<(Identity, Instant)>,
    /// Grows with every text that is taken.
    version: u64,
    /// Told once, that it is away or empty.
    told: bool,
}

struct Taken {
    source: Option<Source>,
    identity: Option<Identity>,
    /// Whether it could not have changed unseen since.
    settled: bool,
}

/// What says that a file is the one that was read. The times are of the inode, so that a
/// link, a hard link and what a link leads to are one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What has not changed for so long is written to its end.
const QUIET: Duration = Duration::from_secs(1);

impl Watched {
    /// A group's own file.
    pub(super) fn of_group(path: PathBuf, group: &GroupName) -> Self {
        Self::new(path, format!("policies/{group}.toml"), false)
    }

    /// What was accepted of a group's skills.
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

    /// Where it stands, links not followed.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which text this is.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// How long the text is.
    pub(super) fn length(&self) -> usize {
        self.taken.as_ref().and_then(|taken| taken.source.as_ref()).map_or(0, |source| source.text.len())
    }

    /// The text, where there is a file.
    pub(super) fn source(&self) -> Option<Source> {
        self.taken.as_ref().and_then(|taken| taken.source.clone())
    }

    /// What stands for a file that is not there.
    pub(super) fn empty(&self) -> Source {
        Source { name: self.name.clone(), text: String::new() }
    }

    /// Whether one of these is this file, by its own name or by that of what it leads to.
    pub(super) fn is_among(&self, paths: &[PathBuf]) -> bool {
        let target = std::fs::canonicalize(&self.path).ok();
        let is_it = |path: &PathBuf| {
            *path == self.path
                || target.as_ref() == Some(path)
                || (path.file_name() == self.path.file_name() && same_folder(path, &self.path))
        };
        paths.iter().any(is_it)
    }

    /// Takes the text if it is another and written to its end. `written`: the file system
    /// has just said so.
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
            // Somebody is at it: their writing ends, or it comes to rest.
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

    /// Whether what is there has not changed for a while: by its own times, or because it
    /// was seen to be so (clocks go wrong, and other machines have their own).
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
