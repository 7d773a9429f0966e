//! Folders and files that only their owner can read, whatever the umask.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{HomeError, io};

/// Makes a folder and its missing parents, each 0700. An existing one must be ours, and is closed to others.
pub fn create_private_dir(dir: &Path) -> Result<(), HomeError> {
    match DirBuilder::new().mode(0o700).recursive(true).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io("cannot create the folder", dir, error)),
    }
    let found = std::fs::metadata(dir).map_err(|error| io("cannot read", dir, error))?;
    if !found.is_dir() {
        return Err(io("cannot use as a folder", dir, ErrorKind::NotADirectory.into()));
    }
    let you = rustix::process::geteuid().as_raw();
    if found.uid() != you {
        return Err(HomeError::Foreign { path: dir.to_path_buf(), owner: found.uid(), you });
    }
    if found.mode() & 0o777 != 0o700 {
        let private = Permissions::from_mode(0o700);
        std::fs::set_permissions(dir, private).map_err(|error| io("cannot make private", dir, error))?;
    }
    Ok(())
}

/// Opens a file for reading and writing, creating it 0600 if it is missing.
pub fn open_private_file(path: &Path) -> Result<File, HomeError> {
    private_options().create(true).open(path).map_err(|error| io("cannot open", path, error))
}

/// Makes an empty file, 0600, if there is none. An existing one is not even opened: closing any descriptor of a
/// database drops the locks that SQLite holds on it in this process (sqlite.org/howtocorrupt.html, 2.2).
pub fn make_private_file(path: &Path) -> Result<(), HomeError> {
    match private_options().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io("cannot create", path, error)),
    }
}

/// The umask can only take from 0600, never add.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Reads the installation's id, or makes one. Written aside and renamed into place: two programs that start at once
/// agree, and neither sees half of it.
///
/// A copied home is another installation. The id is stored together with the folder for which it was made, and a copy
/// is another folder.
pub(super) fn installation_id(data: &Path) -> Result<String, HomeError> {
    create_private_dir(data)?;
    let (path, of) = (data.join("installation-id"), data.join("installation-of"));
    let here = identity(data)?;
    if read_id(&path)?.is_none() {
        put(&path, &new_id(), false)?;
    } else if is_a_copy(&of, &here) {
        // One process at a time; whoever had to wait finds it done. The lock is on a separate file: the id's file is
        // replaced meanwhile, and a lock on the new one would not block anybody.
        let lock = data.join("installation-lock");
        let _lock = open_private_file(&lock)
            .and_then(|file| file.lock().map(|()| file).map_err(|error| io("cannot lock", &lock, error)))?;
        if is_a_copy(&of, &here) {
            put(&path, &new_id(), true)?;
            put(&of, &here, true)?;
        }
    }
    if !of.exists() {
        put(&of, &here, false)?;
    }
    read_id(&path)?.ok_or(HomeError::InstallationId { path })
}

fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Identifies this folder: its inode and, if the file system knows it, its creation time. Both stay when it is moved or
/// its disk gets another number, and no copy has both.
fn identity(folder: &Path) -> Result<String, HomeError> {
    let found = std::fs::metadata(folder).map_err(|error| io("cannot read", folder, error))?;
    let made = found.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(format!("{} {}", found.ino(), made.map_or_else(|| "-".to_owned(), |at| at.as_nanos().to_string())))
}

/// Whether the id was made for another folder. One from before this was stored counts as this folder's.
fn is_a_copy(of: &Path, here: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(of) else { return false };
    let parts = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match (parts(&text).as_slice(), parts(here).as_slice()) {
        ([inode, _], [here, unknown]) | ([inode, unknown], [here, _]) if unknown == "-" => inode != here,
        (then, now) => then != now,
    }
}

fn put(path: &Path, line: &str, replace: bool) -> Result<(), HomeError> {
    let data = path.parent().unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(data).map_err(|error| io("cannot write in", data, error))?;
    let written = writeln!(aside, "{line}").and_then(|()| aside.as_file().sync_all());
    written.map_err(|error| io("cannot write", path, error))?;
    let put = if replace { aside.persist(path) } else { aside.persist_noclobber(path) };
    match put {
        Ok(_) => Ok(()),
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(lost) => Err(io("cannot write", path, lost.error)),
    }
}

fn read_id(path: &Path) -> Result<Option<String>, HomeError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("cannot read", path, error)),
    };
    let id = text.trim_end();
    if id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(Some(id.to_owned()));
    }
    Err(HomeError::InstallationId { path: path.to_path_buf() })
}
