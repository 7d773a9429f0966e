//! The owner's folders that a group's sandboxes see besides the group's own: `[[mount]]` in its file.
//!
//! The checked object is a descriptor, opened without following any link; the engine's mount, made by path, is compared
//! with it before the agent starts (`containers/src/attestation.rs`).
//!
//! **Invariants**
//! - Only folders below the roots of the allow-list, which is in the configuration folder; that, like everything of
//!   Doorward's, is never mounted.
//! - A folder that a sandbox can write does not overlap any other mount, and no folder belongs to two groups: a lock on
//!   a file that two sandboxes see is a channel, even if both may only read (invariant 15). Several groups get copies.
//! - Anything that could be a key, a login, another way out or Doorward's own refuses the whole mount.

mod allowed;
mod apart;
mod copy;
mod look;
mod names;
mod open;
mod own;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use policies::GroupName;

use crate::config::{Access, Config, ConfigError, GroupSettings, Mount, Mounts};
use crate::home::Home;

use allowed::Allowed;
use apart::Others;
use names::Names;
use own::Own;

pub(super) use apart::{Claim, Held};

/// Why a mount is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub why: String,
    /// The remedy.
    pub fix: String,
}

/// Why a mount keeps a sandbox from starting.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A mount is refused.
    #[error("groups/{group}.toml: the mount {path} is refused: {why}. What to do: {fix}", path = path.display(), why = refused.why, fix = refused.fix)]
    Refused {
        /// The group.
        group: GroupName,
        /// The folder.
        path: PathBuf,
        /// Why, and what to do.
        refused: Refused,
    },
    /// The allow-list cannot be read.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// Another group's sandbox still has it.
    #[error("the folder {path} is still in a sandbox of group {other}; `doorward stop {other}` ends that", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The sandbox's group.
        other: GroupName,
    },
}

/// The result for one mount.
#[derive(Debug)]
pub struct Report {
    /// The mount in the group's file.
    pub mount: Mount,
    /// Its content, or why it is refused.
    pub looked: Result<Seen, Refused>,
}

/// The content of a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files and folders.
    pub entries: u64,
    /// Files whose beginning was read.
    pub read: u64,
    /// Remarks that do not prevent mounting, with remedies.
    pub hints: Vec<String>,
    /// Files with further hard links.
    linked: Vec<open::Inode>,
}

/// A mount that may be used.
#[derive(Debug)]
struct Ready {
    mount: Mount,
    /// Held open, so that its inode number keeps meaning this folder.
    folder: OwnedFd,
    inode: open::Inode,
}

/// The rules for mounts, read again for each check: tightening takes effect at once.
struct Rules {
    allowed: Allowed,
    names: Names,
    own: Own,
    others: Others,
}

/// The folders below which some group's agent may write.
pub fn writable(home: &Home, mounts: &Mounts) -> Result<Vec<PathBuf>, String> {
    Allowed::read(home, mounts).writable().map_err(|Refused { why, fix }| format!("{why}; {fix}"))
}

/// Checks all mounts of a group without changing anything.
pub fn check(home: &Home, group: &GroupName) -> Result<Vec<Report>, ConfigError> {
    let settings = GroupSettings::load(home, group)?;
    if settings.mounts.is_empty() {
        return Ok(Vec::new());
    }
    let rules = Rules::read(home, group)?;
    let report = |mount: &Mount| {
        let looked = rules.look(group, mount, &settings.mounts).map(|(_, mut seen)| {
            seen.hints.extend(own::hint(home, group, mount));
            seen
        });
        Report { mount: mount.clone(), looked }
    };
    Ok(settings.mounts.iter().map(report).collect())
}

/// Checks all mounts of a group and claims them for one of its sandboxes; returns the mounts for the engine. Copies are
/// made in `own`, a folder of that sandbox's.
pub(super) fn claim(
    home: &Home,
    group: &GroupName,
    mounts: &[Mount],
    held: &Held,
    (id, own): (&str, &Path),
) -> Result<(Claim, Vec<containers::Extra>), MountError> {
    let refused = |path: &Path, refused| MountError::Refused { group: group.clone(), path: path.to_owned(), refused };
    let mut ready = Vec::new();
    if !mounts.is_empty() {
        let rules = Rules::read(home, group)?;
        for mount in mounts {
            let (opened, _) = rules.look(group, mount, mounts).map_err(|why| refused(&mount.path, why))?;
            ready.push(Ready { mount: mount.clone(), folder: opened.fd, inode: opened.inode });
        }
    }
    let extra = ready.iter().map(|one| one.extra(own).map_err(|why| refused(&one.mount.path, why)));
    let extra = extra.collect::<Result<_, _>>()?;
    Ok((held.claim(id, group, ready)?, extra))
}

impl Rules {
    fn read(home: &Home, group: &GroupName) -> Result<Self, ConfigError> {
        let config = Config::load(home)?;
        Ok(Rules {
            allowed: Allowed::read(home, &config.mounts),
            names: Names::with(&config.mounts.refuse),
            own: Own::of(home, &config),
            others: Others::read(home, group)?,
        })
    }

    /// The worst problems are checked first.
    fn look(&self, group: &GroupName, mount: &Mount, all: &[Mount]) -> Result<(open::Opened, Seen), Refused> {
        self.own.refuses(&mount.path)?;
        self.names.refuse_path(&mount.path)?;
        let root = self.allowed.root(group, mount)?;
        self.others.refuse(mount, all)?;
        let opened = open::folder(root, &mount.path)?;
        self.others.refuse_inode(mount, opened.inode)?;
        let seen = look::into(&opened, mount, &self.names, &self.own)?;
        self.others.refuse_links(&seen.linked)?;
        Ok((opened, seen))
    }
}

impl Ready {
    /// The mount for the engine; a copy is made in this folder, the sandbox's own.
    fn extra(&self, own: &Path) -> Result<containers::Extra, Refused> {
        let (source, inode) = match self.mount.access {
            Access::Copy => copy::make(&self.folder, &own.join(&self.mount.name))?,
            Access::Read | Access::Write => (self.mount.path.clone(), self.inode),
        };
        let read_only = self.mount.access != Access::Write;
        Ok(containers::Extra { source, name: self.mount.name.clone(), read_only, inode })
    }

    /// Whether the path still leads to it.
    fn is_there(&self) -> bool {
        self.mount.access == Access::Copy
            || open::folder(Path::new("/"), &self.mount.path).is_ok_and(|found| found.inode == self.inode)
    }
}

/// The error for a folder that had been replaced by the time the sandbox had started.
pub(super) fn replaced(group: &GroupName, path: &Path) -> MountError {
    let refused = refused("it was replaced while the sandbox started", "find out what changes it, and try again");
    MountError::Refused { group: group.clone(), path: path.to_owned(), refused }
}

fn refused(why: impl Into<String>, fix: impl Into<String>) -> Refused {
    Refused { why: why.into(), fix: fix.into() }
}

#[cfg(test)]
mod tests;
