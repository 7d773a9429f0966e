//! One daemon per home, by an advisory lock that ends with the process.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{Home, HomeError, create_private_dir, io, open_private_file};

/// Proof that this process serves the home. The kernel gives it up when the
/// process ends, in whatever way; the file stays and means nothing by itself.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Another daemon serves the home.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another doorward (pid {pid}) already serves {home}; stop it or choose another --home")]
pub struct HomeInUse {
    /// Its process; 0 in the instant in which it has the lock but has not written its name.
    pub pid: u32,
    /// The home as its owner knows it.
    pub home: String,
}

/// Why the home could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody was faster.
    #[error(transparent)]
    InUse(#[from] HomeInUse),
    /// The lock's file cannot be made or written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// How long a lock is waited for whose daemon is dead: a program that it was just starting
/// has it until that begins.
const OF_THE_DEAD: Duration = Duration::from_secs(5);

pub(super) fn take(home: &Home) -> Result<Lock, LockError> {
    create_private_dir(home.data())?;
    let path = home.lock_file();
    let mut file = open_private_file(&path)?;
    let asked = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut file);
                if !is_dead(pid) || asked.elapsed() > OF_THE_DEAD {
                    return Err(HomeInUse { pid, home: home.to_string() }.into());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::Error(error)) => return Err(io("cannot lock", &path, error).into()),
        }
    }
    let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    named.map_err(|error| io("cannot write", &path, error))?;
    Ok(Lock { _file: file })
}

/// Asks with a shared lock, so that two who ask do not take each other for a daemon.
pub(super) fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Whether there is no such process any more.
fn is_dead(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn read_pid(file: &mut File) -> u32 {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0)
}
