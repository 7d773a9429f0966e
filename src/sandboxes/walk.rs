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
const DEEPEST: usize = 200;

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

/// Visits everything below `root`; `each` may stop it. Returns whether everything was seen: not if something lies too
/// deep, or its own user may not read it.
pub(crate) fn walk(root: &Path, mut each: impl FnMut(Found<'_>) -> io::Result<ControlFlow<()>>) -> io::Result<bool> {
    // The root's path is the daemon's own; below it, links are not followed.
    let mut open = vec![Dir::new(openat(CWD, root, FOLDER, Mode::empty())?)?];
    let mut parent = PathBuf::new();
    let mut whole = true;
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
        let Some(stat) = seen(statat(here, name, AtFlags::SYMLINK_NOFOLLOW), &mut whole)? else { continue };
        if each(Found { here, parent: &parent, name, stat: &stat })?.is_break() {
            break;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            continue;
        }
        let below = seen(openat(here, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()), &mut whole)?;
        match below {
            Some(below) if open.len() < DEEPEST => {
                parent.push(OsStr::from_bytes(name.to_bytes()));
                open.push(Dir::new(below)?);
            }
            Some(_) => whole = false,
            None => {}
        }
    }
    Ok(whole)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Treats an entry that vanished or changed its type meanwhile as missing.
fn seen<T>(result: rustix::io::Result<T>, whole: &mut bool) -> io::Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(Errno::ACCESS | Errno::PERM) => {
            *whole = false;
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

    fn names(root: &Path) -> (Vec<String>, bool) {
        let mut names = Vec::new();
        let whole = walk(root, |found| {
            names.push(found.parent.join(found.name.to_str().unwrap()).to_str().unwrap().to_owned());
            Ok(ControlFlow::Continue(()))
        });
        names.sort();
        (names, whole.unwrap())
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
        assert_eq!(names(&root), (["a", "a/b", "a/b/up", "link"].map(String::from).into(), true));
        fs::create_dir_all(root.join("d/".repeat(DEEPEST + 5))).unwrap();
        let (deep, whole) = names(&root);
        assert!(!whole && deep.len() < DEEPEST + 10, "{}", deep.len());
    }
}
