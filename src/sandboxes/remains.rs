//! What a helper leaves: the files in its folder, read once no sandbox sees them any more.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::own::OwnFolders;

/// Where a helper puts its results.
pub const RESULTS: &str = "results";

/// The most files that are returned.
const MOST_FILES: usize = 32;

/// The most bytes of all of them.
const MOST_BYTES: u64 = 4 << 20;

/// The remains of a helper whose sandbox has ended; removed when this is dropped.
pub struct Remains {
    work: PathBuf,
    _folders: OwnFolders,
}

impl Remains {
    /// Of a sandbox that has ended.
    pub(super) fn of(folders: OwnFolders) -> Self {
        Remains { work: folders.work(), _folders: folders }
    }

    /// Removes them; there may be much of them.
    pub async fn remove(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// The files in `results` by name, as many as fit. No sandbox sees them any more, so nothing changes meanwhile;
    /// links are left out.
    pub fn results(&self) -> Vec<(String, Vec<u8>)> {
        let folder = self.work.join(RESULTS);
        let is_folder = std::fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|_| is_folder);
        let mut names: Vec<_> =
            entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect();
        names.sort();
        let (mut results, mut room) = (Vec::new(), MOST_BYTES);
        for (name, path) in names.into_iter().filter(|(name, _)| is_plain(name)) {
            if results.len() == MOST_FILES {
                break;
            }
            if let Some(bytes) = read(&path, room) {
                room -= bytes.len() as u64;
                results.push((name, bytes));
            }
        }
        results
    }
}

/// Whether a name is a single file name without strange characters.
pub fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(fits)
}

/// A regular file with a single link, in full.
fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let links = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(links.bits().cast_signed()).open(path).ok()?;
    let found = file.metadata().ok().filter(|found| found.is_file() && found.nlink() == 1 && found.len() <= most)?;
    let mut bytes = Vec::new();
    file.take(found.len()).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    /// Only regular files are returned: no links, folders, pipes or strange names.
    #[test]
    fn plain_files_are_given_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::create_dir_all(other.join("work/results/deep")).unwrap();
        let results = other.join("work/results");
        std::fs::write(folder.path().join("secret"), "the host's").unwrap();
        std::fs::write(results.join("report.md"), "found").unwrap();
        std::fs::write(results.join(".hidden"), "x").unwrap();
        std::fs::write(results.join("strange\u{202e}.txt"), "x").unwrap();
        symlink(folder.path().join("secret"), results.join("link.md")).unwrap();
        std::fs::hard_link(results.join("report.md"), other.join("again")).unwrap();
        std::fs::write(results.join("two.md"), "two").unwrap();
        // Removed with the returned value.
        let nothing = OwnFolders { door: folder.path().join("door"), other: folder.path().join("nothing") };
        let remains = Remains { work: other.join("work"), _folders: nothing };
        assert_eq!(remains.results(), [("two.md".to_owned(), b"two".to_vec())], "one with another name is not read");
        std::fs::remove_file(other.join("again")).unwrap();
        let names: Vec<String> = remains.results().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["report.md", "two.md"]);
        std::fs::remove_dir_all(&results).unwrap();
        symlink(folder.path(), &results).unwrap();
        assert_eq!(remains.results(), [], "a link in the folder's place");
    }
}
