//! What two sandboxes could have in common: a lock that the other feels, room that the
//! kernel counts by user, a disk.
//!
//! Two of these want somebody on the other side: `hold`, in another sandbox, holds all
//! that it can until it is killed.

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

/// Says, by being there, that `hold` holds.
const HELD: &str = "/tmp/held";

/// Pipes of a mebibyte: four times what one user may usually have.
const PIPES: usize = 256;

/// What a pipe holds where nobody has used up its user's room (pipe(7)).
const USUAL: usize = 64 << 10;

/// Holds every lock and all room that there is, and does not come back.
pub(super) fn hold() -> Outcome {
    let _locked: Vec<File> = files().into_iter().filter_map(|(_, file)| lock(&file).is_ok().then_some(file)).collect();
    let _pipes = pipes();
    fs::write(HELD, b"").map_err(|error| format!("{HELD}: {error}"))?;
    loop {
        thread::park();
    }
}

/// Asks for locks on whatever another sandbox might see too.
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

/// Asks for a pipe: where another sandbox has used up what the kernel gives their user,
/// it holds a page or two.
pub(super) fn room() -> Outcome {
    let (reader, _writer) = pipe().map_err(|error| format!("no pipe can be made: {error}"))?;
    match fcntl_getpipe_size(&reader) {
        Ok(size) if size < USUAL => Ok(format!("a new pipe holds {size} bytes: another sandbox has used up the room")),
        Ok(size) => Err(format!("a new pipe holds {size} bytes, as always")),
        Err(error) => Err(format!("a pipe cannot be asked: {error}")),
    }
}

/// Makes a file of so many bytes, of which none is written, and which has no name.
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

/// Whoever passes a limit on files is killed, unless it catches the signal (setrlimit(2)).
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
        // Refused once there is no more: the rest are small.
        let _ = fcntl_setpipe_size(&reader, 1 << 20);
        held.push((reader, writer));
    }
    held
}

/// Everything that is mounted, what lies in the same folders, and what every image has; each once.
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
    // Nobody at a pipe's other end is waited for, and no terminal is taken.
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()
}

/// What a sandbox may have in common with others of its own group, or are the kernel's own views.
const OWN: [&str; 4] = ["/workspace/group", "/home/agent", "/workspace/inbox", "/proc"];

/// Fewer than a process may have open.
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
