//! The content of accepted skills: a folder for each in the data folder, named by hash. Only the daemon's user writes
//! there, and the hash is checked at each read.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::accepted;
use super::folder::{Tree, TreeHash};
use crate::home::{Home, create_private_dir};

/// Stores a content, atomically.
pub fn keep(home: &Home, tree: &Tree) -> io::Result<()> {
    let folder = home.skills_dir();
    create_private_dir(&folder).map_err(io::Error::other)?;
    let place = folder.join(tree.hash().to_string());
    if kept(home, tree.hash()).is_ok() {
        return Ok(());
    }
    // The present folder does not match its name.
    remove(&place)?;
    let aside = tempfile::Builder::new().prefix(".new-").tempdir_in(&folder)?;
    write(tree, aside.path(), &[])?;
    let aside = aside.keep();
    match std::fs::rename(&aside, &place) {
        // Another process has stored the same.
        Err(_) if kept(home, tree.hash()).is_ok() => std::fs::remove_dir_all(&aside),
        renamed => renamed,
    }
}

/// A stored content, if it is unchanged.
pub(super) fn kept(home: &Home, hash: TreeHash) -> io::Result<Tree> {
    let tree = Tree::read(&home.skills_dir().join(hash.to_string())).map_err(io::Error::other)?;
    if tree.hash() != hash {
        return Err(io::Error::other("it is not what was accepted any more"));
    }
    Ok(tree)
}

/// Removes the contents that no group uses, while the edit lock is held. Errors do not matter: only space is at stake.
pub fn remove_unused(home: &Home) {
    let mut used = Vec::new();
    for entry in std::fs::read_dir(home.skills_files_dir()).into_iter().flatten().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
        match accepted::parse("skills", &text) {
            // The previous version too, so that it can be restored by hand.
            Ok(skills) => used.extend(skills.into_iter().map(|skill| skill.hash.to_string())),
            // It may name any content.
            Err(_) => return,
        }
    }
    for entry in std::fs::read_dir(home.skills_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if TreeHash::parse(&name).is_some() && !used.contains(&name) {
            let _ = remove(&entry.path());
        }
    }
}

/// Writes a content into an existing folder, with further files beside it. Anyone who reaches it may read it.
pub(super) fn write(tree: &Tree, to: &Path, beside: &[(&str, Vec<u8>)]) -> io::Result<()> {
    set_mode(to, 0o755)?;
    let beside = beside.iter().map(|(path, content)| (*path, content.as_slice()));
    for (path, content) in tree.files().chain(beside) {
        let place = to.join(path);
        let mut above = to.to_owned();
        for folder in Path::new(path).parent().into_iter().flat_map(Path::components) {
            above.push(folder);
            match DirBuilder::new().mode(0o755).create(&above) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => set_mode(&above, 0o755)?,
            }
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&place)?;
        file.write_all(content)?;
        set_mode(&place, if content.starts_with(b"#!") { 0o755 } else { 0o644 })?;
    }
    Ok(())
}

fn remove(place: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Sets the mode whatever the umask.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
