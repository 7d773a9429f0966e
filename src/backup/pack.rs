//! The archive inside: a gzipped tar. A file that changes while it is read still takes the announced number of bytes.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FileType, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::{BackupError, at};
use crate::sandboxes::walk::{Found, walk};
use crate::store;

/// A sparse file takes less room than its size, as one does that its file system compresses. One of at least so many
/// bytes, and so many times the room that it takes, is left out: all its holes would be written as zeros.
const HOLLOW: [(u64, u64); 2] = [(1 << 20, 16), (64 << 20, 4)];

/// How many further names a file gets before it is saved once more: ext4 has 65,000 names for a file, and XFS many more.
const MOST_NAMES: u32 = 10_000;

/// The most bytes of names that are kept for files with several.
const MOST_KEPT: usize = 64 << 20;

/// An archive being written.
pub(super) struct Pack<W: Write> {
    tar: Builder<GzEncoder<W>>,
    /// How many files it contains.
    pub(super) files: u64,
    /// What is missing from it, with the reasons.
    pub(super) left: Vec<String>,
    /// The names that an agent's folder has shown so far: a changing folder may show one twice.
    seen: Seen,
    /// The first names of a group's files that have several.
    linked: Linked,
}

/// By inode. Only within one group: no file is two groups'.
#[derive(Default)]
struct Linked {
    group: PathBuf,
    /// With how many more there were.
    names: HashMap<(u64, u64), (PathBuf, u32)>,
    kept: usize,
}

impl Linked {
    /// The first name of a file, if this is a further one.
    fn first(&mut self, group: &Path, name: &Path, file: &Metadata) -> Result<Option<PathBuf>, &'static str> {
        if self.group != group {
            *self = Linked { group: group.to_owned(), ..Linked::default() };
        }
        let inode = (file.dev(), file.ino());
        if let Some((first, more)) = self.names.get_mut(&inode).filter(|(_, more)| *more < MOST_NAMES) {
            *more += 1;
            return Ok(Some(first.clone()));
        }
        self.kept += name.as_os_str().len();
        if self.kept > MOST_KEPT {
            return Err("is one of too many files with several names");
        }
        self.names.insert(inode, (name.to_owned(), 0));
        Ok(None)
    }
}

/// Names by hash, so that a million fit.
#[derive(Default)]
struct Seen {
    hashes: RandomState,
    folders: HashSet<u64>,
    others: HashSet<u64>,
}

impl Seen {
    fn hash(&self, name: &Path) -> u64 {
        self.hashes.hash_one(name)
    }

    /// Whether a name is new, and its parent was a folder when that was reached.
    fn takes(&mut self, name: &Path, is_folder: bool) -> bool {
        let (hash, above) = (self.hash(name), name.parent().map(|above| self.hash(above)));
        let is_new = !self.folders.contains(&hash) && !self.others.contains(&hash);
        let takes = is_new && above.is_some_and(|above| self.folders.contains(&above));
        if takes {
            if is_folder { &mut self.folders } else { &mut self.others }.insert(hash);
        }
        takes
    }
}

/// The metadata for an entry's header.
struct Entry {
    kind: EntryType,
    mode: u32,
    owner: (u32, u32),
    changed: u64,
    size: u64,
}

impl<W: Write> Pack<W> {
    pub(super) fn new(output: W) -> Self {
        Pack {
            tar: Builder::new(GzEncoder::new(output, Compression::default())),
            files: 0,
            left: Vec::new(),
            seen: Seen::default(),
            linked: Linked::default(),
        }
    }

    /// Writes the end.
    pub(super) fn finish(self) -> io::Result<W> {
        self.tar.into_inner()?.finish()
    }

    /// Adds bytes of our own.
    pub(super) fn text(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let entry =
            Entry { kind: EntryType::Regular, mode: 0o600, owner: (0, 0), changed: 0, size: bytes.len() as u64 };
        self.append(Path::new(name), &entry, bytes)
    }

    /// Adds a file of the owner's, or a folder with its content. Links are followed: the owner made them.
    pub(super) fn owners(&mut self, from: &Path, name: &Path) -> Result<(), BackupError> {
        let found = std::fs::metadata(from).map_err(at(from))?;
        let mut entry = Entry {
            kind: EntryType::Directory,
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            changed: found.mtime().max(0).unsigned_abs(),
            size: 0,
        };
        if found.is_file() {
            (entry.kind, entry.size) = (EntryType::Regular, found.len());
            return self.append(name, &entry, File::open(from).map_err(at(from))?);
        }
        if !found.is_dir() {
            return self.leave(name, "is no file");
        }
        self.append(name, &entry, io::empty())?;
        for below in sorted(from)? {
            self.owners(&from.join(&below), &name.join(&below))?;
        }
        Ok(())
    }

    /// Adds a database, or a program's folder with databases in it.
    pub(super) fn databases(&mut self, from: &Path, name: &Path, aside: &Path) -> Result<(), BackupError> {
        if from.is_dir() {
            for below in sorted(from)? {
                if !store::is_beside_a_database(&below) {
                    self.databases(&from.join(&below), &name.join(&below), aside)?;
                }
            }
            return Ok(());
        }
        if !store::is_a_database(from) {
            return self.owners(from, name);
        }
        let copy = aside.join("copy.db");
        store::copy_database(from, &copy)?;
        self.owners(&copy, name)?;
        std::fs::remove_file(&copy).map_err(at(&copy))
    }

    /// Adds a folder that an agent may change meanwhile.
    pub(super) fn agents(&mut self, root: &Path, name: &Path) -> Result<(), BackupError> {
        let found = std::fs::metadata(root).map_err(at(root))?;
        let entry = Entry {
            kind: EntryType::Directory,
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            changed: 0,
            size: 0,
        };
        self.append(name, &entry, io::empty())?;
        let hash = self.seen.hash(name);
        self.seen.folders.insert(hash);
        let mut failed = None;
        let unseen = walk(root, |found| match self.found(name, &found) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) => {
                failed = Some(error);
                Ok(ControlFlow::Break(()))
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if unseen.map_err(at(root))?.is_some() {
            self.left.push(format!("folders in {} that lie too deep or are closed to you", name.display()));
        }
        Ok(())
    }

    fn found(&mut self, root: &Path, found: &Found<'_>) -> Result<(), BackupError> {
        let name = root.join(found.parent).join(OsStr::from_bytes(found.name.to_bytes()));
        let stat = found.stat;
        let mut entry = Entry {
            kind: EntryType::Directory,
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            changed: u64::try_from(stat.st_mtime).unwrap_or(0),
            size: 0,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !self.seen.takes(&name, kind == FileType::Directory) {
            return Ok(());
        }
        match kind {
            FileType::Directory => self.append(&name, &entry, io::empty()),
            FileType::Symlink => match readlinkat(found.here, found.name, Vec::new()) {
                Ok(target) => {
                    entry.kind = EntryType::Symlink;
                    self.link(&name, &entry, Path::new(OsStr::from_bytes(target.to_bytes())))
                }
                Err(_) => self.leave(&name, "changed meanwhile"),
            },
            FileType::RegularFile => {
                // It may be something else by now: a pipe must not block us.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = match openat(found.here, found.name, flags, Mode::empty()) {
                    Ok(file) => File::from(file),
                    Err(Errno::ACCESS | Errno::PERM) => return self.leave(&name, "is closed to you"),
                    Err(_) => return self.leave(&name, "changed meanwhile"),
                };
                let now = file.metadata().map_err(at(&name))?;
                if !now.is_file() {
                    return self.leave(&name, "changed meanwhile");
                }
                let hollow =
                    |(least, times): (u64, u64)| now.len() > least.max(now.blocks().saturating_mul(times * 512));
                if HOLLOW.into_iter().any(hollow) {
                    return self.leave(&name, "is almost all holes");
                }
                if now.nlink() > 1
                    && let Some(group) = found.parent.iter().next()
                {
                    match self.linked.first(&root.join(group), &name, &now) {
                        Ok(Some(first)) => {
                            entry.kind = EntryType::Link;
                            return self.link(&name, &entry, &first);
                        }
                        Ok(None) => {}
                        Err(why) => return self.leave(&name, why),
                    }
                }
                (entry.kind, entry.size) = (EntryType::Regular, now.len());
                self.append(&name, &entry, file)
            }
            _ => Ok(()),
        }
    }

    fn link(&mut self, name: &Path, entry: &Entry, target: &Path) -> Result<(), BackupError> {
        let mut header = header(entry);
        self.files += 1;
        self.tar.append_link(&mut header, name, target).map_err(BackupError::Output)
    }

    fn append(&mut self, name: &Path, entry: &Entry, content: impl Read) -> Result<(), BackupError> {
        self.files += u64::from(entry.kind == EntryType::Regular);
        // Later growth does not count, and missing bytes are zeros.
        let content = content.chain(io::repeat(0)).take(entry.size);
        self.tar.append_data(&mut header(entry), name, content).map_err(BackupError::Output)
    }

    fn leave(&mut self, name: &Path, why: &str) -> Result<(), BackupError> {
        self.left.push(format!("{} {why}", name.display()));
        Ok(())
    }
}

fn header(entry: &Entry) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry.kind);
    // Without set-user-id and the like: whoever restores it may be root.
    header.set_mode(entry.mode & 0o777);
    header.set_uid(entry.owner.0.into());
    header.set_gid(entry.owner.1.into());
    header.set_mtime(entry.changed);
    header.set_size(entry.size);
    header
}

/// The sorted names in a folder of the owner's.
pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let names = std::fs::read_dir(folder).and_then(|all| all.map(|entry| Ok(entry?.file_name().into())).collect());
    let mut names: Vec<PathBuf> = names.map_err(at(folder))?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is restored must fit where a file has few names.
    #[test]
    fn a_file_of_very_many_names_is_saved_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("file")).unwrap().metadata().unwrap();
        let (mut linked, group) = (Linked::default(), Path::new("one"));
        let mut first = |number: u32| linked.first(group, Path::new(&number.to_string()), &file).unwrap();
        assert_eq!(first(0), None);
        assert!((1..=MOST_NAMES).all(|number| first(number) == Some(PathBuf::from("0"))));
        let again = MOST_NAMES + 1;
        assert_eq!((first(again), first(again + 1)), (None, Some(PathBuf::from(again.to_string()))));
    }

    #[test]
    fn a_name_counts_once_and_only_in_a_folder() {
        let mut seen = Seen::default();
        seen.folders.insert(seen.hash(Path::new("root")));
        let mut takes = |name: &str, is_folder| seen.takes(Path::new(name), is_folder);
        assert!(takes("root/a", false) && !takes("root/a", true), "a file that has become a folder");
        assert!(!takes("root/a/b", false), "what is in it");
        assert!(takes("root/c", true) && takes("root/c/d", false) && !takes("root/c", true));
    }
}
