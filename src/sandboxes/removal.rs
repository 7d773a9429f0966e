//! Removes a folder that an agent has filled. It follows no link, leaves what is mounted, and takes the same few
//! descriptors and the same stack however deep the folder is.

use std::fs::{self, Permissions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::ffi::CStr;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, fstat, openat, openat2, seek, unlinkat,
};
use rustix::io::Errno;

/// A folder is gone through again if something is in it that was not seen: some file systems skip entries while others
/// are removed. Where somebody still writes, this ends it.
const MOST_REPEATS: u32 = 10_000;

/// What is looked up neither follows a link nor leaves the file system.
const PLAINLY: ResolveFlags = ResolveFlags::NO_XDEV.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens a folder without reading it: nobody need be allowed to.
const NAMED: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Removes a folder with all that is in it, or a file. What cannot be removed stays, with the first reason, and the
/// rest goes. The path itself is the daemon's own.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    empty(openat(CWD, path, NAMED, Mode::empty())?)?;
    fs::remove_dir(path)
}

/// A folder on the way down.
struct Level {
    inode: (u64, u64),
    /// Where its next entry is read.
    at: u64,
    /// Whether something of it was removed.
    progress: bool,
    /// Whether something in it stays.
    stays: bool,
}

impl Level {
    fn of(folder: &OwnedFd) -> io::Result<Self> {
        let found = fstat(folder)?;
        Ok(Level { inode: (found.st_dev, found.st_ino), at: 0, progress: false, stays: false })
    }
}

/// Where to go next.
enum Step {
    Down(OwnedFd),
    Up,
}

struct Emptying {
    levels: Vec<Level>,
    /// The folder that was left last.
    left: Option<Level>,
    failed: Option<io::Error>,
    repeats: u32,
}

fn empty(root: OwnedFd) -> io::Result<()> {
    let mut here = opened(&root)?;
    drop(root);
    let mut emptying = Emptying { levels: vec![Level::of(&here)?], left: None, failed: None, repeats: 0 };
    while let Some(mut level) = emptying.levels.pop() {
        match emptying.step(&here, &mut level)? {
            Step::Down(below) => {
                emptying.levels.extend([level, Level::of(&below)?]);
                here = below;
            }
            Step::Up => {
                if let Some(above) = emptying.levels.last_mut() {
                    above.stays |= level.stays;
                    here = parent(&here, above)?;
                } else if emptying.may_repeat(&level) {
                    emptying.levels.push(Level::of(&here)?);
                    continue;
                }
                emptying.left = Some(level);
            }
        }
    }
    emptying.failed.map_or(Ok(()), Err)
}

impl Emptying {
    /// Removes what is in a folder up to the first folder that is not empty.
    fn step(&mut self, here: &OwnedFd, level: &mut Level) -> io::Result<Step> {
        seek(here, SeekFrom::Start(level.at))?;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(here, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if ![c".", c".."].contains(&name) {
                match remove(here, name, entry.file_type()) {
                    // It is looked at again, and removed, when it has been emptied.
                    Err(Errno::NOTEMPTY | Errno::EXIST) => match self.enter(here, name) {
                        Ok(below) => return Ok(Step::Down(below)),
                        Err(error) => self.leave(level, error),
                    },
                    Err(error) => self.leave(level, error.into()),
                    Ok(()) => level.progress = true,
                }
            }
            level.at = entry.next_entry_cookie();
        }
        Ok(Step::Up)
    }

    fn enter(&mut self, here: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
        let below = opened(&openat2(here, name, NAMED, Mode::empty(), PLAINLY)?)?;
        let inode = Level::of(&below)?.inode;
        match self.left.take().filter(|left| left.inode == inode) {
            Some(left) if !self.may_repeat(&left) => Err(Errno::NOTEMPTY.into()),
            _ => Ok(below),
        }
    }

    fn may_repeat(&mut self, left: &Level) -> bool {
        self.repeats += 1;
        left.progress && !left.stays && self.repeats <= MOST_REPEATS
    }

    fn leave(&mut self, level: &mut Level, error: io::Error) {
        level.stays = true;
        self.failed.get_or_insert(error);
    }
}

fn remove(here: &OwnedFd, name: &CStr, kind: FileType) -> rustix::io::Result<()> {
    let gone = match kind {
        FileType::Directory => Err(Errno::ISDIR),
        _ => unlinkat(here, name, AtFlags::empty()),
    };
    match gone {
        Err(Errno::ISDIR) => unlinkat(here, name, AtFlags::REMOVEDIR),
        gone => gone,
    }
    .or_else(|error| if error == Errno::NOENT { Ok(()) } else { Err(error) })
}

/// Opens a folder for reading. One that is closed to its own user is opened to it first: by its descriptor, whatever
/// stands under its name by now.
fn opened(named: &OwnedFd) -> io::Result<OwnedFd> {
    let found = fstat(named)?;
    let closed = !Mode::from_raw_mode(found.st_mode).contains(Mode::RWXU);
    if closed && found.st_uid == rustix::process::geteuid().as_raw() {
        fs::set_permissions(format!("/proc/self/fd/{}", named.as_raw_fd()), Permissions::from_mode(0o700))?;
    }
    Ok(openat(named, c".", READ, Mode::empty())?)
}

/// The folder above, if it is still the one that we came through.
fn parent(here: &OwnedFd, above: &Level) -> io::Result<OwnedFd> {
    let parent = openat2(here, c"..", READ, Mode::empty(), PLAINLY)?;
    match Level::of(&parent)?.inode == above.inode {
        true => Ok(parent),
        false => Err(io::Error::other("a folder in it was moved meanwhile")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::thread;

    use rustix::fs::mkdirat;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::*;

    struct Scene {
        scene: tempfile::TempDir,
        folder: PathBuf,
    }

    impl Scene {
        fn new() -> Self {
            let scene = tempfile::tempdir().unwrap();
            let folder = scene.path().join("folder");
            fs::create_dir(&folder).unwrap();
            Scene { scene, folder }
        }

        fn outside(&self, name: &str) -> PathBuf {
            self.scene.path().join(name)
        }

        /// Removes it as a user for whom modes count, whoever runs the tests, on a small stack.
        fn remove(&self) -> io::Result<()> {
            let folder = self.folder.clone();
            let removing = thread::Builder::new().stack_size(64 << 10).spawn(move || {
                let mut sets = capabilities(None).unwrap();
                sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
                set_capabilities(None, sets).unwrap();
                remove_all(&folder)
            });
            removing.unwrap().join().unwrap()
        }
    }

    fn deepen(folder: &Path, levels: usize) {
        let mut here = openat(CWD, folder, READ, Mode::empty()).unwrap();
        for level in 0..levels {
            mkdirat(&here, "d", Mode::RWXU).unwrap();
            if level % 100 == 0 {
                mkdirat(&here, "beside", Mode::RWXU).unwrap();
            }
            here = openat(&here, "d", READ, Mode::empty()).unwrap();
        }
    }

    fn close(folder: &Path) {
        fs::set_permissions(folder, Permissions::from_mode(0o000)).unwrap();
    }

    #[test]
    fn a_folder_of_any_depth_is_removed_with_few_descriptors_and_a_small_stack() {
        let scene = Scene::new();
        deepen(&scene.folder, 6_000);
        fs::write(scene.outside("beside"), "stays").unwrap();
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..before }).unwrap();
        let removed = scene.remove();
        setrlimit(Resource::Nofile, before).unwrap();
        removed.unwrap();
        assert!(!scene.folder.exists() && scene.outside("beside").exists());
    }

    #[test]
    fn a_folder_of_any_mode_is_removed() {
        let scene = Scene::new();
        fs::create_dir_all(scene.folder.join("closed/within")).unwrap();
        fs::write(scene.folder.join("closed/within/file"), "x").unwrap();
        close(&scene.folder.join("closed/within"));
        close(&scene.folder.join("closed"));
        close(&scene.folder);
        scene.remove().unwrap();
        assert!(!scene.folder.exists());
    }

    #[test]
    fn no_link_is_followed_to_what_is_removed() {
        let scene = Scene::new();
        let outside = scene.outside("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        close(&outside);
        fs::create_dir(scene.folder.join("in")).unwrap();
        symlink(&outside, scene.folder.join("in/link")).unwrap();
        symlink("..", scene.folder.join("up")).unwrap();
        scene.remove().unwrap();
        assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0, "it was opened");
        fs::set_permissions(&outside, Permissions::from_mode(0o700)).unwrap();
        assert!(!scene.folder.exists() && outside.join("secret").exists());
        symlink(&outside, &scene.folder).unwrap();
        scene.remove().unwrap();
        assert!(scene.folder.symlink_metadata().is_err() && outside.join("secret").exists());
    }

    /// More than one read of a folder gives, with folders between that are left and come back to.
    #[test]
    fn wide_folders_are_emptied() {
        let scene = Scene::new();
        for number in 0..2000 {
            fs::create_dir_all(scene.folder.join(format!("{number}/a/b"))).unwrap();
            fs::write(scene.folder.join(format!("{number}/a/file")), "x").unwrap();
            fs::write(scene.folder.join(format!("file-{number}")), "x").unwrap();
        }
        scene.remove().unwrap();
        assert!(!scene.folder.exists());
    }

    #[test]
    fn what_cannot_be_removed_is_told_and_keeps_nothing_else() {
        assert!(rustix::process::geteuid().is_root(), "`make test` runs as root: only root gives folders away");
        let scene = Scene::new();
        let theirs = scene.folder.join("b/theirs");
        for name in ["a/x", "b/theirs/x", "b/y", "c/x"] {
            fs::create_dir_all(scene.folder.join(name)).unwrap();
        }
        close(&theirs);
        std::os::unix::fs::chown(&theirs, Some(12345), Some(12345)).unwrap();
        let error = scene.remove().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        let left = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let (all, inner): (Vec<_>, Vec<_>) = (left(&scene.folder), left(&scene.folder.join("b")));
        assert_eq!((all, inner), (vec!["b".into()], vec!["theirs".into()]));
    }

    #[test]
    fn what_is_mounted_in_it_stays() {
        assert!(rustix::process::geteuid().is_root(), "`make test` runs as root: only root mounts");
        let scene = Scene::new();
        let (disk, place) = (scene.outside("disk"), scene.folder.join("in/place"));
        fs::create_dir_all(&place).unwrap();
        fs::create_dir(&disk).unwrap();
        fs::write(disk.join("file"), "x").unwrap();
        rustix::mount::mount_bind(&disk, &place).unwrap();
        let removed = remove_all(&scene.folder);
        rustix::mount::unmount(&place, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert_eq!(removed.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        assert!(disk.join("file").exists());
    }
}
