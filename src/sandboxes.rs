//! Sandboxes for groups: a door, folders, and a container around an agent.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use containers::protocol::Agent;
use containers::{CreateRequest, Engine, Sandbox, SandboxSpec, SandboxUser};
use policies::{GroupName, SandboxId};

use crate::agents::{self, Order};
use crate::config::{self, Config, GroupSettings};
use crate::gateway::Gateway;
use crate::home::Home;
use crate::images::{self, ImageError};
use crate::memory;
use crate::store::ledger::Notice;
use alive::Alive;
use ballast::Ballast;
use bounds::{bound, kept, kept_by, limits};
use delegate::Helper;
use live::Mounted;
use mounts::{Claim, Held};
use own::OwnFolders;
use skilled::Told;
use users::Users;
pub(crate) use users::nobodys;
use watch::{Watch, Watched};

mod alive;
mod ballast;
mod bounds;
mod disk;
pub mod delegate;
mod error;
mod live;
pub mod mounts;
mod own;
pub(crate) mod removal;
pub mod remains;
mod skilled;
mod spec;
mod unlinked;
mod users;
pub(crate) mod walk;
mod watch;

pub use disk::Bound;
pub use error::SandboxError;
pub use live::LiveSandbox;

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
    alive: Alive,
    told: Told,
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

/// An edit of the finished request to the engine.
pub type Hole = Box<dyn FnOnce(&mut CreateRequest) + Send>;

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
            alive: Alive::default(),
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
        Ok(LiveSandbox {
            _alive: self.alive.begin(&id, order.at),
            agent: spec.agent,
            order,
            sandbox,
            watched,
            door,
            folders,
            mounted: Mounted::at(&spec.folders.group),
            _claim: claim,
        })
    }

    /// Removes the containers and door folders of a dead daemon.
    pub async fn remove_orphans(&self) -> Result<Vec<String>, SandboxError> {
        let removed = self.engine.remove_orphans(&self.installation, &[]).await;
        let removed = removed.map_err(|error| SandboxError::Orphans(error.to_string()))?;
        let folders = [self.home.doors_dir(), self.home.sandboxes_dir()];
        let cleared = tokio::task::spawn_blocking(move || own::clear(&folders)).await;
        cleared.map_err(|error| SandboxError::Orphans(error.to_string()))?;
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
        Ok(user.of_a_group(uid))
    }

    /// Whether each group's sandboxes have their own user.
    pub fn has_users_of_groups(&self) -> bool {
        self.engine.sandbox_user().chown
    }

    /// Resolves when a sandbox has ended; at once if there is none.
    pub async fn until_gone(&self, sandbox: &SandboxId) {
        self.alive.until_gone(sandbox).await;
    }

    /// Which of its group's agents runs in a sandbox; `None` if there is no such sandbox.
    pub fn place_of(&self, sandbox: &SandboxId) -> Option<usize> {
        self.alive.place_of(sandbox)
    }

    /// The most bytes that a group's folders may hold.
    pub fn most_bytes(&self, group: &GroupName) -> Result<u64, SandboxError> {
        Ok(bound(&GroupSettings::load(&self.home, group)?.limits, &self.config.engine).bytes)
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

/// Makes a folder with exactly this mode, whatever the umask says.
fn make_folder(path: &Path, mode: u32) -> Result<(), SandboxError> {
    let made =
        std::fs::create_dir_all(path).and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(mode)));
    made.map_err(|error| SandboxError::Folder { path: path.to_owned(), error })
}
