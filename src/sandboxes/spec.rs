//! The specification of a group's sandbox, before any of it starts.

use std::path::PathBuf;

use containers::protocol::Agent;
use containers::{Folders, SandboxSpec};
use policies::GroupName;

use super::{OwnFolders, SandboxError, Sandboxes, image, limits, make_folder, memory};
use crate::config::GroupSettings;
use crate::gateway::OpenDoor;

impl Sandboxes {
    pub(super) fn spec(
        &self,
        group: &GroupName,
        settings: &GroupSettings,
        id: &str,
        own: &OwnFolders,
        door: &OpenDoor,
    ) -> Result<SandboxSpec, SandboxError> {
        let (folder, home) = (self.home.group_dir(group), self.home.agent_home(group));
        let is_new = !folder.exists();
        make_folder(&folder, 0o700)?;
        make_folder(&home, 0o700)?;
        if is_new {
            // Somebody removed it; an agent must find its memory there.
            memory::begin(&folder, group).map_err(|error| SandboxError::Folder { path: folder.clone(), error })?;
        }
        let user = self.user(group, &folder)?;
        let folders = Folders {
            group: folder,
            home,
            inbox: Some(self.shared_folder(self.home.inbox(group))?),
            global: Some(self.memory(own)?),
            skills: self.skills(group, own)?,
            extra: Vec::new(),
        };
        Ok(SandboxSpec {
            installation: self.installation.clone(),
            group: group.to_string(),
            id: id.to_owned(),
            agent: Agent::Shell,
            servers: settings.servers.clone(),
            image: image(&self.home, settings, &self.config.engine)?,
            runtime: self.config.engine.runtime.clone(),
            user,
            folders,
            door: own.door.clone(),
            guest: install_guest(own.other.clone())?,
            ca: door.ca_pem().to_owned(),
            ca_bundle: own.other.join("ca-certificates.crt"),
            accounts: own.other.join("accounts"),
            environment: door.environment().iter().cloned().chain(nanoclaws(group)).collect(),
            limits: limits(&settings.limits, &self.config.engine),
        })
    }

    /// This sandbox's own copy of the memory for all groups (invariant 15).
    fn memory(&self, own: &OwnFolders) -> Result<PathBuf, SandboxError> {
        let copy = own.other.join("global");
        memory::copy_for_sandbox(&self.home.global_dir(), &copy)?;
        Ok(copy)
    }

    /// This sandbox's own copy of its group's skills.
    fn skills(&self, group: &GroupName, own: &OwnFolders) -> Result<Option<PathBuf>, SandboxError> {
        let copy = own.other.join("skills");
        let copied = self.told.copy(&self.home, group, &copy, self.gateway.log());
        match copied {
            Ok(has_some) => Ok(has_some.then_some(copy)),
            Err(error) => Err(SandboxError::Folder { path: copy, error }),
        }
    }

    /// A folder that the agent may read but not write.
    fn shared_folder(&self, path: PathBuf) -> Result<PathBuf, SandboxError> {
        make_folder(&path, 0o755)?;
        Ok(path)
    }
}

/// Variables for NanoClaw's scripts: their chat, which they name in files, goes by its group's name here.
fn nanoclaws(group: &GroupName) -> [(String, String); 2] {
    ["NANOCLAW_CHAT_JID", "NANOCLAW_GROUP_FOLDER"].map(|name| (name.to_owned(), group.to_string()))
}

fn install_guest(folder: PathBuf) -> Result<PathBuf, SandboxError> {
    containers::guest::install(&folder).map_err(|error| SandboxError::Folder { path: folder, error })
}
