//! The daemon's clock, set wrong: libfaketime stands between it and the real one. What
//! passes (pauses, waits) passes as it does.

use std::fs;
use std::path::{Path, PathBuf};

/// A clock that can be set while the daemon runs.
pub struct Clock(PathBuf);

impl Clock {
    /// Right, so far.
    pub fn new(folder: &Path) -> Self {
        let clock = Clock(folder.join("clock"));
        clock.set(0);
        clock
    }

    /// So many seconds ahead, or behind.
    pub fn set(&self, seconds: i64) {
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    /// What makes a daemon go by it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

fn library() -> String {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    let library = found.next().expect("libfaketime is here; `make setup` and then `scripts/setup.sh test` install it");
    library.display().to_string()
}
