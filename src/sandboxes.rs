//! Sandboxes for groups: a door, the folders, and a container around an agent.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use containers::images;
use containers::protocol::{Agent, FromGuest, ToGuest};
use containers::{Engine, Folders, Sandbox, SandboxLost, SandboxSpec, SandboxUser, StartError, Weakening};
use policies::GroupName;

use crate::claude::{self, NoKey};
use crate::config::{self, Config, ConfigError, GroupSettings};
use crate::gateway::{Gateway, GatewayError, OpenDoor};
use crate::home::Home;
use crate::memory::{self, MemoryError};

/// How long an agent may take to finish when its sandbox is stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Starts sandboxes on the engine.
pub struct Sandboxes {
    home: Home,
    config: Config,
    gateway: Arc<Gateway>,
    engine: Engine,
    installation: String,
    guest: PathBuf,
}

/// A sandbox that runs, with the door it has.
///
/// Dropped without [`LiveSandbox::stop`] it ends in the same order: the door first.
pub struct LiveSandbox {
    agent: Agent,
    door: OpenDoor,
    sandbox: Sandbox,
    folders: OwnFolders,
}

/// What exists on the host for one sandbox alone; gone when it is.
struct OwnFolders {
    door: PathBuf,
    other: PathBuf,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The group's own file.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// Its agent would hold no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// A folder on the host.
    #[error("the sandbox's folder {path} cannot be made ready: {error}", path = path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Its door.
    #[error(transparent)]
    Door(#[from] GatewayError),
    /// The memory for all groups.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The container.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What a dead daemon left behind.
    #[error("sandboxes of an earlier daemon could not be removed: {0}")]
    Orphans(String),
}

impl Sandboxes {
    /// For the groups of a home.
    pub fn open(
        home: &Home,
        config: &Config,
        gateway: Arc<Gateway>,
        engine: Engine,
        installation: String,
    ) -> Result<Self, SandboxError> {
        let guest_dir = home.guest_dir();
        let guest =
            containers::guest::install(&guest_dir).map_err(|error| SandboxError::Folder { path: guest_dir, error })?;
        Ok(Sandboxes { home: home.clone(), config: config.clone(), gateway, engine, installation, guest })
    }

    /// The engine they run on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts a sandbox of a group with its agent; once this returns, the agent takes
    /// prompts. `resume` is the session to go on with, if the agent has sessions.
    pub async fn start(&self, group: &GroupName, resume: Option<String>) -> Result<LiveSandbox, SandboxError> {
        let _ = resume;
        let settings = GroupSettings::load(&self.home, group)?;
        let agent = match &settings.agent {
            config::Agent::Shell => Agent::Shell,
            config::Agent::Claude { model } => {
                claude::check_key(group, &self.gateway.policy(group), &self.config)?;
                Agent::Claude { model: model.clone(), resume }
            }
        };
        self.start_as(group, agent, &settings, Weakening::None).await
    }

    /// The same sandbox with no agent but the shell, for `exec` and the drill;
    /// `weakening` is a deliberate hole.
    pub async fn start_shell(&self, group: &GroupName, weakening: Weakening) -> Result<LiveSandbox, SandboxError> {
        let settings = GroupSettings::load(&self.home, group)?;
        self.start_as(group, Agent::Shell, &settings, weakening).await
    }

    async fn start_as(
        &self,
        group: &GroupName,
        agent: Agent,
        settings: &GroupSettings,
        weakening: Weakening,
    ) -> Result<LiveSandbox, SandboxError> {
        let identity = crate::gateway::new_identity(group);
        let id = identity.sandbox.to_string();
        let folders = OwnFolders { door: self.home.doors_dir().join(&id), other: self.home.sandboxes_dir().join(&id) };
        // The agent may pass through its door's folder and reach the socket; it may
        // neither list nor change it.
        make_folder(&folders.door, 0o711)?;
        make_folder(&folders.other, 0o700)?;
        let policy = self.gateway.policy_handle(group);
        let door = self.gateway.open_door_as(identity, &folders.door.join("door.sock"), policy)?;
        let spec = SandboxSpec { agent, weakening, ..self.spec(group, settings, &id, &folders, &door)? };
        let sandbox = Sandbox::start(&self.engine, &spec).await?;
        tracing::info!(sandbox.id = %id, sandbox.group = %group, "Sandbox started");
        Ok(LiveSandbox { agent: spec.agent, sandbox, door, folders })
    }

    /// Removes the containers and door folders that a dead daemon left behind.
    pub async fn remove_orphans(&self) -> Result<Vec<String>, SandboxError> {
        let removed = self.engine.remove_orphans(&self.installation, &[]).await;
        let removed = removed.map_err(|error| SandboxError::Orphans(error.to_string()))?;
        for folder in [self.home.doors_dir(), self.home.sandboxes_dir()] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                remove_folder(&entry.path());
            }
        }
        Ok(removed)
    }

    fn spec(
        &self,
        group: &GroupName,
        settings: &GroupSettings,
        id: &str,
        own: &OwnFolders,
        door: &OpenDoor,
    ) -> Result<SandboxSpec, SandboxError> {
        let user = self.engine.sandbox_user();
        let folders = Folders {
            group: self.group_folder(self.home.group_dir(group), &user)?,
            home: self.group_folder(self.home.agent_home(group), &user)?,
            inbox: Some(self.shared_folder(self.home.inbox(group))?),
            global: Some(self.memory(own)?),
        };
        Ok(SandboxSpec {
            installation: self.installation.clone(),
            group: group.to_string(),
            id: id.to_owned(),
            agent: Agent::Shell,
            image: image(settings, &self.config.engine),
            runtime: self.config.engine.runtime.clone(),
            user,
            folders,
            door: own.door.clone(),
            guest: self.guest.clone(),
            ca: door.ca_pem().to_owned(),
            ca_bundle: own.other.join("ca-certificates.crt"),
            environment: door.environment().to_vec(),
            limits: limits(&settings.limits, &self.config.engine),
            weakening: Weakening::None,
        })
    }

    /// A folder that the agent may write: its user's own.
    fn group_folder(&self, path: PathBuf, user: &SandboxUser) -> Result<PathBuf, SandboxError> {
        make_folder(&path, 0o700)?;
        if user.chown {
            std::os::unix::fs::chown(&path, Some(user.uid), Some(user.gid))
                .and_then(|()| memory::hand_over(&path, user.uid, user.gid))
                .map_err(|error| SandboxError::Folder { path: path.clone(), error })?;
        }
        Ok(path)
    }

    /// This sandbox's own copy of the memory for all groups (invariant 15).
    fn memory(&self, own: &OwnFolders) -> Result<PathBuf, SandboxError> {
        let copy = own.other.join("global");
        memory::copy_for_sandbox(&self.home.global_dir(), &copy)?;
        Ok(copy)
    }

    /// A folder that the agent may read and never write.
    fn shared_folder(&self, path: PathBuf) -> Result<PathBuf, SandboxError> {
        make_folder(&path, 0o755)?;
        Ok(path)
    }
}

impl LiveSandbox {
    /// Says something to the guest.
    pub async fn send(&mut self, message: &ToGuest) -> Result<(), SandboxLost> {
        self.sandbox.send(message).await
    }

    /// What the guest says next; `None` when it is gone.
    pub async fn next(&mut self) -> Result<Option<FromGuest>, SandboxLost> {
        self.sandbox.next().await
    }

    /// Says which run the requests through its door belong to from now on.
    pub fn set_run(&self, run: Option<u64>) {
        self.door.set_run(run);
    }

    /// Who answers in it.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The engine's id of the container.
    pub fn container_id(&self) -> &str {
        self.sandbox.container_id()
    }

    /// What a weakened sandbox's attestation found.
    pub fn findings(&self) -> &[containers::Finding] {
        self.sandbox.findings()
    }

    /// Its door.
    pub fn door(&self) -> &OpenDoor {
        &self.door
    }

    /// Shuts the door first, then ends the agent.
    pub async fn stop(self) {
        self.stop_because("its sandbox was not needed any more").await;
    }

    /// The same, and says why in the log.
    pub async fn stop_because(self, why: &'static str) {
        let LiveSandbox { sandbox, door, folders, .. } = self;
        door.close_because(why);
        sandbox.stop(GRACE).await;
        drop(folders);
    }
}

impl Drop for OwnFolders {
    fn drop(&mut self) {
        remove_folder(&self.door);
        remove_folder(&self.other);
    }
}

/// The image of a group's sandboxes.
pub fn image(settings: &GroupSettings, engine: &config::Engine) -> String {
    let own = || match settings.agent {
        config::Agent::Shell => engine.image.clone().unwrap_or_else(images::base_tag),
        config::Agent::Claude { .. } => images::claude_tag(),
    };
    settings.image.clone().unwrap_or_else(own)
}

fn limits(group: &config::GroupLimits, engine: &config::Engine) -> containers::Limits {
    let usual = containers::Limits::default();
    containers::Limits {
        pids: i64::from(group.pids.unwrap_or(engine.pids)),
        memory: i64::try_from(group.memory.unwrap_or(engine.memory)).unwrap_or(i64::MAX),
        cpus: group.cpus.unwrap_or(engine.cpus),
        open_files: group.open_files.map_or(usual.open_files, i64::from),
    }
}

/// Makes a folder with exactly this mode, whatever the umask says.
fn make_folder(path: &Path, mode: u32) -> Result<(), SandboxError> {
    let made =
        std::fs::create_dir_all(path).and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(mode)));
    made.map_err(|error| SandboxError::Folder { path: path.to_owned(), error })
}

fn remove_folder(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "A sandbox's folder could not be removed");
    }
}
