//! What the owner has locked, kept in a file: shut at once, and still shut after a restart.
//!
//! Locking shuts before it writes; unlocking writes before it opens. An unreadable file locks everything, since its
//! content is unknown.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use desk::lock;
use policies::GroupName;
use proxy::Locked;
use serde::{Deserialize, Serialize};

use crate::store::ledger::{AuditLog, Notice};

/// The file.
#[derive(Clone, Debug)]
pub struct LatchFile(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    all: bool,
    groups: Vec<String>,
}

impl LatchFile {
    /// The latch file at this path.
    pub fn at(path: PathBuf) -> Self {
        LatchFile(path)
    }

    /// What is locked; everything if the file cannot be read, with the reason.
    pub fn read(&self) -> (Locked, Option<String>) {
        let everything = |why: String| {
            let why = format!("{} cannot be read ({why}), so every group is locked", self.0.display());
            (Locked { all: true, ..Locked::default() }, Some(why))
        };
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Locked::default(), None),
            Err(error) => return everything(error.to_string()),
        };
        let written: Written = match serde_json::from_str(&text) {
            Ok(written) => written,
            Err(error) => return everything(error.to_string()),
        };
        match written.groups.iter().map(|name| GroupName::parse(name)).collect() {
            Ok(groups) => (Locked { all: written.all, groups }, None),
            Err(why) => everything(why.to_string()),
        }
    }

    /// The same when the daemon starts: the reason for locking everything is reported.
    pub fn at_start(&self, log: &AuditLog) -> Locked {
        let (locked, unread) = self.read();
        if let Some(why) = unread {
            tracing::error!("{why}; `doorward unlock` writes it anew");
            log.note(&Notice::new("locked", None, why));
        }
        locked
    }

    /// Stores what is locked: atomically, and on the disk when this returns.
    pub fn write(&self, locked: &Locked) -> io::Result<()> {
        let groups = locked.groups.iter().map(ToString::to_string).collect();
        let text = serde_json::to_string(&Written { all: locked.all, groups })?;
        let dir = self.0.parent().unwrap_or(Path::new("/"));
        let mut aside = tempfile::NamedTempFile::new_in(dir)?;
        aside.write_all(text.as_bytes()).and_then(|()| aside.as_file().sync_all())?;
        aside.persist(&self.0).map_err(|error| error.error)?;
        File::open(dir)?.sync_all()
    }
}

/// The same with one group, or all, locked too.
pub fn with(locked: &Locked, group: Option<&GroupName>) -> Locked {
    let mut locked = locked.clone();
    match group {
        Some(group) => drop(locked.groups.insert(group.clone())),
        None => locked.all = true,
    }
    locked
}

/// The same without one group; `None` for all. A group cannot be unlocked alone while everything is locked.
pub fn without(locked: &Locked, group: Option<&GroupName>) -> Result<Locked, String> {
    let Some(group) = group else { return Ok(Locked::default()) };
    if locked.all {
        return Err("every group is locked; `doorward unlock` unlocks all of them".to_owned());
    }
    let mut locked = locked.clone();
    locked.groups.remove(group);
    Ok(locked)
}

impl super::Gateway {
    /// Locks a group, or all: shut at once, then written down. After an error it is shut but would be open after a
    /// restart.
    pub fn lock(&self, group: Option<&GroupName>, by: &str) -> io::Result<()> {
        let file = lock(&self.latch_file);
        let locked = with(&self.proxy.latch.now(), group);
        self.proxy.latch.set(locked.clone());
        let doors: Vec<_> = self.open_doors().iter().filter_map(Weak::upgrade).collect();
        doors.iter().for_each(|door| door.cut_if_locked());
        let written = file.write(&locked);
        let what = group.map_or_else(|| "every group".to_owned(), |group| format!("the group {group}"));
        tracing::warn!(%what, by, "locked");
        self.ledger.note(&Notice::new("locked", group, format!("{what} was locked, by {by}")));
        written
    }

    /// Unlocks a group, or all: written down, then opened. Returns whether that changed anything.
    pub fn unlock(&self, group: Option<&GroupName>) -> Result<bool, String> {
        let file = lock(&self.latch_file);
        let before = self.proxy.latch.now();
        let open = without(&before, group)?;
        if open == *before {
            return Ok(false);
        }
        let what = group.map_or_else(|| "every group".to_owned(), |group| format!("the group {group}"));
        let noted = Notice::new("unlocked", group, format!("{what} was unlocked, by the command line"));
        self.ledger.notice(&noted).map_err(|down| format!("it stays locked: {down}"))?;
        file.write(&open).map_err(|error| format!("it stays locked: the lock's file cannot be written: {error}"))?;
        self.proxy.latch.set(open);
        tracing::warn!(%what, "unlocked");
        Ok(true)
    }

    /// Marks the owner as away or back: while they are away, only models are reachable.
    pub fn set_away(&self, away: bool) {
        self.proxy.latch.set_away(away);
        let doors: Vec<_> = self.open_doors().iter().filter_map(Weak::upgrade).collect();
        doors.iter().for_each(|door| door.cut_if_locked());
    }

    /// What is locked.
    pub fn locked(&self) -> Arc<Locked> {
        self.proxy.latch.now()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_cannot_be_read_locks_everything() {
        let dir = tempfile::tempdir().unwrap();
        let file = LatchFile::at(dir.path().join("lock.json"));
        assert_eq!(file.read(), (Locked::default(), None));
        let family = GroupName::parse("family").unwrap();
        let locked = with(&Locked::default(), Some(&family));
        file.write(&locked).unwrap();
        assert_eq!(file.read(), (locked.clone(), None));
        assert_eq!(without(&locked, Some(&family)).unwrap(), Locked::default());
        assert!(without(&with(&locked, None), Some(&family)).is_err());
        for text in [
            "",
            "{",
            "{\"all\":false}",
            "{\"all\":false,\"groups\":[\"../x\"]}",
            "{\"all\":false,\"groups\":[],\"x\":1}",
        ] {
            std::fs::write(dir.path().join("lock.json"), text).unwrap();
            let (locked, why) = file.read();
            assert!(locked.all && why.is_some(), "{text}");
        }
    }
}
