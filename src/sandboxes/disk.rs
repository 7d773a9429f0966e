//! How much a group's folders hold, against their bound. This needs neither file system quotas nor privileges: the
//! folders are walked.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, statvfs};

use super::walk::{Unseen, walk};

/// How much a group's folders may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

/// How much they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// A folder whose content was not measured: its own users see to that.
    pub(super) unseen: Option<Unseen>,
    /// Whether a process could not be looked at, or a folder not at all.
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
    /// Measures all folders together; the bytes of a file with two names count once, and each of its names counts.
    /// Stops early above the bound.
    pub(super) fn of(folders: &[PathBuf], bound: Bound) -> io::Result<Self> {
        let (mut usage, mut twice) = (Usage::default(), BTreeSet::new());
        for folder in folders {
            let unseen = walk(folder, |found| {
                let stat = found.stat;
                usage.files += 1;
                let file = FileType::from_raw_mode(stat.st_mode) != FileType::Directory;
                if !file || stat.st_nlink == 1 || twice.insert((stat.st_dev, stat.st_ino)) {
                    // Allocated blocks: a sparse file's holes take none.
                    usage.bytes += stat.st_blocks.unsigned_abs() * 512;
                }
                Ok(if usage.over(bound) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
            usage.unseen = match unseen {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(Unseen::Closed(PathBuf::new())),
                unseen => unseen?,
            };
            if usage.over(bound) {
                break;
            }
        }
        Ok(usage)
    }

    /// What cannot be measured has no bound.
    pub(super) fn over(&self, bound: Bound) -> bool {
        self.bytes > bound.bytes || self.files > bound.files || self.unseen.is_some()
    }

    /// The growth since then, in thousandths of the reserve: bytes or files, whichever is more. What is hidden counts
    /// as more than any growth that was measured.
    pub(super) fn growth(&self, since: &Usage, reserve: Bound) -> u64 {
        if self.hidden || self.unseen.is_some() {
            return u64::MAX;
        }
        more((self.bytes, self.files), (since.bytes, since.files), reserve)
    }
}

/// How much more bytes or files there are, in thousandths of the reserve.
fn more(now: (u64, u64), before: (u64, u64), reserve: Bound) -> u64 {
    let parts = |now: u64, before: u64, of: u64| now.saturating_sub(before).saturating_mul(1000) / of.max(1);
    parts(now.0, before.0, reserve.bytes).max(parts(now.1, before.1, reserve.files))
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

    /// How much less there is than before, in thousandths of the reserve.
    pub(super) fn lost(&self, before: &Room) -> u64 {
        more((before.bytes, before.files), (self.bytes, self.files), self.reserve)
    }

    /// The most of both: space freed meanwhile must not hide what is written next.
    pub(super) fn or_more(self, before: &Room) -> Room {
        Room { bytes: self.bytes.max(before.bytes), files: self.files.max(before.files), ..self }
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
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

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
        assert_eq!((usage.files, &usage.unseen), (4, &None), "each name is one more entry to walk over");
        assert!((1 << 20..2 << 20).contains(&usage.bytes), "{usage:?}");
        assert!(!usage.over(PLENTY) && usage.over(Bound { files: 3, ..PLENTY }));
        assert!(usage.over(Bound { bytes: 1 << 20, ..PLENTY }) || usage.bytes == 1 << 20);
    }

    #[test]
    fn of_two_the_one_that_grew_more_is_known() {
        let reserve = Bound { bytes: 1000, files: 100 };
        let usage = |bytes, files| Usage { bytes, files, ..Usage::default() };
        let before = usage(500, 50);
        assert_eq!(usage(600, 50).growth(&before, reserve), 100);
        assert_eq!(usage(600, 80).growth(&before, reserve), 300, "files run out first");
        assert_eq!(usage(0, 0).growth(&before, reserve), 0);
        let hidden = Usage { hidden: true, ..before };
        assert_eq!(hidden.growth(&hidden, reserve), u64::MAX, "whatever was hidden before");
    }

    #[test]
    fn a_walk_over_many_names_of_one_file_ends_at_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "x").unwrap();
        (0..500).for_each(|number| fs::hard_link(at("one"), at(&format!("again-{number}"))).unwrap());
        let bound = Bound { files: 100, ..PLENTY };
        let usage = Usage::of(&[folder.path().to_owned()], bound).unwrap();
        assert_eq!((usage.files, usage.over(bound)), (101, true));
    }

    /// As a user for whom modes count, whoever runs the tests.
    #[test]
    fn what_is_not_seen_is_over_every_bound() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let usage = || {
            let folders = [folder.path().to_owned()];
            std::thread::scope(|scope| {
                let looking = scope.spawn(|| {
                    let mut sets = capabilities(None).unwrap();
                    sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
                    set_capabilities(None, sets).unwrap();
                    Usage::of(&folders, PLENTY)
                });
                looking.join().unwrap().unwrap()
            })
        };
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/file"), "x").unwrap();
        mode(&at("a"), 0o555);
        assert!(!usage().over(PLENTY), "one that cannot be written is seen");
        let closed = |path: &str| Some(Unseen::Closed(path.into()));
        for (path, bits, unseen) in [("a/b", 0, "a/b"), ("a", 0o600, "a"), ("a", 0, "a"), ("", 0, "")] {
            mode(&at(path), bits);
            let usage = usage();
            assert_eq!((&usage.unseen, usage.over(PLENTY)), (&closed(unseen), true), "{path} {bits:o}");
            mode(&at(path), 0o700);
        }
        mode(&at("a/b"), 0o700);
        fs::create_dir_all(at(&"d/".repeat(210))).unwrap();
        assert!(usage().over(PLENTY) && matches!(usage().unseen, Some(Unseen::Deep(_))));
    }

    #[test]
    fn sizes_are_as_people_write_them() {
        assert_eq!(Bound { bytes: 20_000_000_000, files: 7 }.to_string(), "at most 20.0 GB in 7 files");
        assert_eq!(size(1_550_000), "1.5 MB");
    }
}
