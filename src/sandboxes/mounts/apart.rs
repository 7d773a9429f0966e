//! To whom a folder belongs: to one group, or to none if another can write it (invariant 15).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use desk::lock;
use policies::GroupName;

use super::names::shown;
use super::open::{self, Inode};
use super::{MountError, Ready, Refused, refused};
use crate::config::{Access, ConfigError, GroupSettings, Mount};
use crate::home::Home;
use crate::sandboxes::walk::walk;

/// The mounts of all other groups.
pub(super) struct Others(Vec<(GroupName, Mount)>);

impl Others {
    /// From their files. An unreadable file could contain anything, so its problem affects this group too.
    pub(super) fn read(home: &Home, group: &GroupName) -> Result<Self, ConfigError> {
        let mut all = Vec::new();
        for other in names(&home.groups_dir()).into_iter().filter(|other| other != group) {
            let settings = GroupSettings::load(home, &other)?;
            all.extend(settings.mounts.into_iter().map(|mount| (other.clone(), mount)));
        }
        Ok(Others(all))
    }

    /// By path: without links, two paths lead to one folder only if one is a prefix of the other.
    pub(super) fn refuse(&self, mount: &Mount, own: &[Mount]) -> Result<(), Refused> {
        for other in own.iter().filter(|other| *other != mount && overlap(&other.path, &mount.path)) {
            if [mount, other].iter().any(|one| one.access == Access::Write) {
                let why =
                    format!("a part of it is the mount {} as well, and one of the two can be written", other.name);
                return Err(refused(why, "take one of the two mounts out"));
            }
        }
        let meets = |other: &&(GroupName, Mount)| overlap(&other.1.path, &mount.path);
        let mut shared = self.0.iter().filter(meets).filter(|(_, other)| !goes_with(mount, other));
        shared.next().map_or(Ok(()), |(group, other)| Err(of_another(group, other, mount)))
    }

    /// By the folder itself: a second mount of the same disk gives it another path.
    pub(super) fn refuse_inode(&self, mount: &Mount, inode: Inode) -> Result<(), Refused> {
        let same = |other: &&(GroupName, Mount)| {
            open::folder(Path::new("/"), &other.1.path).is_ok_and(|found| found.inode == inode)
        };
        let mut shared = self.0.iter().filter(|(_, other)| !goes_with(mount, other)).filter(same);
        shared.next().map_or(Ok(()), |(group, other)| Err(of_another(group, other, mount)))
    }

    /// By files with several links, one of which may be in another group's mount.
    pub(super) fn refuse_links(&self, linked: &[Inode]) -> Result<(), Refused> {
        if linked.is_empty() {
            return Ok(());
        }
        let linked: BTreeSet<Inode> = linked.iter().copied().collect();
        for (group, other) in self.0.iter().filter(|(_, other)| other.access != Access::Copy) {
            let mut shared = None;
            // What cannot be walked here is refused when that group's own mounts are checked.
            let _ = walk(&other.path, |found| {
                let inode = (found.stat.st_dev, found.stat.st_ino);
                if found.stat.st_nlink > 1 && linked.contains(&inode) {
                    shared = Some(super::names::below(&other.path, found.parent, found.name.to_bytes()));
                    return Ok(std::ops::ControlFlow::Break(()));
                }
                Ok(std::ops::ControlFlow::Continue(()))
            });
            if let Some(file) = shared {
                let why = format!("a file in it is the same as {}, which group {group} sees", shown(&file));
                return Err(refused(why, "make a copy of one of the two (cp --remove-destination)"));
            }
        }
        Ok(())
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Whether two groups may have these two: a copy is separate as long as nobody else writes its source.
fn goes_with(one: &Mount, other: &Mount) -> bool {
    let accesses = [one.access, other.access];
    accesses.contains(&Access::Copy) && !accesses.contains(&Access::Write)
}

fn of_another(group: &GroupName, other: &Mount, mount: &Mount) -> Refused {
    let whole = if other.path == mount.path { "it is" } else { "a part of it is" };
    let why = format!("{whole} mounted for group {group} as well ({})", shown(&other.path));
    let fix = match [mount.access, other.access].contains(&Access::Write) {
        true => {
            format!("a folder that a group can write is that group's alone: take it out of groups/{group}.toml or here")
        }
        false => "two sandboxes that see a file can pass signs by locking it: add copy = true to one of the two, \
                  and it gets a copy at each start"
            .to_owned(),
    };
    refused(why, fix)
}

/// The groups with a settings file, registered or not.
fn names(folder: &Path) -> Vec<GroupName> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let stem = |path: PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned());
    entries.filter_map(|entry| GroupName::parse(&stem(entry.path())?).ok()).collect()
}

/// The mounts of live sandboxes: a file changed since then counts only for later sandboxes.
#[derive(Clone, Debug, Default)]
pub(in crate::sandboxes) struct Held(Arc<Mutex<BTreeMap<String, Theirs>>>);

/// The mounts of one live sandbox.
#[derive(Debug)]
struct Theirs {
    group: GroupName,
    paths: Vec<PathBuf>,
}

/// A live sandbox's claim on its mounts, until it is dropped.
#[derive(Debug)]
pub(in crate::sandboxes) struct Claim {
    held: Held,
    id: String,
    folders: Vec<Ready>,
}

impl Held {
    /// Claims these for a sandbox, unless another group's has a part of them.
    pub(super) fn claim(&self, id: &str, group: &GroupName, folders: Vec<Ready>) -> Result<Claim, MountError> {
        let mut held = lock(&self.0);
        let real: Vec<&Ready> = folders.iter().filter(|one| one.mount.access != Access::Copy).collect();
        for theirs in held.values().filter(|theirs| theirs.group != *group) {
            let meets = |one: &&&Ready| theirs.paths.iter().any(|path| overlap(&one.mount.path, path));
            if let Some(one) = real.iter().find(meets) {
                return Err(MountError::InUse { path: one.mount.path.clone(), other: theirs.group.clone() });
            }
        }
        let paths = real.iter().map(|one| one.mount.path.clone()).collect();
        held.insert(id.to_owned(), Theirs { group: group.clone(), paths });
        Ok(Claim { held: self.clone(), id: id.to_owned(), folders })
    }
}

impl Claim {
    /// The folder that has moved since it was checked: the mounted one may be another. On this machine's kernel the
    /// guest reports it too; a runtime with its own kernel has only this check.
    pub(in crate::sandboxes) fn replaced(&self) -> Option<&Path> {
        self.folders.iter().find(|one| !one.is_there()).map(|one| one.mount.path.as_path())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.held.0).remove(&self.id);
    }
}
