//! A small disk for what the daemon writes, which can be full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// In memory; gone with the evening.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// So many megabytes.
    pub(crate) fn of(megabytes: u32, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={megabytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(at).status().unwrap();
        assert!(mounted.success(), "`make test` runs as root");
        Disk(at.to_owned())
    }

    /// To the last byte.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0x5a; size]).is_ok() {}
        }
    }

    /// Room again.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
