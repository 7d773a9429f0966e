//! One daemon per home, by advisory locks that end with the process: on a file, which also
//! says who holds it, and on the folder that it is in. The file alone would be no lock: who
//! removes it locks a new one.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Home, HomeError, create_private_dir, io, open_private_file};

/// Proof that this process serves the home. The kernel gives it up when the
/// process ends, in whatever way; the file stays and means nothing by itself.
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
    /// Its process; 0 where it has not written its name yet, or somebody removed the file.
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

pub(super) fn take(home: &Home) -> Result<Lock, LockError> {
    create_private_dir(home.data())?;
    let in_use = |pid| HomeInUse { pid, home: home.to_string() };
    let folder = File::open(home.data()).map_err(|error| io("cannot open", home.data(), error))?;
    let folder = match folder.try_lock() {
        Ok(()) => Some(folder),
        Err(TryLockError::WouldBlock) => return Err(in_use(named_in(&home.lock_file())).into()),
        Err(TryLockError::Error(_)) => None,
    };
    let path = home.lock_file();
    let mut file = open_private_file(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(in_use(read_pid(&mut file)).into());
        }
        Err(TryLockError::Error(error)) => return Err(io("cannot lock", &path, error).into()),
    }
    let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    named.map_err(|error| io("cannot write", &path, error))?;
    Ok(Lock { _file: file, _folder: folder })
}

/// Asks with a shared lock, so that two who ask do not take each other for a daemon.
pub(super) fn is_held(home: &Home) -> bool {
    let held = |path: &Path| {
        let Ok(file) = File::open(path) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    };
    held(home.data()) || held(&home.lock_file())
}

/// The process that the file names; 0 if none does.
pub(super) fn named_in(path: &Path) -> u32 {
    File::open(path).map_or(0, |mut file| read_pid(&mut file))
}

fn by(pid: u32) -> String {
    if pid == 0 { String::new() } else { format!(" (pid {pid})") }
}

fn read_pid(file: &mut File) -> u32 {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0)
}
