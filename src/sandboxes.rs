//! Sandboxes for groups: a door, folders, and a container around an agent.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use containers::protocol::{Agent, FromGuest, ToGuest};
use containers::{CreateRequest, Engine, Sandbox, SandboxLost, SandboxSpec, SandboxUser, StartError};
use policies::GroupName;
use tokio::sync::watch as watch_of;

use crate::agents::{self, NoKey, Order};
use crate::config::{self, Config, ConfigError, GroupSettings};
use crate::gateway::{Gateway, GatewayError, OpenDoor};
use crate::home::Home;
use crate::images::{self, ImageError};
use crate::memory::{self, MemoryError};
use crate::store::ledger::Notice;
use ballast::Ballast;
use bounds::{bound, kept, kept_by, limits};
use delegate::Helper;
use mounts::{Claim, Held, MountError};
use skilled::Told;
use users::Users;
pub(crate) use users::nobodys;
use watch::{Ticket, Watch, Watched};

mod ballast;
mod bounds;
mod disk;
pub mod delegate;
pub mod mounts;
mod skilled;
mod spec;
mod unlinked;
mod users;
pub(crate) mod walk;
mod watch;

pub use disk::Bound;

/// How long an agent may take to finish when its sandbox is stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Starts sandboxes on the engine.
pub struct Sandboxes {
    home: Home,
    config: Config,
    gateway: Arc<Gateway>,
    engine: Engine,
    installation: String,
    users: Users,
    watch: Watch,
    held: Held,
    /// The live sandboxes, and which of its group's agents runs in each.
    alive: Mutex<BTreeMap<String, (usize, watch_of::Receiver<()>)>>,
    told: Told,
}

/// A running sandbox with its door.
///
/// Dropped without [`LiveSandbox::stop`], it ends in the same order: the door first.
pub struct LiveSandbox {
    agent: Agent,
    order: Order,
    door: OpenDoor,
    sandbox: Sandbox,
    watched: Ticket,
    folders: OwnFolders,
    /// The group's folder as mounted: a new folder under the same name is another one.
    mounted: (PathBuf, Option<(u64, u64)>),
    /// Reserves the owner's folders mounted in it: no other group gets them until it ends.
    _claim: Claim,
    _alive: watch_of::Sender<()>,
}

/// What a sandbox is for.
enum Wanted<'h> {
    /// For its group, with one of its agents.
    Usual(Order),
    /// With a deliberate hole, for the drill.
    Holed(Hole),
    /// For a helper.
    Helper(&'h Helper),
    /// For fetching an image's files.
    Fetch,
}

/// What exists on the host only for this sandbox; removed with it.
struct OwnFolders {
    door: PathBuf,
    other: PathBuf,
}

/// An edit of the finished request to the engine.
pub type Hole = Box<dyn FnOnce(&mut CreateRequest) + Send>;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The group's settings file is wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// Its image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its agent would have no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// A folder on the host cannot be prepared.
    #[error("the sandbox's folder {path} cannot be made ready: {error}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Its door cannot be opened.
    #[error(transparent)]
    Door(#[from] GatewayError),
    /// The memory for all groups cannot be copied.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A folder of the owner's cannot be mounted.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The container cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its group's folders are over their limit.
    #[error("{}", watch::too_much(*.0))]
    TooMuch(Bound),
    /// Its group has filled the disk, which is still almost full.
    #[error("{}", watch::ALMOST_FULL)]
    AlmostFull,
    /// The remains of a dead daemon cannot be removed.
    #[error("sandboxes of an earlier daemon could not be removed: {0}")]
    Orphans(String),
}

impl Sandboxes {
    /// Sandboxes for the groups of a home.
    pub fn open(
        home: &Home,
        config: &Config,
        gateway: Arc<Gateway>,
        engine: Engine,
        installation: String,
    ) -> Result<Self, SandboxError> {
        let log = gateway.log().clone();
        let watch = Watch::new(
            engine.clone(),
            Ballast::at(home.data().join("ballast")),
            Box::new(move |group, text| {
                let text = format!("a sandbox of group {group} was ended: {text}");
                if let Err(error) = log.notice(&Notice::new("disk", Some(group), text)) {
                    tracing::error!(%error, "The end of a sandbox was not stored");
                }
            }),
        );
        let (home, config, users) = (home.clone(), config.clone(), Users::default());
        Ok(Sandboxes {
            home,
            config,
            gateway,
            engine,
            installation,
            users,
            watch,
            held: Held::default(),
            alive: Mutex::default(),
            told: Told::default(),
        })
    }

    /// The engine they run on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts a group's sandbox with its agent; when this returns, the agent takes prompts. `resume` is the session to
    /// continue, if the agent has sessions. `at` is the index of the group's agent; the first if its file names fewer
    /// by now.
    pub async fn start(
        &self,
        group: &GroupName,
        at: usize,
        resume: Option<String>,
    ) -> Result<LiveSandbox, SandboxError> {
        let settings = GroupSettings::load(&self.home, group)?;
        let chosen = settings.agents().nth(at).unwrap_or(&settings.agent).clone();
        let next = settings.agents().nth(at + 1).map(ToString::to_string);
        let order = Order { at, name: chosen.to_string(), next };
        agents::check_key(group, &chosen, &self.gateway.policy(group), &self.config)?;
        let agent = agents::driven(&chosen, resume);
        let settings = GroupSettings { agent: chosen, ..settings };
        self.start_as(group, agent, &settings, Wanted::Usual(order)).await
    }

    /// The same sandbox with only a shell, for `exec` and the tour.
    pub async fn start_shell(&self, group: &GroupName) -> Result<LiveSandbox, SandboxError> {
        let settings = GroupSettings::load(&self.home, group)?;
        self.start_as(group, Agent::Shell, &settings, Wanted::Usual(alone(&settings))).await
    }

    /// A sandbox with a shell that fetches an image's files, under the policy of that name. It holds nothing from an
    /// earlier fetch and nothing of any group's.
    pub async fn start_fetch(&self, policy: &GroupName) -> Result<LiveSandbox, SandboxError> {
        let settings = GroupSettings::load(&self.home, policy)?;
        self.start_as(policy, Agent::Shell, &settings, Wanted::Fetch).await
    }

    /// The same with a deliberate hole, for the drill: see [`Sandbox::start_with_hole`].
    pub async fn start_with_hole(&self, group: &GroupName, hole: Hole) -> Result<LiveSandbox, SandboxError> {
        let settings = GroupSettings::load(&self.home, group)?;
        self.start_as(group, Agent::Shell, &settings, Wanted::Holed(hole)).await
    }

    async fn start_as(
        &self,
        group: &GroupName,
        agent: Agent,
        settings: &GroupSettings,
        wanted: Wanted<'_>,
    ) -> Result<LiveSandbox, SandboxError> {
        let identity = crate::gateway::new_identity(group);
        let id = identity.sandbox.to_string();
        let folders = OwnFolders { door: self.home.doors_dir().join(&id), other: self.home.sandboxes_dir().join(&id) };
        // The agent may traverse its door's folder to reach the socket, but not list or change it.
        make_folder(&folders.door, 0o711)?;
        make_folder(&folders.other, 0o700)?;
        let (claim, extra) = self.mounts(group, settings, &id, &folders).await?;
        let policy = match &wanted {
            Wanted::Helper(helper) => self.gateway.narrowed_policy(group, &helper.narrow),
            Wanted::Usual(_) | Wanted::Holed(_) | Wanted::Fetch => self.gateway.policy_handle(group),
        };
        let door = self.gateway.open_door_as(identity, &folders.door.join("door.sock"), policy)?;
        door.will_be_looked_at();
        let mut spec = SandboxSpec { agent, ..self.spec(group, settings, &id, &folders, &door)? };
        spec.folders.extra = extra;
        match &wanted {
            Wanted::Helper(helper) => delegate::furnish(&mut spec, &folders, Some(helper))?,
            Wanted::Fetch => {
                delegate::furnish(&mut spec, &folders, None)?;
                (spec.folders.global, spec.folders.skills) = (None, None);
            }
            Wanted::Usual(_) | Wanted::Holed(_) => {}
        }
        let (kept, bound) = kept(&spec, bound(&settings.limits, &self.config.engine)).await?;
        if !self.watch.has_room_for(group, &kept) {
            return Err(SandboxError::AlmostFull);
        }
        let before = kept_by(&kept, bound).await?;
        let order = match &wanted {
            Wanted::Usual(order) => order.clone(),
            Wanted::Holed(_) | Wanted::Helper(_) | Wanted::Fetch => alone(settings),
        };
        let sandbox = match wanted {
            Wanted::Usual(_) | Wanted::Helper(_) | Wanted::Fetch => Sandbox::start(&self.engine, &spec).await?,
            Wanted::Holed(hole) => Sandbox::start_with_hole(&self.engine, &spec, hole).await?,
        };
        if let Some(path) = claim.replaced() {
            return Err(mounts::replaced(group, path).into());
        }
        let container = sandbox.container_id().to_owned();
        let watched = self.watch.begin(&id, Watched::new(group.clone(), container, kept, bound, before));
        tracing::info!(sandbox.id = %id, sandbox.group = %group, "Sandbox started");
        let mounted = (spec.folders.group.clone(), inode(&spec.folders.group));
        Ok(LiveSandbox {
            _alive: self.lives(&id, order.at),
            agent: spec.agent,
            order,
            sandbox,
            watched,
            door,
            folders,
            mounted,
            _claim: claim,
        })
    }

    /// Removes the containers and door folders of a dead daemon.
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

    /// The owner's folders that a group's file mounts, checked.
    async fn mounts(
        &self,
        group: &GroupName,
        settings: &GroupSettings,
        id: &str,
        own: &OwnFolders,
    ) -> Result<(Claim, Vec<containers::Extra>), SandboxError> {
        let (home, held, group, id) = (self.home.clone(), self.held.clone(), group.clone(), id.to_owned());
        let (mounts, own) = (settings.mounts.clone(), own.other.join("mounts"));
        let failed = {
            let own = own.clone();
            |error| SandboxError::Folder { path: own, error: io::Error::other(error) }
        };
        let looking = tokio::task::spawn_blocking(move || mounts::claim(&home, &group, &mounts, &held, (&id, &own)));
        Ok(looking.await.map_err(failed)??)
    }

    /// The user in a group's sandboxes: one per group where we may change a folder's owner.
    fn user(&self, group: &GroupName, folder: &Path) -> Result<SandboxUser, SandboxError> {
        let user = self.engine.sandbox_user();
        if !user.chown {
            return Ok(user);
        }
        let failed = |error| SandboxError::Folder { path: folder.to_owned(), error };
        let uid = self.users.take(&self.home, group, user.uid).map_err(failed)?;
        memory::hand_over(folder, uid, uid).map_err(failed)?;
        Ok(user.of_a_group(uid))
    }

    /// Whether each group's sandboxes have their own user.
    pub fn has_users_of_groups(&self) -> bool {
        self.engine.sandbox_user().chown
    }

    /// The most bytes that a group's folders may hold.
    pub fn most_bytes(&self, group: &GroupName) -> Result<u64, SandboxError> {
        Ok(bound(&GroupSettings::load(&self.home, group)?.limits, &self.config.engine).bytes)
    }
}

impl LiveSandbox {
    /// Sends a message to the guest.
    pub async fn send(&mut self, message: &ToGuest) -> Result<(), SandboxLost> {
        let sent = self.sandbox.send(message).await;
        sent.map_err(|lost| self.why_ended().unwrap_or(lost))
    }

    /// The guest's next message; `None` when it has exited.
    pub async fn next(&mut self) -> Result<Option<FromGuest>, SandboxLost> {
        match self.sandbox.next().await {
            Ok(Some(said)) => Ok(Some(said)),
            over => self.why_ended().map_or(over, Err),
        }
    }

    /// Whether it was ended for exceeding a limit.
    pub fn was_ended(&self) -> bool {
        self.watched.why().is_some()
    }

    /// Why something else ended it, if so.
    fn why_ended(&self) -> Option<SandboxLost> {
        self.watched.why().map(|why| SandboxLost::Ended { why: why.clone() })
    }

    /// Sets the run that requests through its door belong to from now on.
    pub fn set_run(&self, run: Option<u64>) {
        self.door.set_run(run);
    }

    /// The agent in it.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Which of its group's agents it runs.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The engine's id of the container.
    pub fn container_id(&self) -> &str {
        self.sandbox.container_id()
    }

    /// Whether its working folder is still the group's.
    pub fn has_its_folder(&self) -> bool {
        inode(&self.mounted.0) == self.mounted.1
    }

    /// Attestation's findings, where there is a deliberate hole.
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

    /// The same, with a reason for the log.
    pub async fn stop_because(self, why: &'static str) {
        let LiveSandbox { sandbox, door, folders, watched, .. } = self;
        door.close_because(why);
        sandbox.stop(GRACE).await;
        drop(watched);
        drop(folders);
    }
}

impl Drop for OwnFolders {
    fn drop(&mut self) {
        remove_folder(&self.door);
        remove_folder(&self.other);
    }
}

/// The image of a group's sandboxes, as the engine knows it.
pub fn image(home: &Home, settings: &GroupSettings, engine: &config::Engine) -> Result<String, ImageError> {
    let Some(named) = &settings.image else { return Ok(agents::image(&settings.agent, engine)) };
    Ok(images::named(home, named)?.map_or_else(|| named.clone(), |own| own.tag()))
}

/// An agent without a successor.
fn alone(settings: &GroupSettings) -> Order {
    Order { at: 0, name: settings.agent.to_string(), next: None }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
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
