//! Copies a folder that agents have written: regular files and folders, no links, and no keys.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, openat};

use crate::sandboxes::walk::{Found, walk};

/// NanoClaw's logs, which contain whole prompts.
const LOGS: &str = "logs";

/// A key in a file is within its first bytes.
const BEGINNING: u64 = 256 << 10;

/// The result of copying.
#[derive(Debug, Default)]
pub(super) struct Copied {
    files: usize,
    bytes: u64,
    /// What was left out, and why.
    pub(super) left: Vec<String>,
}

impl Copied {
    /// `12 files, 3 kB`
    pub(super) fn said(&self) -> String {
        let files = if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        format!("{files}, {} kB", self.bytes.div_ceil(1000))
    }
}

/// The owner of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Only the owner.
    Owners,
    /// An agent, which writes there.
    Agents,
}

/// Copies a folder's content into another folder, which appears atomically. With `dry_run` it is only checked.
pub(super) fn copy(from: &Path, to: &Path, whose: Whose, dry_run: bool) -> anyhow::Result<Copied> {
    let beside = to.parent().unwrap_or(to);
    let made = if dry_run { None } else { Some(tempfile::Builder::new().prefix(".import-").tempdir_in(beside)?) };
    let mut copied = Copied::default();
    let place = made.as_ref().map(tempfile::TempDir::path);
    walk(from, |found| copied.entry(place, &found)).with_context(|| format!("cannot copy {}", from.display()))?;
    if let Some(made) = made {
        let whole = made.keep();
        if whose == Whose::Agents {
            give_to_sandboxes(&whole)?;
        }
        // Replaces an empty folder.
        std::fs::rename(&whole, to).with_context(|| format!("cannot make {}", to.display()))?;
    }
    Ok(copied)
}

impl Copied {
    fn entry(&mut self, to: Option<&Path>, found: &Found<'_>) -> io::Result<ControlFlow<()>> {
        let name = std::ffi::OsStr::new(std::str::from_utf8(found.name.to_bytes()).unwrap_or("?"));
        let inside = found.parent.join(name);
        if inside.starts_with(LOGS) {
            return Ok(ControlFlow::Continue(()));
        }
        let shown = desk::screen::on_screen(&inside.to_string_lossy());
        match FileType::from_raw_mode(found.stat.st_mode) {
            FileType::Directory => to.map_or(Ok(()), |to| folder(&to.join(&inside)))?,
            FileType::RegularFile => match self.file(to.map(|to| to.join(&inside)), found)? {
                Some(key) => self.left.push(format!("{shown} (it holds {key})")),
                None => self.files += 1,
            },
            _ => self.left.push(format!("{shown} (no file, nor a folder)")),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The kind of key in it, if it is left out because of that.
    fn file(&mut self, to: Option<PathBuf>, found: &Found<'_>) -> io::Result<Option<&'static str>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut from = File::from(openat(found.here, found.name, flags, Mode::empty())?);
        let mut beginning = Vec::new();
        (&from).take(BEGINNING).read_to_end(&mut beginning)?;
        let key = scan::key_in(&beginning);
        if key.is_some() {
            return Ok(key);
        }
        self.bytes += found.stat.st_size.unsigned_abs();
        let Some(to) = to else { return Ok(None) };
        from.rewind()?;
        let mode = if found.stat.st_mode & 0o111 != 0 { 0o700 } else { 0o600 };
        let mut made = OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
        io::copy(&mut from, &mut made)?;
        Ok(None)
    }
}

/// Writes a new file that only its owner can read.
pub(super) fn write_new(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.and_then(|mut file| file.write_all(text)).with_context(|| format!("cannot write {}", path.display()))
}

/// If each group has its own user, the first start of a sandbox gives it the common user's files.
fn give_to_sandboxes(folder: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(containers::FIXED_UID), Gid::from_raw(containers::FIXED_UID));
    walk(folder, |found| {
        chownat(found.here, found.name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(chownat(CWD, folder, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}
