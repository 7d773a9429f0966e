//! Checks a mount's content: all names in it, and the beginnings of its files.
//!
//! The check is bounded: a folder too large to walk is refused, and the beginnings of a limited number of files are
//! read. Later additions are seen by the next check, at each start of a sandbox.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::names::{self, Names, shown};
use super::open::Opened;
use super::own::Own;
use super::{Refused, Seen, refused};
use crate::config::Mount;
use crate::sandboxes::walk::{Found, walk};

/// Anything larger cannot be walked at each start of a sandbox.
const MOST_ENTRIES: u64 = 200_000;

/// The most files of which the beginning is read, and how much of each.
const MOST_FILES: u64 = 20_000;
const BEGINNING: u64 = 64 << 10;

/// The most bytes in total.
const MOST_BYTES: u64 = 64 << 20;

/// Enough to tell what kind of folder it is.
const MOST_FOUND: usize = 5;

/// A single walk, entry by entry.
struct Look<'a> {
    mount: &'a Mount,
    names: &'a Names,
    own: &'a Own,
    seen: Seen,
    bytes: u64,
    found: Vec<Secret>,
}

/// Something that must not be mounted.
struct Secret {
    inside: PathBuf,
    what: &'static str,
    /// Whether the owner may overrule this.
    excusable: bool,
}

/// The content, unless part of it must not be mounted.
pub(super) fn into(opened: &Opened, mount: &Mount, names: &Names, own: &Own) -> Result<Seen, Refused> {
    if let Some(what) = own.is(opened.inode) {
        return Err(refused(format!("it is {what} under another name"), "mount another folder"));
    }
    if let Some(below) = mounted_below(&mount.path) {
        let why = format!("another file system is mounted in it, at {}", shown(&below));
        return Err(refused(why, "mount that by itself, or a folder beside it"));
    }
    let mut look = Look { mount, names, own, seen: Seen::default(), bytes: 0, found: Vec::new() };
    // By descriptor, not by path: this checks what was opened.
    let root = format!("/proc/self/fd/{}", opened.fd.as_raw_fd());
    let unseen = walk(Path::new(&root), |found| look.entry(&found));
    let unseen =
        unseen.map_err(|error| refused(format!("it cannot be looked at: {error}"), "let Doorward's user read it"))?;
    look.judged(unseen.is_none())
}

impl Look<'_> {
    fn entry(&mut self, found: &Found<'_>) -> io::Result<ControlFlow<()>> {
        self.seen.entries += 1;
        let inside = names::below(Path::new(""), found.parent, found.name.to_bytes());
        let kind = FileType::from_raw_mode(found.stat.st_mode);
        let secret = self.by_name(&inside, found, kind);
        let secret = match kind {
            FileType::RegularFile => secret.or(self.by_content(found)?).filter(|_| !self.mount.known.contains(&inside)),
            _ => secret,
        };
        self.found.extend(secret.map(|what| Secret { inside, what, excusable: kind == FileType::RegularFile }));
        let enough = self.found.len() >= MOST_FOUND || self.seen.entries > MOST_ENTRIES;
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn by_name(&mut self, inside: &Path, found: &Found<'_>, kind: FileType) -> Option<&'static str> {
        match kind {
            FileType::Socket => Some("a socket, which leads to another program"),
            FileType::Fifo => Some("a pipe, which leads to another program"),
            FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
            FileType::Directory => {
                let own = self.own.is((found.stat.st_dev, found.stat.st_ino));
                own.or_else(|| self.names.of(&self.mount.path.join(inside)))
            }
            _ => self.names.of(&self.mount.path.join(inside)),
        }
    }

    /// The kind of file according to its beginning.
    fn by_content(&mut self, found: &Found<'_>) -> io::Result<Option<&'static str>> {
        if found.stat.st_nlink > 1 {
            self.seen.linked.push((found.stat.st_dev, found.stat.st_ino));
        }
        if found.stat.st_size == 0 || self.seen.read >= MOST_FILES || self.bytes >= MOST_BYTES {
            return Ok(None);
        }
        // An agent may be writing here: a pipe in the file's place must not block us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(found.here, found.name, flags, Mode::empty()) else { return Ok(None) };
        if !fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
            return Ok(None);
        }
        let mut beginning = Vec::new();
        // If we cannot read it, neither can the sandbox.
        let read = File::from(file).take(BEGINNING).read_to_end(&mut beginning).unwrap_or(0);
        self.seen.read += 1;
        self.bytes += read as u64;
        Ok(key_in(&beginning))
    }

    fn judged(self, whole: bool) -> Result<Seen, Refused> {
        let Look { mut seen, found, .. } = self;
        if !found.is_empty() {
            return Err(told(&found));
        }
        if seen.entries > MOST_ENTRIES {
            let why = format!("it holds more than {MOST_ENTRIES} files, too many to look at");
            return Err(refused(why, "mount the part of it that is needed"));
        }
        if !whole {
            let why = "a folder in it cannot be read, or lies more than 200 deep, so that not all of it was looked at";
            return Err(refused(why, "mount the part of it that is needed"));
        }
        if self.bytes >= MOST_BYTES || seen.read >= MOST_FILES {
            seen.hints
                .push(format!("only the beginnings of {} files were read for keys; the names of all were", seen.read));
        }
        Ok(seen)
    }
}

fn told(found: &[Secret]) -> Refused {
    let one = |secret: &Secret| format!("{} ({})", shown(&secret.inside), secret.what);
    let more = if found.len() >= MOST_FOUND { ", and perhaps more" } else { "" };
    let why = format!("it holds {}{more}", found.iter().map(one).collect::<Vec<_>>().join(", "));
    let names = || found.iter().map(|one| format!("\"{}\"", shown(&one.inside))).collect::<Vec<_>>().join(", ");
    let fix = match found.iter().all(|one| one.excusable) {
        true => format!(
            "mount a folder beside it, or move it away. If nothing of it is a secret: known = [{}] in the mount",
            names()
        ),
        false => "mount a folder beside it, or move it away".to_owned(),
    };
    refused(why, fix)
}

/// A private key or a known vendor's key, in one of the usual formats.
fn key_in(beginning: &[u8]) -> Option<&'static str> {
    const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
    if beginning.starts_with(PUTTY) { Some("a private key") } else { scan::key_in(beginning) }
}

/// A mount of the host below this folder: the engine would leave it out, and what it covers was not checked.
fn mounted_below(path: &Path) -> Option<PathBuf> {
    const MOUNTS: &str = "/proc/self/mountinfo";
    // If this cannot be read, nobody knows what is below.
    let Ok(text) = std::fs::read(MOUNTS) else { return Some(PathBuf::from(MOUNTS)) };
    let text = String::from_utf8_lossy(&text);
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| PathBuf::from(unescaped(point)));
    points.into_iter().find(|point| point.starts_with(path) && point != path)
}

/// `\040` is a blank (proc_pid_mountinfo(5)).
fn unescaped(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_is_seen() {
        assert!(mounted_below(Path::new("/")).is_some());
        assert_eq!(mounted_below(Path::new("/proc/self/nothing")), None);
        assert_eq!(unescaped("/a\\040b\\134c"), "/a b\\c");
    }
}
