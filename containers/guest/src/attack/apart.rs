//! What two sandboxes could share: a lock that the other notices, room that the kernel counts per
//! user, a disk.
//!
//! Two of these attacks need a counterpart: `hold`, in another sandbox, holds all it can until it
//! is killed.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    fs::{FlockOperation, flock, ftruncate},
    pipe::{fcntl_getpipe_size, fcntl_setpipe_size, pipe},
};
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;

/// A file that exists once `hold` is in place.
const HELD: &str = "/tmp/held";

/// Pipes of a mebibyte: four times what one user may usually have.
const PIPES: usize = 256;

/// A pipe's size if the user's room has not been used up (pipe(7)).
const USUAL: usize = 64 << 10;

/// Holds every lock and all available room, and does not return.
pub(super) fn hold() -> Outcome {
    let _locked: Vec<File> = files().into_iter().filter_map(|(_, file)| lock(&file).is_ok().then_some(file)).collect();
    let _pipes = pipes();
    fs::write(HELD, b"").map_err(|error| format!("{HELD}: {error}"))?;
    loop {
        thread::park();
    }
}

/// Tries to lock everything that another sandbox might see too.
pub(super) fn locks() -> Outcome {
    let files = files();
    let taken: Vec<String> = files
        .iter()
        .filter(|(_, file)| lock(file).is_err_and(|error| error == rustix::io::Errno::WOULDBLOCK))
        .map(|(path, _)| path.display().to_string())
        .collect();
    if taken.is_empty() {
        return Err(format!("no lock on {} files is held by anybody else", files.len()));
    }
    Ok(format!("another sandbox's lock is felt on {}", taken.join(", ")))
}

/// Creates a pipe: if another sandbox has used up their user's room, it holds a page or two.
pub(super) fn room() -> Outcome {
    let (reader, _writer) = pipe().map_err(|error| format!("no pipe can be made: {error}"))?;
    match fcntl_getpipe_size(&reader) {
        Ok(size) if size < USUAL => Ok(format!("a new pipe holds {size} bytes: another sandbox has used up the room")),
        Ok(size) => Err(format!("a new pipe holds {size} bytes, as always")),
        Err(error) => Err(format!("a pipe cannot be asked: {error}")),
    }
}

/// Creates a file of this size, without a name and with nothing written.
pub(super) fn large_file(bytes: &str) -> Outcome {
    let bytes: u64 = bytes.parse().map_err(|_| format!("{bytes:?} is no number of bytes"))?;
    let path = PathBuf::from(format!("/workspace/group/.doorward-drill-{}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(|error| format!("no file can be made: {error}"))?;
    fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match unkilled(|| ftruncate(&file, bytes)) {
        Ok(()) => Ok(format!("a file of {bytes} bytes")),
        Err(error) => Err(format!("a file of {bytes} bytes is refused: {error}")),
    }
}

/// A process that exceeds a file limit is killed, unless it catches the signal (setrlimit(2)).
fn unkilled(work: impl FnOnce() -> rustix::io::Result<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _caught = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
        Ok(work()?)
    })
}

fn lock(file: &File) -> rustix::io::Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

fn pipes() -> Vec<(rustix::fd::OwnedFd, rustix::fd::OwnedFd)> {
    let mut held = Vec::new();
    while held.len() < PIPES
        && let Ok((reader, writer)) = pipe()
    {
        // Refused once there is no more room: the rest are small.
        let _ = fcntl_setpipe_size(&reader, 1 << 20);
        held.push((reader, writer));
    }
    held
}

/// Everything that is mounted, its neighbours, and what every image has; each once.
fn files() -> Vec<(PathBuf, File)> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let usual = ["/bin", "/dev", "/etc", "/opt/doorward", "/run/doorward", "/usr/bin", "/workspace/global"];
    let within = usual.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let all = mounted.chain(within.map(|entry| entry.path()).take(MOST));
    let mut seen = BTreeSet::new();
    all.filter(|path| !OWN.iter().any(|own| path.starts_with(own)))
        .filter_map(|path| Some((open(&path)?, path)))
        .filter(|(file, _)| file.metadata().is_ok_and(|found| seen.insert((found.dev(), found.ino()))))
        .map(|(file, path)| (path, file))
        .collect()
}

fn open(path: &Path) -> Option<File> {
    // Does not wait for the other end of a pipe, and does not take over a terminal.
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()
}

/// What a sandbox may share with others of its own group, and views of the kernel.
const OWN: [&str; 4] = ["/workspace/group", "/home/agent", "/workspace/inbox", "/proc"];

/// Below the limit of open files per process.
const MOST: usize = 1500;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_felt() {
        let path = std::env::current_exe().unwrap();
        let (one, two) = (open(&path).unwrap(), open(&path).unwrap());
        lock(&one).unwrap();
        assert_eq!(lock(&two).unwrap_err(), rustix::io::Errno::WOULDBLOCK);
    }

    #[test]
    fn where_nobody_has_used_up_the_room_a_pipe_is_as_large_as_usual() {
        assert!(room().unwrap_err().contains("as always"));
    }
}
