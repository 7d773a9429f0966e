//! What exists on the host for one sandbox alone.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::removal::remove_all;

/// Its folders; removed with it.
pub(super) struct OwnFolders {
    pub(super) door: PathBuf,
    pub(super) other: PathBuf,
}

impl OwnFolders {
    /// Where a helper works.
    pub(super) fn work(&self) -> PathBuf {
        self.other.join("work")
    }
}

impl Drop for OwnFolders {
    fn drop(&mut self) {
        remove_folder(&self.door);
        remove_folder(&self.other);
    }
}

fn remove_folder(path: &Path) {
    if let Err(error) = remove_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "A sandbox's folder could not be removed");
    }
}

/// Removes whatever is in these folders.
pub(super) fn clear(folders: &[PathBuf]) {
    for entry in folders.iter().flat_map(fs::read_dir).flatten().flatten() {
        remove_folder(&entry.path());
    }
}
