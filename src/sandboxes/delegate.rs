//! A helper's sandbox: its own door under a narrowed policy, its own surrogates, and folders that no other sandbox sees
//! and that are removed with it. Nothing of the group's is in it except the memory for all groups. A sandbox that
//! fetches an image's files has such folders too.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use containers::{SandboxSpec, SandboxUser};
use policies::{GroupName, Narrow, SandboxId};
use rustix::fs::OFlags;
use tokio::sync::watch;

use super::{GRACE, LiveSandbox, OwnFolders, SandboxError, Sandboxes, Wanted, agents, make_folder};
use crate::config::GroupSettings;

/// Where a helper puts its results.
pub const RESULTS: &str = "results";

/// The most files that are returned.
const MOST_FILES: usize = 32;

/// The most bytes of all of them.
const MOST_BYTES: u64 = 4 << 20;

/// A helper's settings at the start.
#[derive(Debug)]
pub struct Helper {
    /// Which of its group's agents it is.
    pub at: usize,
    /// The part of its group's policy that it may use.
    pub narrow: Narrow,
    /// The files in its folder: plain names and content.
    pub files: Vec<(String, Vec<u8>)>,
}

/// The remains of a helper whose sandbox has ended; removed when this is dropped.
pub struct Remains {
    work: PathBuf,
    _folders: OwnFolders,
}

impl Sandboxes {
    /// Starts a helper's sandbox. It has its group's agent, image and limits, but no mounts and no MCP servers.
    pub async fn start_helper(&self, group: &GroupName, helper: &Helper) -> Result<LiveSandbox, SandboxError> {
        let settings = GroupSettings::load(&self.home, group)?;
        let chosen = settings.agents().nth(helper.at).unwrap_or(&settings.agent).clone();
        agents::check_key(group, &chosen, &self.gateway.policy(group), &self.config)?;
        let agent = agents::driven(&chosen, None);
        let settings = GroupSettings { agent: chosen, mounts: Vec::new(), servers: Vec::new(), ..settings };
        self.start_as(group, agent, &settings, Wanted::Helper(helper)).await
    }

    /// Resolves when a sandbox has ended; at once if there is none.
    pub async fn until_gone(&self, sandbox: &SandboxId) {
        let alive = desk::lock(&self.alive).get(sandbox.as_str()).cloned();
        if let Some((_, mut alive)) = alive {
            while alive.changed().await.is_ok() {}
        }
    }

    /// Which of its group's agents runs in a sandbox; `None` if there is no such sandbox.
    pub fn place_of(&self, sandbox: &SandboxId) -> Option<usize> {
        desk::lock(&self.alive).get(sandbox.as_str()).map(|(at, _)| *at)
    }

    /// Registers a sandbox for as long as the returned value lives.
    pub(super) fn lives(&self, sandbox: &str, at: usize) -> watch::Sender<()> {
        let (sender, receiver) = watch::channel(());
        let mut alive = desk::lock(&self.alive);
        alive.retain(|_, (_, other)| other.has_changed().is_ok());
        alive.insert(sandbox.to_owned(), (at, receiver));
        sender
    }
}

impl LiveSandbox {
    /// Shuts the door, ends the agent, and returns what is left in a helper's folder.
    pub async fn end(self, why: &'static str) -> Remains {
        let LiveSandbox { sandbox, door, folders, watched, .. } = self;
        door.close_because(why);
        sandbox.stop(GRACE).await;
        drop(watched);
        Remains { work: work_of(&folders), _folders: folders }
    }
}

impl Remains {
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

fn work_of(folders: &OwnFolders) -> PathBuf {
    folders.other.join("work")
}

/// Gives a sandbox its own folders instead of its group's, with the files of a helper if it is one.
pub(super) fn furnish(
    spec: &mut SandboxSpec,
    folders: &OwnFolders,
    helper: Option<&Helper>,
) -> Result<(), SandboxError> {
    let (work, home) = (work_of(folders), folders.other.join("home"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SandboxError::Folder { path, error }
    };
    let mut made = vec![work.clone(), home.clone()];
    made.extend(helper.map(|_| work.join(RESULTS)));
    made.iter().try_for_each(|folder| make_folder(folder, 0o700))?;
    for (name, bytes) in helper.iter().flat_map(|helper| &helper.files) {
        let path = work.join(name);
        std::fs::write(&path, bytes).map_err(failed(&path))?;
        made.push(path);
    }
    let SandboxUser { chown: gives, uid, gid, .. } = spec.user;
    if gives {
        made.iter().try_for_each(|path| chown(path, Some(uid), Some(gid)).map_err(failed(path)))?;
    }
    (spec.folders.group, spec.folders.home, spec.folders.inbox) = (work, home, None);
    Ok(())
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
