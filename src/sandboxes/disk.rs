//! How much a group's folders hold, against their bound. This needs neither file system quotas nor privileges: the
//! folders are walked.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, statvfs};

use super::walk::walk;

/// How much a group's folders may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

/// How much they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// Whether something could not be read.
    pub(super) hidden: bool,
}

/// The free space of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) bytes: u64,
    pub(super) files: u64,
    pub(super) reserve: Bound,
}

impl Usage {
    /// Measures all folders together; a file with two names counts once. Stops early above the bound.
    pub(super) fn of(folders: &[PathBuf], bound: Bound) -> io::Result<Self> {
        let (mut usage, mut twice) = (Usage::default(), BTreeSet::new());
        for folder in folders {
            let whole = walk(folder, |found| {
                let stat = found.stat;
                let file = FileType::from_raw_mode(stat.st_mode) != FileType::Directory;
                if file && stat.st_nlink > 1 && !twice.insert((stat.st_dev, stat.st_ino)) {
                    return Ok(ControlFlow::Continue(()));
                }
                usage.files += 1;
                // Allocated blocks: a sparse file's holes take none.
                usage.bytes += stat.st_blocks.unsigned_abs() * 512;
                Ok(if usage.over(bound) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            usage.hidden |= !whole;
            if usage.over(bound) {
                break;
            }
        }
        Ok(usage)
    }

    pub(super) fn over(&self, bound: Bound) -> bool {
        self.bytes > bound.bytes || self.files > bound.files
    }

    /// The growth since then, in thousandths of the reserve: bytes or files, whichever is more. Unreadable folders
    /// count as more than any readable growth.
    pub(super) fn growth(&self, since: &Usage, reserve: Bound) -> u64 {
        if self.hidden && !since.hidden {
            return u64::MAX;
        }
        let parts = |now: u64, before: u64, of: u64| now.saturating_sub(before).saturating_mul(1000) / of.max(1);
        parts(self.bytes, since.bytes, reserve.bytes).max(parts(self.files, since.files, reserve.files))
    }
}

impl Room {
    /// Below the reserve the log will soon be unable to write; it then shuts every door.
    pub(super) fn on_disk_of(folder: &Path) -> io::Result<Self> {
        let disk = statvfs(folder)?;
        let part = |whole: u64, most: u64| (whole / 20).min(most);
        let (bytes, size) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
        // If the file system does not count files, they are unlimited.
        let files = if disk.f_files == 0 { u64::MAX } else { disk.f_favail };
        let reserve = Bound { bytes: part(size, 1 << 30), files: part(disk.f_files, 20_000) };
        Ok(Room { bytes, files, reserve })
    }

    pub(super) fn is_short(&self) -> bool {
        self.bytes < self.reserve.bytes || self.files < self.reserve.files
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} in {} files", size(self.bytes), self.files)
    }
}

/// `20.0 GB`.
fn size(bytes: u64) -> String {
    let (tenths, unit) = if bytes >= 1_000_000_000 { (bytes / 100_000_000, "GB") } else { (bytes / 100_000, "MB") };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File};
    use std::io::Write as _;

    use super::*;

    const PLENTY: Bound = Bound { bytes: u64::MAX, files: u64::MAX };

    #[test]
    fn what_is_on_the_disk_is_counted_once_and_holes_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("a")).unwrap();
        File::create(at("a/full")).unwrap().write_all(&vec![1; 1 << 20]).unwrap();
        File::create(at("hole")).unwrap().set_len(1 << 40).unwrap();
        fs::hard_link(at("a/full"), at("again")).unwrap();
        let usage = Usage::of(&[folder.path().to_owned()], PLENTY).unwrap();
        assert_eq!((usage.files, usage.hidden), (3, false));
        assert!((1 << 20..2 << 20).contains(&usage.bytes), "{usage:?}");
        assert!(!usage.over(PLENTY) && usage.over(Bound { files: 2, ..PLENTY }));
        assert!(usage.over(Bound { bytes: 1 << 20, ..PLENTY }) || usage.bytes == 1 << 20);
    }

    #[test]
    fn of_two_the_one_that_grew_more_is_known() {
        let reserve = Bound { bytes: 1000, files: 100 };
        let usage = |bytes, files| Usage { bytes, files, hidden: false };
        let before = usage(500, 50);
        assert_eq!(usage(600, 50).growth(&before, reserve), 100);
        assert_eq!(usage(600, 80).growth(&before, reserve), 300, "files run out first");
        assert_eq!(usage(0, 0).growth(&before, reserve), 0);
        assert_eq!(Usage { hidden: true, ..before }.growth(&before, reserve), u64::MAX);
    }

    #[test]
    fn sizes_are_as_people_write_them() {
        assert_eq!(Bound { bytes: 20_000_000_000, files: 7 }.to_string(), "at most 20.0 GB in 7 files");
        assert_eq!(size(1_550_000), "1.5 MB");
    }
}
