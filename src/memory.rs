//! Memory: the files that an agent reads first. `CLAUDE.md` in its group's folder, which it may write, and the
//! owner's own for all groups, of which each sandbox gets a copy.
//!
//! What it is not: sessions, which are rows in the store.
//!
//! **Invariant**: no two sandboxes share a file (15). Each gets its own copy, of regular files only.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, symlink,
};
use std::path::{Path, PathBuf};

use policies::GroupName;
use rustix::fs::{Gid, OFlags, Uid};

/// The file that an agent reads.
const FILE: &str = "CLAUDE.md";

/// The name under which other agents look for it.
const ALIAS: &str = "AGENTS.md";

/// The most files and bytes in the memory for all groups, and the deepest folder.
const MOST_FILES: usize = 1000;
const MOST_BYTES: u64 = 16 << 20;
const DEEPEST: usize = 8;

/// Why the memory for all groups cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It is too large: every sandbox would read it.
    #[error(
        "the memory for all groups in {folder} is too large: at most {MOST_FILES} files, {} MiB and folders {DEEPEST} deep; \
         move what is not read every time into a group's folder",
        MOST_BYTES >> 20,
        folder = folder.display()
    )]
    TooLarge {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refuses.
    #[error("the memory for all groups cannot be copied: {path}: {error}", path = path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// Creates a group's memory in its folder, for whoever the folder belongs to. An existing one stays and is not even
/// opened: an agent may have written it.
pub fn begin(folder: &Path, group: &GroupName) -> io::Result<()> {
    let text = format!(
        "# Memory of {group}\n\n\
         <!-- The agent of this group reads this file first, and may write into it what it should remember.\n\
         You may, too. AGENTS.md is this same file. What all groups should know belongs into the folder\n\
         `global` of Doorward's data: each sandbox gets a copy of it in /workspace/global. -->\n"
    );
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(FILE));
    match made {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            let (owner, made) = (std::fs::metadata(folder)?, file.metadata()?);
            if owner.uid() != made.uid() && made.uid() == 0 {
                fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match symlink(FILE, folder.join(ALIAS)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Gives the file made by [`begin`] to the sandbox's user, together with the folder, while that is ours. In an agent's
/// folder nothing changes owner: the agent may give any file of ours there that name.
pub fn hand_over(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if std::fs::metadata(folder)?.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let file = match open_plainly(&folder.join(FILE)) {
        Ok(file) => file,
        // Gone, or something else by now.
        Err(_) => return Ok(()),
    };
    let found = rustix::fs::fstat(&file)?;
    let plain = rustix::fs::FileType::from_raw_mode(found.st_mode).is_file() && found.st_nlink == 1;
    if plain && found.st_uid == rustix::process::geteuid().as_raw() {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(())
}

/// Copies the memory for all groups into a folder made for one sandbox. Links, sockets and pipes are skipped.
pub fn copy_for_sandbox(from: &Path, to: &Path) -> Result<(), MemoryError> {
    let mut copy = Copy { root: from, files: 0, bytes: 0 };
    copy.folder(from, to, 0)?;
    let (file, alias) = (to.join(FILE), to.join(ALIAS));
    if file.is_file() && !alias.exists() {
        copy.file(&from.join(FILE), &alias)?;
    }
    Ok(())
}

struct Copy<'a> {
    root: &'a Path,
    files: usize,
    bytes: u64,
}

impl Copy<'_> {
    fn folder(&mut self, from: &Path, to: &Path, depth: usize) -> Result<(), MemoryError> {
        if depth > DEEPEST {
            return Err(self.too_large());
        }
        DirBuilder::new().mode(0o755).create(to).map_err(|error| io_at(to, error))?;
        set_mode(to, 0o755)?;
        let entries = std::fs::read_dir(from).map_err(|error| io_at(from, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| io_at(from, error))?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().map_err(|error| io_at(&from, error))?;
            if kind.is_dir() {
                self.folder(&from, &to, depth + 1)?;
            } else if kind.is_file() {
                self.file(&from, &to)?;
            } else {
                tracing::warn!(path = %from.display(), "left out of the memory for all groups: it is no regular file");
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<(), MemoryError> {
        let source = open_plainly(from).map_err(|error| io_at(from, error))?;
        let mut copy =
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(to).map_err(|error| io_at(to, error))?;
        // The file may grow while it is read.
        let room = MOST_BYTES - self.bytes;
        let copied = io::copy(&mut source.take(room + 1), &mut copy).map_err(|error| io_at(from, error))?;
        self.files += 1;
        self.bytes += copied.min(room);
        if copied > room || self.files > MOST_FILES {
            return Err(self.too_large());
        }
        set_mode(to, 0o644)
    }

    fn too_large(&self) -> MemoryError {
        MemoryError::TooLarge { folder: self.root.to_owned() }
    }
}

/// Follows no link, and does not block on a pipe.
fn open_plainly(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Sets the mode whatever the umask.
fn set_mode(path: &Path, mode: u32) -> Result<(), MemoryError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| io_at(path, error))
}

fn io_at(path: &Path, error: io::Error) -> MemoryError {
    MemoryError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::chown;

    use super::*;

    fn group() -> GroupName {
        GroupName::parse("family").unwrap()
    }

    #[test]
    fn a_memory_is_begun_once() {
        let folder = tempfile::tempdir().unwrap();
        begin(folder.path(), &group()).unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("CLAUDE.md").starts_with("# Memory of family\n") && read("AGENTS.md") == read("CLAUDE.md"));
        fs::write(folder.path().join("CLAUDE.md"), "mine").unwrap();
        begin(folder.path(), &group()).unwrap();
        assert_eq!(read("AGENTS.md"), "mine");
    }

    /// A private file of root's under that name, in a folder that an agent has already.
    #[test]
    fn in_an_agents_folder_nothing_but_what_was_just_made_changes_hands() {
        assert!(rustix::process::geteuid().is_root(), "`make test` runs as root: only root gives files away");
        let folder = tempfile::tempdir().unwrap();
        let (file, begun) = (folder.path().join(FILE), folder.path().join("begun"));
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        fs::write(&file, "root's").unwrap();
        chown(folder.path(), Some(12345), Some(12345)).unwrap();
        hand_over(folder.path(), 12345, 12345).unwrap();
        begin(folder.path(), &group()).unwrap();
        assert_eq!(owner(&file), 0);
        fs::rename(&file, folder.path().join("other")).unwrap();
        begin(folder.path(), &group()).unwrap();
        assert_eq!(owner(&file), 12345, "a new one is the agent's");
        fs::create_dir(&begun).unwrap();
        begin(&begun, &group()).unwrap();
        hand_over(&begun, 12345, 12345).unwrap();
        assert_eq!(owner(&begun.join(FILE)), 12345, "before the first sandbox");
    }

    /// The folder may be an old one that an agent has prepared as a trap.
    #[test]
    fn no_link_of_an_agents_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("elsewhere");
        symlink(&target, folder.path().join("CLAUDE.md")).unwrap();
        begin(folder.path(), &group()).unwrap();
        assert!(!target.exists());
        fs::write(&target, "x").unwrap();
        let owner = fs::metadata(&target).unwrap().uid();
        hand_over(folder.path(), 12345, 12345).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().uid(), owner, "not through a link");
        fs::remove_file(folder.path().join("CLAUDE.md")).unwrap();
        fs::hard_link(&target, folder.path().join("CLAUDE.md")).unwrap();
        hand_over(folder.path(), 12345, 12345).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().uid(), owner, "nor by a second name");
    }

    #[test]
    fn each_sandbox_gets_files_of_its_own_and_nothing_but_files() {
        let scene = tempfile::tempdir().unwrap();
        let (from, secret) = (scene.path().join("global"), scene.path().join("secret"));
        fs::create_dir_all(from.join("notes/deep")).unwrap();
        fs::write(&secret, "secret").unwrap();
        fs::write(from.join("CLAUDE.md"), "for all").unwrap();
        fs::write(from.join("notes/deep/a"), "a").unwrap();
        symlink(&secret, from.join("link")).unwrap();
        symlink(scene.path(), from.join("folder-link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, from.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let (one, two) = (scene.path().join("one"), scene.path().join("two"));
        copy_for_sandbox(&from, &one).unwrap();
        copy_for_sandbox(&from, &two).unwrap();
        let mut names: Vec<_> = fs::read_dir(&one).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["AGENTS.md", "CLAUDE.md", "notes"]);
        let all: Vec<u64> = [&from, &one, &two]
            .into_iter()
            .flat_map(|folder| ["CLAUDE.md", "notes/deep/a"].map(|name| folder.join(name)))
            .chain([one.join("AGENTS.md"), two.join("AGENTS.md")])
            .map(|path| fs::metadata(path).unwrap().ino())
            .collect();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(fs::metadata(one.join("CLAUDE.md")).unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn too_much_is_said() {
        let scene = tempfile::tempdir().unwrap();
        let from = scene.path().join("global");
        fs::create_dir(&from).unwrap();
        File::create(from.join("big")).unwrap().set_len(MOST_BYTES + 1).unwrap();
        let error = copy_for_sandbox(&from, &scene.path().join("one")).unwrap_err().to_string();
        assert!(error.contains("global is too large: at most 1000 files, 16 MiB"), "{error}");
        fs::remove_file(from.join("big")).unwrap();
        fs::create_dir_all(from.join("1/2/3/4/5/6/7/8/9")).unwrap();
        assert!(copy_for_sandbox(&from, &scene.path().join("two")).is_err());
    }
}
