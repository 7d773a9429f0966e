//! The place for a restored home: empty, and filled at once.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::contents::{Way, way};
use super::{BackupError, at};
use crate::home::Home;

/// A place for a home, with its unpacked parts beside it.
pub(super) struct Place {
    staged: Vec<(TempDir, PathBuf)>,
    config: PathBuf,
    data: PathBuf,
}

impl Place {
    /// Fails if there is a home already. Folders that any command creates do not count.
    pub(super) fn for_home(home: &Home) -> Result<Self, BackupError> {
        let (config, data) = (home.config_dir(), home.data());
        for root in [config, data] {
            if let Some(what) = something(root).map_err(at(root))? {
                let what = what.strip_prefix(root).unwrap_or(&what).display().to_string();
                return Err(BackupError::NotEmpty { path: root.to_path_buf(), what });
            }
        }
        let staged = stage(config)?;
        let mut place =
            Place { config: staged.path().into(), data: PathBuf::new(), staged: vec![(staged, config.into())] };
        match data.strip_prefix(config) {
            Ok(below) => place.data = place.config.join(below),
            Err(_) => {
                let staged = stage(data)?;
                place.data = staged.path().into();
                place.staged.push((staged, data.into()));
            }
        }
        Ok(place)
    }

    /// Where the settings are unpacked.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Where everything else is unpacked.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Moves everything into place, or nothing.
    pub(super) fn put(self) -> Result<(), BackupError> {
        for (staged, _) in &self.staged {
            let all = fs::File::open(staged.path()).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
            all.map_err(at(staged.path()))?;
        }
        let mut put: Vec<(PathBuf, TempDir, PathBuf)> = Vec::new();
        for (staged, target) in self.staged {
            let swapped = stage(&target).and_then(|old| {
                swap(staged.path(), &target, old.path()).map_err(at(&target))?;
                Ok(old)
            });
            match swapped {
                // Its path is the home's now, so it must not be removed.
                Ok(old) => put.push((staged.keep(), old, target)),
                Err(error) => {
                    for (staged, _old, target) in put.iter().rev() {
                        let _ = fs::rename(target, staged).and_then(|()| fs::remove_dir_all(staged));
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Moves the target away and the staged folder into its place.
fn swap(staged: &Path, target: &Path, old: &Path) -> io::Result<()> {
    match fs::rename(target, old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(staged, target).inspect_err(|_| drop(fs::rename(old, target)))
}

/// A folder beside another, on the same disk, private from the start.
fn stage(target: &Path) -> Result<TempDir, BackupError> {
    let beside = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(beside).map_err(at(beside))?;
    let mut made = tempfile::Builder::new();
    made.prefix(".doorward-restoring-").permissions(fs::Permissions::from_mode(0o700));
    made.tempdir_in(beside).map_err(at(beside))
}

/// Anything that would be lost.
fn something(folder: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() {
            something(&entry.path())?
        } else {
            let name = entry.file_name();
            (way(&name.to_string_lossy()) != Way::Left && name != "version").then(|| entry.path())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
