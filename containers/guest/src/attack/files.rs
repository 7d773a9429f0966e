//! What an attacker could reach through the file system.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::PathBuf,
};

use super::Outcome;
use crate::door;

/// More than any image contains; bounds the walk over a huge mount.
const MAX_ENTRIES: usize = 2_000_000;

/// Connects to a socket in the file system.
pub(super) fn unix(path: &str) -> Outcome {
    UnixStream::connect(path).map(|_| format!("connected to {path}")).map_err(|error| format!("{path}: {error}"))
}

/// Looks for any listening socket except the door: another door, the engine's, the host's.
pub(super) fn sockets() -> Outcome {
    let mut folders = vec![PathBuf::from("/")];
    let (mut seen, mut silent, mut answering) = (0_usize, 0_usize, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_ENTRIES {
                return Err(format!("gave up after {MAX_ENTRIES} files"));
            }
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() && !["/proc", "/sys"].iter().any(|skip| path.starts_with(skip)) {
                folders.push(path);
            } else if kind.is_socket() && path.as_os_str() != door::SOCKET {
                match UnixStream::connect(&path) {
                    Ok(_) => answering.push(path.display().to_string()),
                    Err(_) => silent += 1,
                }
            }
        }
    }
    match answering.as_slice() {
        [] => Err(format!("no socket but the door answers ({seen} files seen, {silent} dead sockets)")),
        found => Ok(found.join(", ")),
    }
}

/// Opens the files of the host that the drill names.
pub(super) fn readable(paths: &[&str]) -> Outcome {
    let found: Vec<&str> =
        paths.iter().copied().filter(|path| fs::read_dir(path).is_ok() || fs::File::open(path).is_ok()).collect();
    if found.is_empty() { Err(format!("none of {} paths is there", paths.len())) } else { Ok(found.join(", ")) }
}

/// Tries to replace the door.
pub(super) fn door_replace() -> Outcome {
    let beside = "/run/doorward/other.sock";
    let attempts = [
        ("chmod", fs::set_permissions(door::SOCKET, fs::Permissions::from_mode(0o600))),
        ("create", fs::write(beside, b"").and_then(|()| fs::remove_file(beside))),
        ("rename", fs::rename(door::SOCKET, beside).and_then(|()| fs::rename(beside, door::SOCKET))),
        ("unlink", fs::remove_file(door::SOCKET)),
    ];
    let done: Vec<&str> = attempts.iter().filter(|(_, result)| result.is_ok()).map(|(name, _)| *name).collect();
    if done.is_empty() { Err("chmod, create, rename and unlink were refused".into()) } else { Ok(done.join(", ")) }
}
