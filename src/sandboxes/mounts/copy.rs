//! A copy of a folder for one sandbox: regular files and folders, no links.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, openat};

use super::names::below;
use super::open::Inode;
use super::{Refused, refused};
use crate::sandboxes::walk::{Found, walk};

/// A copy is made at each start, so it is bounded.
const MOST_FILES: usize = 5000;
const MOST_BYTES: u64 = 256 << 20;

struct Copy<'a> {
    to: &'a Path,
    files: usize,
    bytes: u64,
}

/// Makes the copy; returns its path and inode.
pub(super) fn make(from: &OwnedFd, to: &Path) -> Result<(PathBuf, Inode), Refused> {
    let failed = |error: io::Error| {
        let fix = format!(
            "a copy holds at most {MOST_FILES} files and {} MiB; mount a part of it, or without copy = true",
            MOST_BYTES >> 20
        );
        refused(format!("no copy could be made: {error}"), fix)
    };
    folder(to).map_err(failed)?;
    let mut copy = Copy { to, files: 0, bytes: 0 };
    let root = format!("/proc/self/fd/{}", from.as_raw_fd());
    walk(Path::new(&root), |found| copy.entry(&found)).map_err(failed)?;
    let found = rustix::fs::stat(to).map_err(|error| failed(error.into()))?;
    Ok((to.to_owned(), (found.st_dev, found.st_ino)))
}

impl Copy<'_> {
    fn entry(&mut self, found: &Found<'_>) -> io::Result<ControlFlow<()>> {
        let to = below(self.to, found.parent, found.name.to_bytes());
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(io::Error::other("it holds too many files"));
        }
        match FileType::from_raw_mode(found.stat.st_mode) {
            FileType::Directory => folder(&to)?,
            FileType::RegularFile => self.file(found, &to)?,
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn file(&mut self, found: &Found<'_>, to: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let from = File::from(openat(found.here, found.name, flags, Mode::empty())?);
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o644).open(to)?;
        let room = MOST_BYTES.saturating_sub(self.bytes) + 1;
        self.bytes += io::copy(&mut from.take(room), &mut made)?;
        if self.bytes > MOST_BYTES {
            return Err(io::Error::other("it holds too much"));
        }
        let executable = found.stat.st_mode & 0o111 != 0;
        made.set_permissions(Permissions::from_mode(if executable { 0o755 } else { 0o644 }))
    }
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o755))
}
