//! A user per group, where the daemon may choose: one group cannot then exhaust for another what the kernel limits per
//! user (inotify instances, timers, pipes, …).
//!
//! The group folder's owner is the record of its user, which no sandbox can change; so a restored backup, or a drill,
//! finds the same users again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, RangeInclusive};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::sync::Mutex;

use containers::SandboxUser;
use desk::lock;
use policies::GroupName;
use rand::RngExt as _;
use rustix::fs::{AtFlags, Gid, Uid, chownat};

use super::walk::walk;
use crate::home::Home;
use crate::memory;

/// An unused range: systemd's table of user ids (UIDS-GIDS.md) lists it as unused up to the ids of foreign images, and
/// subordinate ids begin at 100000.
const RANGE: RangeInclusive<u32> = 0x7000_0000..=0x7FFD_FFFF;

/// The users of the groups in this process.
#[derive(Default)]
pub(super) struct Users(Mutex<BTreeMap<GroupName, u32>>);

impl Users {
    /// The user of a group. When this returns, its folders, which must exist, belong to this user, including what
    /// `before`, the only user in earlier versions, left in them.
    pub(super) fn take(&self, home: &Home, group: &GroupName, before: u32) -> io::Result<u32> {
        let mut chosen = lock(&self.0);
        let folders = [home.group_dir(group), home.agent_home(group)];
        // The choice is final: a sandbox of the group may be running.
        let uid = match chosen.get(group) {
            Some(uid) => *uid,
            None => choose(&folders, &taken(home, group, &chosen)?),
        };
        memory::hand_over(&folders[0], uid, uid)?;
        for folder in &folders {
            hand_over(folder, uid, before)?;
        }
        chosen.insert(group.clone(), uid);
        Ok(uid)
    }
}

/// The user of a group's sandboxes, if it has its own by now.
pub(super) fn of(home: &Home, group: &GroupName) -> Option<u32> {
    let owner = std::fs::metadata(home.group_dir(group)).ok()?.uid();
    RANGE.contains(&owner).then_some(owner)
}

fn choose(folders: &[impl AsRef<Path>], taken: &BTreeSet<u32>) -> u32 {
    let owners = folders.iter().filter_map(|folder| std::fs::metadata(folder).ok()).map(|found| found.uid());
    let kept = owners.into_iter().find(|uid| RANGE.contains(uid) && !taken.contains(uid));
    kept.unwrap_or_else(|| new(taken))
}

/// The same with a user of no group, where the daemon may choose: another drill on this machine, or sandboxes of an
/// earlier version, would share the kernel's limits per user.
pub(crate) fn nobodys(user: SandboxUser) -> SandboxUser {
    if user.chown { user.of_a_group(new(&BTreeSet::new())) } else { user }
}

/// A user that is not taken.
fn new(taken: &BTreeSet<u32>) -> u32 {
    let mut rng = rand::rng();
    loop {
        let uid = rng.random_range(RANGE);
        if !taken.contains(&uid) {
            return uid;
        }
    }
}

/// The users of all other groups, including folders that the owner has copied.
fn taken(home: &Home, group: &GroupName, chosen: &BTreeMap<GroupName, u32>) -> io::Result<BTreeSet<u32>> {
    let mut taken: BTreeSet<u32> = chosen.values().copied().collect();
    for folder in [home.group_dir(group), home.agent_home(group)] {
        let Some(all) = folder.parent() else { continue };
        for entry in std::fs::read_dir(all)? {
            let entry = entry?;
            if entry.file_name() != *group.as_str() {
                taken.extend(std::fs::metadata(entry.path()).ok().map(|found| found.uid()));
            }
        }
    }
    Ok(taken)
}

/// Gives a folder to this user, with everything that its sandboxes made as another user. Other users' files stay
/// theirs. The folder itself comes last, so that an interrupted change starts again.
fn hand_over(folder: &Path, uid: u32, before: u32) -> io::Result<()> {
    let owner = std::fs::metadata(folder)?.uid();
    if owner == uid {
        return Ok(());
    }
    if owner == before || RANGE.contains(&owner) {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        walk(folder, |found| {
            if found.stat.st_uid == owner {
                chownat(found.here, found.name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    chown(folder, Some(uid), Some(uid))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    const BEFORE: u32 = 10001;

    struct Scene {
        _folder: tempfile::TempDir,
        home: Home,
    }

    impl Scene {
        fn new(groups: &[&str]) -> Self {
            assert!(rustix::process::geteuid().is_root(), "`make test` runs as root: only root gives folders away");
            let folder = tempfile::tempdir().unwrap();
            let home = Home::at(folder.path()).unwrap();
            home.prepare().unwrap();
            for name in groups {
                fs::create_dir(home.group_dir(&group(name))).unwrap();
                fs::create_dir(home.agent_home(&group(name))).unwrap();
            }
            Scene { _folder: folder, home }
        }

        fn owner(&self, name: &str) -> u32 {
            fs::symlink_metadata(self.home.group_dir(&group(name))).unwrap().uid()
        }
    }

    fn group(name: &str) -> GroupName {
        GroupName::parse(name).unwrap()
    }

    #[test]
    fn each_group_has_a_user_of_its_own_and_keeps_it() {
        let scene = Scene::new(&["one", "two"]);
        memory::begin(&scene.home.group_dir(&group("one")), &group("one")).unwrap();
        let users = Users::default();
        let (one, two) = (
            users.take(&scene.home, &group("one"), BEFORE).unwrap(),
            users.take(&scene.home, &group("two"), BEFORE).unwrap(),
        );
        assert!(one != two && RANGE.contains(&one) && RANGE.contains(&two), "{one} {two}");
        assert_eq!((scene.owner("one"), scene.owner("two")), (one, two));
        let memory = scene.home.group_dir(&group("one")).join("CLAUDE.md");
        assert_eq!(fs::metadata(memory).unwrap().uid(), one);
        assert_eq!(users.take(&scene.home, &group("one"), BEFORE).unwrap(), one);
        assert_eq!(Users::default().take(&scene.home, &group("one"), BEFORE).unwrap(), one, "after a restart");
    }

    #[test]
    fn a_folder_that_was_copied_does_not_make_two_groups_one_user() {
        let scene = Scene::new(&["one", "two"]);
        let one = Users::default().take(&scene.home, &group("one"), BEFORE).unwrap();
        chown(scene.home.group_dir(&group("two")), Some(one), Some(one)).unwrap();
        let users = Users::default();
        assert_ne!(users.take(&scene.home, &group("two"), BEFORE).unwrap(), one);
        assert_eq!(users.take(&scene.home, &group("one"), BEFORE).unwrap(), one);
    }

    #[test]
    fn what_the_one_user_of_earlier_versions_made_changes_hands_and_nothing_else() {
        let scene = Scene::new(&["one"]);
        let folder = scene.home.group_dir(&group("one"));
        let outside = scene.home.data().join("outside");
        fs::write(&outside, "x").unwrap();
        chown(&outside, Some(BEFORE), Some(BEFORE)).unwrap();
        fs::create_dir(folder.join("made")).unwrap();
        fs::write(folder.join("made/file"), "x").unwrap();
        symlink(&outside, folder.join("made/link")).unwrap();
        fs::write(folder.join("owners"), "x").unwrap();
        for path in ["made", "made/file", "made/link", ""] {
            lchown(folder.join(path), Some(BEFORE), Some(BEFORE)).unwrap();
        }
        let uid = Users::default().take(&scene.home, &group("one"), BEFORE).unwrap();
        let owner = |path: &str| fs::symlink_metadata(folder.join(path)).unwrap().uid();
        assert_eq!(["made", "made/file", "made/link"].map(owner), [uid; 3]);
        assert_eq!((owner("owners"), fs::metadata(&outside).unwrap().uid()), (0, BEFORE));
    }
}
