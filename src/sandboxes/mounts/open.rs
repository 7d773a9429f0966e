//! Opens a folder of the owner's without following a link anywhere in its path.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat2};
use rustix::io::Errno;

use super::{Refused, refused};

/// A device and an inode number.
pub(super) type Inode = (u64, u64);

/// An open folder, independent of its name.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    pub(super) inode: Inode,
}

/// Pseudo file systems of the kernel: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, devpts.
const OF_THE_KERNEL: [u64; 9] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0xcafe_4a11, 0x1cd1];

/// Opens `path`, which is `root` or below it.
pub(super) fn folder(root: &Path, path: &Path) -> Result<Opened, Refused> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let plainly = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let open = |root: &Path| openat2(CWD, root, flags, Mode::empty(), plainly);
    let root_fd = open(root).map_err(|error| failed(root, error))?;
    let below = path.strip_prefix(root).unwrap_or(path);
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let opened = openat2(&root_fd, below, flags, Mode::empty(), plainly | ResolveFlags::BENEATH);
    let fd = opened.map_err(|error| failed(path, error))?;
    let kind = fstatfs(&fd).map_err(|error| failed(path, error))?;
    if OF_THE_KERNEL.contains(&(kind.f_type as u64)) {
        return Err(refused("it is no folder on a disk, but the kernel's", "mount a folder with files"));
    }
    let found = fstat(&fd).map_err(|error| failed(path, error))?;
    Ok(Opened { fd, inode: (found.st_dev, found.st_ino) })
}

fn failed(path: &Path, error: Errno) -> Refused {
    match error {
        Errno::LOOP => {
            let links = path.ancestors().filter(|part| part.symlink_metadata().is_ok_and(|found| found.is_symlink()));
            let link = links.last().unwrap_or(path);
            let leads = std::fs::canonicalize(path).ok();
            let fix = match leads {
                Some(leads) => format!("write where it leads: path = \"{}\"", leads.display()),
                None => "write the folder's own path, without links".to_owned(),
            };
            refused(format!("{} is a symbolic link, and none is followed", link.display()), fix)
        }
        Errno::NOENT => refused("there is no such folder", "make it, or take the mount out"),
        Errno::NOTDIR => refused("it is no folder", "mount the folder that it is in"),
        Errno::XDEV => refused("it leads out of its root", "write the folder's own path"),
        Errno::NOSYS => refused(
            "this kernel cannot open a path without following links (openat2 is missing)",
            "use Linux 5.6 or newer, or take the mount out",
        ),
        error => refused(format!("it cannot be opened: {error}"), "let Doorward's user read it, or take the mount out"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn no_link_is_followed_wherever_it_stands() {
        let scene = tempfile::tempdir().unwrap();
        let top = scene.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("root/in/deep")).unwrap();
        symlink("in", top.join("root/link")).unwrap();
        symlink("/etc", top.join("root/out")).unwrap();
        symlink(top.join("root"), top.join("other")).unwrap();
        symlink("/proc/self/root", top.join("root/magic")).unwrap();
        fs::write(top.join("root/file"), "").unwrap();
        let opened = folder(&top.join("root"), &top.join("root/in/deep")).unwrap();
        assert_eq!(opened.inode.1, fs::metadata(top.join("root/in/deep")).unwrap().ino());
        assert!(folder(&top.join("root"), &top.join("root")).is_ok(), "the root itself");
        for (root, path, words) in [
            ("root", "root/link", "root/link is a symbolic link"),
            ("root", "root/link/deep", "root/link is a symbolic link"),
            ("root", "root/out", "root/out is a symbolic link"),
            ("root", "root/magic/etc", "root/magic is a symbolic link"),
            ("other", "other/in", "other is a symbolic link"),
            ("root", "root/file", "it is no folder"),
            ("root", "root/none", "there is no such folder"),
            ("root", "root/in/../../other", "is a symbolic link"),
        ] {
            let refused = folder(&top.join(root), &top.join(path)).unwrap_err();
            assert!(refused.why.contains(words) || refused.why.contains("leads out"), "{path}: {refused:?}");
        }
        let told = folder(&top.join("root"), &top.join("root/link")).unwrap_err();
        assert!(told.fix.contains("root/in\""), "it says where that leads: {told:?}");
    }

    #[test]
    fn the_kernels_own_are_no_folders() {
        for path in ["/proc/self", "/sys/kernel"] {
            // The first is a link made by the kernel.
            assert!(folder(Path::new("/"), Path::new(path)).is_err(), "{path}");
        }
        assert!(folder(Path::new("/"), Path::new("/proc")).unwrap_err().why.contains("the kernel's"));
    }
}
