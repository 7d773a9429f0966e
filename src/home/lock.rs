//! One daemon per home, by advisory locks that end with the process: on a file, which also names the holder, and on its
//! folder. The file alone is not enough: whoever removes it can lock a new one.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{Home, HomeError, create_private_dir, io, open_private_file};

/// Proof that this process serves the home. The kernel releases it when the process ends, in whatever way; the file
/// stays and means nothing by itself.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// `None` where folders cannot be locked, as on NFS.
    _folder: Option<File>,
}

/// Another daemon serves the home.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another doorward{} already serves {home}; stop it or choose another --home", by(*.pid))]
pub struct HomeInUse {
    /// Its pid; 0 if it is not written yet, or somebody removed the file.
    pub pid: u32,
    /// The home, under the name its owner knows.
    pub home: String,
}

/// Why the home could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon was faster.
    #[error(transparent)]
    InUse(#[from] HomeInUse),
    /// The lock's file cannot be made or written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// How long to wait for the lock of a dead daemon: a child that it was just starting holds it until its exec.
const OF_THE_DEAD: Duration = Duration::from_secs(5);

pub(super) fn take(home: &Home) -> Result<Lock, LockError> {
    create_private_dir(home.data())?;
    let folder = File::open(home.data()).map_err(|error| io("cannot open", home.data(), error))?;
    let path = home.lock_file();
    let asked = Instant::now();
    let folder = match locked(home, &folder, asked)? {
        Ok(()) => Some(folder),
        Err(_) => None,
    };
    let mut file = open_private_file(&path)?;
    locked(home, &file, asked)?.map_err(|error| io("cannot lock", &path, error))?;
    let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    named.map_err(|error| io("cannot write", &path, error))?;
    Ok(Lock { _file: file, _folder: folder })
}

/// Takes one of the locks, as soon as a dead daemon's child releases it. The inner error is that of a file system
/// without locks.
fn locked(home: &Home, file: &File, asked: Instant) -> Result<std::io::Result<()>, LockError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(())),
            Err(TryLockError::WouldBlock) => {
                let pid = named_in(&home.lock_file());
                if !is_dead(pid) || asked.elapsed() > OF_THE_DEAD {
                    return Err(HomeInUse { pid, home: home.to_string() }.into());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::Error(error)) => return Ok(Err(error)),
        }
    }
}

/// Tests with a shared lock, so that two who test do not take each other for a daemon.
pub(super) fn is_held(home: &Home) -> bool {
    let held = |path: &Path| {
        let Ok(file) = File::open(path) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    };
    held(home.data()) || held(&home.lock_file())
}

/// The pid in the file; 0 if there is none.
pub(super) fn named_in(path: &Path) -> u32 {
    File::open(path).map_or(0, |mut file| read_pid(&mut file))
}

fn by(pid: u32) -> String {
    if pid == 0 { String::new() } else { format!(" (pid {pid})") }
}

/// Whether the process no longer exists.
fn is_dead(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn read_pid(file: &mut File) -> u32 {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0)
}
