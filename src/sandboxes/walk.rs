//! Walks an agent's folder while the agent may change it: follows no link, resolves no path twice from the top, and is
//! bounded in depth.

use std::ffi::{CStr, OsStr};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

/// The greatest depth: more than any tool's folders need, at few enough descriptors.
pub(crate) const DEEPEST: usize = 200;

/// An entry found by a walk.
pub(crate) struct Found<'a> {
    /// Its folder, open.
    pub(crate) here: BorrowedFd<'a>,
    /// The path of that folder from the root. For display only: it is never looked up.
    pub(crate) parent: &'a Path,
    /// Its name there.
    pub(crate) name: &'a CStr,
    /// Its metadata.
    pub(crate) stat: &'a Stat,
}

/// A folder below the root into which a walk did not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// It lies too deep.
    Deep(PathBuf),
    /// Its own user may not read it, or not look up what it lists.
    Closed(PathBuf),
}

/// Visits everything below `root`; `each` may stop it. Returns the first folder into which it did not see.
pub(crate) fn walk(
    root: &Path,
    mut each: impl FnMut(Found<'_>) -> io::Result<ControlFlow<()>>,
) -> io::Result<Option<Unseen>> {
    // The root's path is the daemon's own; below it, links are not followed.
    let mut open = vec![Dir::new(openat(CWD, root, FOLDER, Mode::empty())?)?];
    let mut parent = PathBuf::new();
    let mut unseen = None;
    while let Some(folder) = open.last_mut() {
        let Some(entry) = folder.read() else {
            open.pop();
            parent.pop();
            continue;
        };
        let entry = entry?;
        let (name, here) = (entry.file_name(), folder.fd()?);
        if [c".", c".."].contains(&name) {
            continue;
        }
        let Some(stat) = seen(statat(here, name, AtFlags::SYMLINK_NOFOLLOW), &mut unseen, || parent.clone())? else {
            continue;
        };
        if each(Found { here, parent: &parent, name, stat: &stat })?.is_break() {
            break;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            continue;
        }
        let path = || parent.join(OsStr::from_bytes(name.to_bytes()));
        let below = seen(openat(here, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()), &mut unseen, path)?;
        match below {
            Some(below) if open.len() < DEEPEST => {
                parent.push(OsStr::from_bytes(name.to_bytes()));
                open.push(Dir::new(below)?);
            }
            Some(_) => unseen = unseen.or_else(|| Some(Unseen::Deep(path()))),
            None => {}
        }
    }
    Ok(unseen)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Treats an entry that vanished or changed its type meanwhile as missing.
fn seen<T>(
    result: rustix::io::Result<T>,
    unseen: &mut Option<Unseen>,
    closed: impl FnOnce() -> PathBuf,
) -> io::Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(Errno::ACCESS | Errno::PERM) => {
            unseen.get_or_insert_with(|| Unseen::Closed(closed()));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(root: &Path) -> (Vec<String>, Option<Unseen>) {
        let mut names = Vec::new();
        let unseen = walk(root, |found| {
            names.push(found.parent.join(found.name.to_str().unwrap()).to_str().unwrap().to_owned());
            Ok(ControlFlow::Continue(()))
        });
        names.sort();
        (names, unseen.unwrap())
    }

    #[test]
    fn no_link_is_followed_and_depth_is_bounded() {
        let scene = tempfile::tempdir().unwrap();
        let (root, outside) = (scene.path().join("root"), scene.path().join("outside"));
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        symlink(&outside, root.join("link")).unwrap();
        symlink("..", root.join("a/b/up")).unwrap();
        assert_eq!(names(&root), (["a", "a/b", "a/b/up", "link"].map(String::from).into(), None));
        fs::create_dir_all(root.join("d/".repeat(DEEPEST + 5))).unwrap();
        let (deep, unseen) = names(&root);
        assert!(deep.len() < DEEPEST + 10, "{}", deep.len());
        assert_eq!(unseen, Some(Unseen::Deep("d/".repeat(DEEPEST).into())));
    }
}
