//! A skill's folder, read completely: regular files with plain names, within limits.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use sha2::{Digest as _, Sha256};

/// The limits of a skill: number of files, bytes, depth and length of names.
const MOST_FILES: usize = 64;
const MOST_BYTES: usize = 1 << 20;
const DEEPEST: usize = 4;
const LONGEST_NAME: usize = 64;

/// A skill's files, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Vec<u8>>);

/// Identifies a skill's content: every path and every byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeHash([u8; 32]);

/// Why a folder is not a skill.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}", path = path.display())]
pub struct Unreadable {
    path: PathBuf,
    why: String,
}

impl Tree {
    /// Reads a folder. Its own path may contain links; nothing below it may be one.
    pub fn read(folder: &Path) -> Result<Self, Unreadable> {
        let root = std::fs::canonicalize(folder).map_err(|error| unreadable(folder, &error.to_string()))?;
        let open = openat(CWD, &root, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let open = open.map_err(|error| unreadable(folder, &format!("it is no folder that can be read: {error}")))?;
        let mut reading = Reading { root: folder, tree: Tree::default(), bytes: 0 };
        reading.folder(open.as_fd(), "", 0)?;
        Ok(reading.tree)
    }

    /// The tree of these files.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Tree(files.into_iter().map(|(path, content)| (path.to_owned(), content.to_owned())).collect())
    }

    /// All files with their paths, sorted.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// A file, if it exists.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// The hash of everything. Each part is preceded by its length, so that no two trees give the same input.
    pub fn hash(&self) -> TreeHash {
        let mut hasher = Sha256::new();
        for (path, content) in &self.0 {
            for part in [path.as_bytes(), content] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        TreeHash(hasher.finalize().into())
    }
}

impl TreeHash {
    /// Parses 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(TreeHash(hash))
    }

    /// Its prefix, enough to tell two apart on a screen.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

struct Reading<'a> {
    root: &'a Path,
    tree: Tree,
    bytes: usize,
}

impl Reading<'_> {
    fn folder(&mut self, here: BorrowedFd<'_>, above: &str, depth: usize) -> Result<(), Unreadable> {
        if depth > DEEPEST {
            return Err(
                self.wrong(above, &format!("a skill's folders are at most {DEEPEST} deep; put files further up"))
            );
        }
        let entries = Dir::read_from(here).map_err(|error| self.failed(above, error.into()))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.failed(above, error.into()))?;
            if [c".", c".."].contains(&entry.file_name()) {
                continue;
            }
            let shown = entry.file_name().to_string_lossy();
            let path = if above.is_empty() { shown.to_string() } else { format!("{above}/{shown}") };
            if !is_plain(entry.file_name().to_bytes()) {
                let why = format!(
                    "names in a skill are of letters, digits, - _ and ., begin with none of the signs but _, and are at \
                     most {LONGEST_NAME} long; rename it, or keep it elsewhere"
                );
                return Err(self.wrong(&path, &why));
            }
            let seen = statat(here, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let seen = seen.map_err(|error| self.failed(&path, error.into()))?;
            match FileType::from_raw_mode(seen.st_mode) {
                FileType::Directory => {
                    let below = openat(here, entry.file_name(), FOLDER | OFlags::NOFOLLOW, Mode::empty());
                    let below = below.map_err(|error| self.failed(&path, error.into()))?;
                    self.folder(below.as_fd(), &path, depth + 1)?;
                }
                FileType::RegularFile => {
                    let file = openat(here, entry.file_name(), FILE, Mode::empty());
                    let file = file.map_err(|error| self.failed(&path, error.into()))?;
                    self.file(File::from(file), path)?;
                }
                FileType::Symlink => {
                    return Err(
                        self.wrong(&path, "it is a link, and none is followed; put a copy of what it leads to there")
                    );
                }
                _ => return Err(self.wrong(&path, "it is neither a file nor a folder; remove it")),
            }
        }
        Ok(())
    }

    fn file(&mut self, file: File, path: String) -> Result<(), Unreadable> {
        // Another file may be there by now.
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(self.wrong(&path, "it is no regular file; remove it"));
        }
        let (room, mut content) = (MOST_BYTES - self.bytes, Vec::new());
        file.take(room as u64 + 1).read_to_end(&mut content).map_err(|error| self.failed(&path, error))?;
        if content.len() > room || self.tree.0.len() == MOST_FILES {
            let most = MOST_BYTES >> 20;
            let why = format!(
                "a skill has at most {MOST_FILES} files and {most} MiB in all; leave out what its agent does not need"
            );
            return Err(self.wrong(&path, &why));
        }
        self.bytes += content.len();
        self.tree.0.insert(path, content);
        Ok(())
    }

    fn failed(&self, path: &str, error: io::Error) -> Unreadable {
        self.wrong(path, &format!("it cannot be read: {error}"))
    }

    fn wrong(&self, path: &str, why: &str) -> Unreadable {
        unreadable(&self.root.join(path), why)
    }
}

fn unreadable(path: &Path, why: &str) -> Unreadable {
    Unreadable { path: path.to_owned(), why: why.to_owned() }
}

fn is_plain(name: &[u8]) -> bool {
    let begins = name.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let of_signs = name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    begins && of_signs && name.len() <= LONGEST_NAME
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn refused(make: impl FnOnce(&Path)) -> String {
        let scene = tempfile::tempdir().unwrap();
        let folder = scene.path().join("skill");
        fs::create_dir(&folder).unwrap();
        make(&folder);
        Tree::read(&folder).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_its_files() {
        let scene = tempfile::tempdir().unwrap();
        fs::create_dir(scene.path().join("scripts")).unwrap();
        fs::write(scene.path().join("SKILL.md"), "a").unwrap();
        fs::write(scene.path().join("scripts/get.py"), "b").unwrap();
        let tree = Tree::read(scene.path()).unwrap();
        assert_eq!(tree.files().map(|(path, _)| path).collect::<Vec<_>>(), ["SKILL.md", "scripts/get.py"]);
        assert_eq!(tree, Tree::of([("scripts/get.py", &b"b"[..]), ("SKILL.md", b"a")]));
        assert_eq!(TreeHash::parse(&tree.hash().to_string()), Some(tree.hash()));
        assert_eq!(TreeHash::parse("../../etc/passwd"), None);
    }

    /// Different contents have different hashes: no byte and no name can change unnoticed.
    #[test]
    fn every_name_and_byte_counts() {
        let of = |files: &[(&str, &str)]| Tree::of(files.iter().map(|(path, text)| (*path, text.as_bytes()))).hash();
        let all = [
            of(&[]),
            of(&[("a", "")]),
            of(&[("a", "b")]),
            of(&[("ab", "")]),
            of(&[("a", ""), ("b", "")]),
            of(&[("a", "b"), ("c", "d")]),
            of(&[("a", "bc"), ("d", "")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn links_odd_names_and_too_much_are_refused_with_their_place() {
        let linked = refused(|folder| symlink("/etc/passwd", folder.join("notes.md")).unwrap());
        assert!(linked.contains("notes.md: it is a link, and none is followed"), "{linked}");
        let folders = refused(|folder| symlink("/etc", folder.join("scripts")).unwrap());
        assert!(folders.contains("scripts: it is a link"), "{folders}");
        for name in [".git", "-rf", "a b", "a\nb", "a\u{202e}b", &"n".repeat(65)] {
            let odd = refused(|folder| fs::write(folder.join(name), "").unwrap());
            assert!(odd.contains("names in a skill are"), "{odd}");
        }
        let many = refused(|folder| (0..65).for_each(|at| fs::write(folder.join(format!("f{at}")), "").unwrap()));
        assert!(many.contains("at most 64 files and 1 MiB"), "{many}");
        let large = refused(|folder| fs::write(folder.join("big"), vec![b'x'; MOST_BYTES + 1]).unwrap());
        assert!(large.contains("big: a skill has at most"), "{large}");
        let deep = refused(|folder| fs::create_dir_all(folder.join("1/2/3/4/5")).unwrap());
        assert!(deep.contains("at most 4 deep"), "{deep}");
        let pipe = refused(|folder| {
            rustix::fs::mknodat(CWD, folder.join("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
        });
        assert!(pipe.contains("pipe: it is neither a file nor a folder"), "{pipe}");
    }
}
