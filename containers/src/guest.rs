//! Installs the guest binary from the daemon where the engine can mount it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use sha2::{Digest, Sha256};

/// The guest's path inside every sandbox.
pub const PATH: &str = "/opt/doorward/guest";

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/doorward-guest.zlib"));

/// Larger than any guest.
const MOST: usize = 64 << 20;

/// Writes the guest into `dir` under a name derived from its content, unless it is already there:
/// sandboxes of an older daemon keep the file that they were started with.
pub fn install(dir: &Path) -> io::Result<PathBuf> {
    install_bytes(dir, "guest", &binary()?, 0o555)
}

fn binary() -> io::Result<Vec<u8>> {
    decompress_to_vec_zlib_with_limit(PACKED, MOST).map_err(|error| io::Error::other(format!("the guest: {error}")))
}

/// Also used for the seccomp profile, if an engine wants it as a file.
pub(crate) fn install_bytes(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let digest = Sha256::digest(bytes);
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = dir.join(format!("{name}-{short}"));
    // The name promises the content, so a file with other content is replaced.
    if fs::read(&path).is_ok_and(|present| present == bytes) {
        return Ok(path);
    }
    fs::create_dir_all(dir)?;
    let beside = dir.join(format!(".{name}-{short}.{}", std::process::id()));
    fs::write(&beside, bytes)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_linked_statically() {
        // ELF64: e_phoff at 32, e_phentsize at 54, e_phnum at 56; PT_INTERP is 3 (elf(5)).
        let binary = binary().unwrap();
        assert!(PACKED.len() * 3 < binary.len() * 2, "{} of {}", PACKED.len(), binary.len());
        assert_eq!(&binary[..5], b"\x7fELF\x02");
        let word = |at: usize| u16::from_le_bytes(binary[at..at + 2].try_into().unwrap()) as usize;
        let start = u64::from_le_bytes(binary[32..40].try_into().unwrap()) as usize;
        let kinds: Vec<u32> = (0..word(56))
            .map(|index| start + index * word(54))
            .map(|at| u32::from_le_bytes(binary[at..at + 4].try_into().unwrap()))
            .collect();
        assert!(kinds.contains(&1), "no PT_LOAD: the headers were misread");
        assert!(!kinds.contains(&3), "a PT_INTERP header: the guest needs a dynamic loader");
    }

    #[test]
    fn installing_twice_gives_the_same_file_and_repairs_a_changed_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = install(dir.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o555);
        assert_eq!(install(dir.path()).unwrap(), path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, b"#!/bin/sh").unwrap();
        assert_eq!(install(dir.path()).unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), binary().unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
