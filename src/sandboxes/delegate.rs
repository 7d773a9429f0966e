//! A helper's sandbox: its own door under a narrowed policy, its own surrogates, and folders that no other sandbox sees
//! and that are removed with it. Nothing of the group's is in it except the memory for all groups. A sandbox that
//! fetches an image's files has such folders too.

use std::os::unix::fs::chown;
use std::path::Path;

use containers::{SandboxSpec, SandboxUser};
use policies::{GroupName, Narrow};

use super::remains::RESULTS;
use super::{LiveSandbox, OwnFolders, SandboxError, Sandboxes, Wanted, agents, make_folder};
use crate::config::GroupSettings;

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
}

/// Gives a sandbox its own folders instead of its group's, with the files of a helper if it is one.
pub(super) fn furnish(
    spec: &mut SandboxSpec,
    folders: &OwnFolders,
    helper: Option<&Helper>,
) -> Result<(), SandboxError> {
    let (work, home) = (folders.work(), folders.other.join("home"));
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
