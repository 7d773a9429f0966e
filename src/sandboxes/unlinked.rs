//! The size of unlinked files that are still open: they are in no folder but still fill the disk.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::disk::Usage;

/// Adds the unlinked files that a container's processes hold open on the disks of these folders, as far as this user
/// may see them.
pub(super) fn add(usage: &mut Usage, container: &str, folders: &[PathBuf]) {
    // Files in memory (memfd, /tmp) count as memory.
    let disks = folders.iter().filter_map(|folder| Some(fs::metadata(folder).ok()?.dev())).collect();
    let mut seen = BTreeSet::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = process.path();
        if !is_in(&process, container) {
            continue;
        }
        match below(&process.join("fd"), &disks, &mut seen) {
            Ok(bytes) => usage.bytes += bytes,
            // A process that hides from its own user, as the guest always does.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => usage.hidden |= !is_first(&process),
            Err(_) => {}
        }
        usage.bytes += below(&process.join("map_files"), &disks, &mut seen).unwrap_or(0);
    }
}

/// Docker and Podman name the control group after the container.
fn is_in(process: &Path, container: &str) -> bool {
    fs::read_to_string(process.join("cgroup")).is_ok_and(|groups| groups.contains(container))
}

/// Whether it is the container's first process: the last number is that of the innermost namespace.
fn is_first(process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("NSpid:") && line.split_whitespace().next_back() == Some("1"))
}

fn below(held: &Path, disks: &BTreeSet<u64>, seen: &mut BTreeSet<(u64, u64)>) -> io::Result<u64> {
    // Follows the link to the open file, wherever that is.
    let files = fs::read_dir(held)?.flatten().filter_map(|link| fs::metadata(link.path()).ok());
    let nameless = files.filter(|file| file.is_file() && file.nlink() == 0 && disks.contains(&file.dev()));
    Ok(nameless.filter(|file| seen.insert((file.dev(), file.ino()))).map(|file| file.blocks() * 512).sum())
}
