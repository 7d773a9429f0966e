//! The daemon: starts everything that serves a home in order, and ends it in order.
//!
//! `doorward up` runs one in the foreground; commands that need one and find none start their own. Both are the
//! same, and both are reached over the control socket.

mod kept;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containers::{ConnectError, Engine};
use policies::GroupName;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::absence::Absence;
use crate::alarms::Alarms;
use crate::approvals::{Approvals, Around, Times};
use crate::channels::program::{self, Pauses, Program};
use crate::channels::protocol::OutgoingKind;
use crate::clock::OwnersClock;
use crate::config::{Assistant, Config, ConfigError, GroupSettings, WHATSAPP, WHATSAPP_PROGRAM};
use crate::control::held::Held;
use crate::control::server::{Control, ControlSocket};
use crate::control::settings;
use crate::delegation::{Helpers, Voice};
use crate::digest::Digests;
use crate::gateway::{Gateway, GatewayError};
use crate::home::{Home, HomeError, Lock, LockError};
use crate::operations::{Chats, Counted, Operations};
use crate::phrases::Language;
use crate::pipeline::calling::Name;
use crate::pipeline::outbox::{self, OutboxHandle, Patience};
use crate::pipeline::reply;
use crate::pipeline::retries::Backoff;
use crate::pipeline::router::Peer;
use crate::pipeline::scheduler::TaskBell;
use crate::pipeline::waiting::Waits;
use crate::pipeline::{self, Allowance, Locks, Parts, Pipeline, PipelineTask, Settings};
use crate::sandboxes::{SandboxError, Sandboxes};
use crate::schedule::zone_name;
use crate::store::ledger::{AuditLog, Retention};
use crate::store::{Group, NewOutgoing, Say, Store, StoreError, Text};
use crate::upgrade;

/// When a first agent that was overloaded or out of credit is tried again.
const FIRST_AGENT_AGAIN: Duration = Duration::from_mins(30);

/// A daemon that serves a home.
pub struct Daemon {
    facts: Facts,
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
    pipeline_task: PipelineTask,
    outbox_task: JoinHandle<()>,
    control_task: JoinHandle<()>,
    alarms: Alarms,
    channel_tasks: Vec<JoinHandle<()>>,
    ending: watch::Sender<bool>,
    // Released last: no other daemon may serve the home before all of the above has ended.
    _lock: Lock,
}

/// Facts about a started daemon, for people.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where commands reach it.
    pub socket: PathBuf,
    /// The container engine, described.
    pub engine: String,
    /// How many containers of a dead daemon were removed.
    pub orphans: usize,
    /// The most sandboxes at once.
    pub cap: usize,
    /// What changed for the owner, if an older version served this home last.
    pub upgraded: Option<String>,
}

/// Why the daemon did not start. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Another daemon serves it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// `doorward.toml` is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A newer version has served this home.
    #[error(transparent)]
    Newer(#[from] upgrade::Newer),
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no container engine to run sandboxes on.
    #[error(transparent)]
    Engine(#[from] ConnectError),
    /// Doors, secrets or policies failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Sandboxes failed.
    #[error(transparent)]
    Sandboxes(#[from] SandboxError),
    /// The control socket cannot be opened.
    #[error("cannot listen at {path}: {source}", path = path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Daemon {
    /// Starts serving a home: when this returns, its doors are open and its waiting messages are being answered.
    pub async fn start(home: &Home) -> Result<Self, DaemonError> {
        home.prepare()?;
        let lock = home.lock()?;
        upgrade::may_serve(home)?;
        let fingerprint = settings::fingerprint(home);
        let config = Config::load(home)?;
        let store = Arc::new(Store::serve(&home.main_db())?);
        let retention =
            Retention { age: Some(config.audit.age), size: Some(config.audit.size), ..Retention::default() };
        let clock = OwnersClock::new(config.assistant.time_zone.clone());
        let (ledger, lost) = kept::open_log(&home.audit_log(), &home.old_audit_db(), retention, &store, &clock)?;
        let engine = Engine::connect(config.engine.host.as_deref()).await?;
        let described = format!("{:?} {}", engine.facts().kind, engine.facts().version);
        let settings = settings(&config);
        let cap = settings.cap;
        let (outbox, inbox) = outbox::handle();
        let counted = Counted { clock: clock.clone(), prices: config.prices.with_shipped() };
        let bell = TaskBell::default();
        let times = Times::of_the_machine();
        let approvals = Approvals::open(home, Arc::clone(&store), ledger.clone(), times.clone())?;
        let owner = Arc::clone(&approvals);
        let helpers = Arc::new(Helpers::default());
        let chats = Chats {
            store: Arc::clone(&store),
            outbox: outbox.clone(),
            owner,
            home: home.clone(),
            counted,
            bell: bell.clone(),
            helpers: Arc::clone(&helpers),
            zone: zone_name(&config.assistant.time_zone).map(str::to_owned),
            spoken: Arc::new(spoken(home, &config)),
        };
        let operations = Operations::of(ledger.clone(), Some(chats));
        let gateway = Gateway::open(home, &config, ledger.clone(), operations, approvals.clone())?;
        let absence = absence(home, &config, &ledger, times, &gateway);
        let say = Say::new(gateway.secrets(), Arc::clone(&ledger)).speaking(spoken(home, &config));
        let outbox_task = inbox.start(Arc::clone(&store), say.clone(), Patience::default());
        let installation = home.installation_id()?;
        let sandboxes = Arc::new(Sandboxes::open(home, &config, Arc::clone(&gateway), engine, installation)?);
        helpers.run_in(Arc::downgrade(&sandboxes), Handle::current(), voice(&store, &say, &outbox));
        let orphans = sandboxes.remove_orphans().await?.len();
        let socket = home.control_socket();
        let listening =
            ControlSocket::bind(&socket).map_err(|source| DaemonError::Socket { path: socket.clone(), source })?;
        let (pipeline, pipeline_task) = Pipeline::start(Parts {
            locks: locks(&gateway),
            allowance: allowance(&gateway, clock.clone()),
            absence: Arc::clone(&absence),
            home: home.clone(),
            store: Arc::clone(&store),
            ledger: Arc::clone(&ledger),
            say: say.clone(),
            outbox: outbox.clone(),
            approvals: Arc::clone(&approvals),
            bell,
            sandboxes: Arc::clone(&sandboxes),
            settings,
        })?;
        let (digest_say, digest_outbox) = (say.clone(), outbox.clone());
        ask_owner(&approvals, &gateway, &pipeline, outbox.clone(), (say, config.owner.identities.clone()));
        let alarms = watch_alarms(Arc::clone(&ledger), &config, Arc::clone(&pipeline));
        // Loaded before anything changes: a later save with a mistake leaves this version in force.
        for group in store.groups()? {
            gateway.policy_handle(&group.name);
        }
        if let Some(lost) = lost {
            kept::tell_lost(&ledger, &store, &lost);
        }
        let (ending, _) = watch::channel(false);
        tokio::spawn(Arc::clone(&approvals).put_questions(ending.subscribe()));
        let digests = Digests {
            at: config.digest.at,
            clock,
            home: home.clone(),
            store: Arc::clone(&store),
            ledger: Arc::clone(&ledger),
            prices: config.prices.with_shipped(),
            say: digest_say,
            outbox: digest_outbox,
        };
        tokio::spawn(digests.keep(ending.subscribe()));
        tokio::spawn(Arc::clone(&absence).watch(ending.subscribe()));
        tokio::spawn(kept::watch(Arc::clone(&store), ledger, kept::LOOK, ending.subscribe()));
        let (of, usual) = (home.clone(), config.messages.age);
        let old = move |store: &Store| kept::old(&of, store, usual);
        tokio::spawn(kept::retain(Arc::clone(&store), old, kept::SETTLED, ending.subscribe()));
        let control = Control {
            store: Arc::clone(&store),
            gateway,
            sandboxes,
            helpers,
            pipeline: Arc::clone(&pipeline),
            approvals,
            outbox,
            programs: if config.channels.whatsapp.enabled { vec![WHATSAPP] } else { Vec::new() },
            engine: described.clone(),
            absence,
            cap,
            settings: fingerprint,
            stops: broadcast::channel(64).0,
            held: Held::default(),
            ending: ending.clone(),
        };
        let control_task = tokio::spawn(listening.serve(control));
        let channel_tasks = start_channels(home, &config, &pipeline, &ending);
        tracing::info!(home = %home, engine = described, orphans, "the daemon serves");
        let upgraded = upgrade::served(home);
        let facts = Facts { socket, engine: described, orphans, cap, upgraded };
        Ok(Daemon {
            facts,
            store,
            pipeline,
            pipeline_task,
            outbox_task,
            control_task,
            alarms,
            channel_tasks,
            ending,
            _lock: lock,
        })
    }

    /// Facts about it, for people.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The registered groups.
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.store.groups()
    }

    /// Waits until somebody asks it to end, over the control socket.
    pub async fn asked_to_end(&self) {
        // An error means that nobody can ask any more.
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
    }

    /// Ends it: doors shut, sandboxes removed, socket unlinked, lock released. Runs in progress are settled at the
    /// next start.
    pub async fn stop(self) {
        self.ending.send_replace(true);
        self.pipeline.shutdown().await;
        for task in self.channel_tasks {
            let _ = task.await;
        }
        let _ = self.control_task.await;
        let _ = self.pipeline_task.await;
        self.alarms.end().await;
        // It holds the log, which writes its last counts when its last handle is dropped.
        self.outbox_task.abort();
        let _ = self.outbox_task.await;
        if let Err(error) = self.store.durable().await {
            tracing::error!(%error, "what was stored last is not on the disk");
        }
        tracing::info!("the daemon has ended");
    }
}

/// Connects the questions to the owner with everything they need.
fn ask_owner(
    approvals: &Arc<Approvals>,
    gateway: &Arc<Gateway>,
    pipeline: &Arc<Pipeline>,
    outbox: OutboxHandle,
    (say, owners): (Say, Vec<String>),
) {
    let (hears, policies, agents) = (Arc::downgrade(approvals), Arc::downgrade(gateway), Arc::downgrade(pipeline));
    let locked = policies.clone();
    gateway.tell_replaced_policies(Box::new(move |group| {
        if let Some(approvals) = hears.upgrade() {
            approvals.policy_changed(group);
        }
    }));
    approvals.stands_among(Around {
        say,
        wake_outbox: Box::new(move || outbox.wake()),
        tell_agent: Box::new(move |group, id, text| {
            let told = agents.upgrade().map(|pipeline| pipeline.tell_agent(group, id, text));
            if let Some(Err(error)) = told {
                tracing::error!(%group, %error, "An agent could not be told that its owner said yes");
            }
        }),
        look_at_policy: Box::new(move |group| {
            if let Some(gateway) = policies.upgrade() {
                gateway.policy(group);
            }
        }),
        is_locked: Box::new(move |group| locked.upgrade().is_none_or(|gateway| gateway.locked().holds(group))),
        owners,
    });
}

/// The language of a group's chat: from its file, else from `[chat]`.
fn spoken(home: &Home, config: &Config) -> impl Fn(&GroupName) -> Language + Send + Sync + 'static {
    let (home, usual) = (home.clone(), config.chat.language);
    move |group| GroupSettings::load(&home, group).ok().and_then(|settings| settings.language).unwrap_or(usual)
}

/// Alarms go to the main group's chat and to the owner's command.
fn watch_alarms(ledger: Arc<AuditLog>, config: &Config, pipeline: Arc<Pipeline>) -> Alarms {
    Alarms::start(ledger, config.alarm.command.clone(), move |words| match pipeline.tell_owner(words.clone()) {
        Ok(true) => true,
        Ok(false) => {
            tracing::warn!("An alarm was told to nobody: no group is the main group");
            true
        }
        Err(error) => {
            tracing::error!(%error, "An alarm could not be told; it is tried again");
            false
        }
    })
}

/// Starts the channels that are programs. A missing program is reported, and the daemon carries on without it.
fn start_channels(
    home: &Home,
    config: &Config,
    pipeline: &Arc<Pipeline>,
    ending: &watch::Sender<bool>,
) -> Vec<JoinHandle<()>> {
    let whatsapp = &config.channels.whatsapp;
    if !whatsapp.enabled {
        return Vec::new();
    }
    let path = match program::find(whatsapp.program.as_deref(), WHATSAPP_PROGRAM) {
        Ok(path) => path,
        Err(error) => {
            tracing::error!(%error, "the WhatsApp channel does not run");
            return Vec::new();
        }
    };
    let folder = home.channel_dir(WHATSAPP).into_os_string();
    let arguments = ["--folder".into(), folder, "run".into(), "--mode".into(), whatsapp.mode.as_str().into()];
    let program = Program { channel: WHATSAPP, path, arguments: arguments.into() };
    let (pipeline, ending) = (Arc::clone(pipeline), ending.subscribe());
    vec![tokio::spawn(async move {
        let serve = |link| pipeline.serve_channel(link, Peer::Program(WHATSAPP));
        program::keep(program, Pauses::default(), ending, serve).await;
    })]
}

/// How often agents may be started, by the policies in force.
fn allowance(gateway: &Arc<Gateway>, clock: OwnersClock) -> Allowance {
    let gateway = Arc::clone(gateway);
    Allowance::new(move |group| {
        let most = gateway.policy(group).limits().runs_per_day?;
        Some((most, clock.start_of_day()))
    })
}

/// Counts how long the owner has been silent.
fn absence(home: &Home, config: &Config, ledger: &Arc<AuditLog>, times: Times, gateway: &Arc<Gateway>) -> Arc<Absence> {
    let doors = Arc::downgrade(gateway);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let (after, clocks) = (config.absence.after, (times, boot.trim().to_owned()));
    Absence::open((after, home.absence_file()), Arc::clone(ledger), clocks, move |away| {
        if let Some(gateway) = doors.upgrade() {
            gateway.set_away(away);
        }
    })
}

/// Lets the owner lock and unlock from the main chat.
fn locks(gateway: &Arc<Gateway>) -> Locks {
    let gateway = Arc::clone(gateway);
    Locks::new(move |group| {
        let written = gateway.lock(group, "the main group's chat");
        written.map_err(|error| format!("but it would be open after a restart: its file cannot be written: {error}"))
    })
}

fn settings(config: &Config) -> pipeline::Settings {
    let Assistant { name, time_zone } = &config.assistant;
    Settings {
        assistant: pipeline::Assistant { name: Name::new(name), shown: name.clone(), zone: time_zone.clone() },
        cap: config.queue.sandboxes,
        idle: config.queue.idle,
        backoff: Backoff::default(),
        waits: Waits { longest: config.queue.longest, ..Waits::default() },
        again: FIRST_AGENT_AGAIN,
        people_notice: config.privacy.notice.clone(),
    }
}

/// Posts a helper's result in its group's chat, where the owner wants to see each one.
fn voice(store: &Arc<Store>, say: &Say, outbox: &OutboxHandle) -> Box<Voice> {
    let (store, say, outbox) = (Arc::clone(store), say.clone(), outbox.clone());
    Box::new(move |group, name, found| {
        let Some(found) = reply::shown(found) else { return };
        // What must not be said is in the log.
        let Ok(text) = say.say(group, Text::Message(format!("{name}: {found}"))) else { return };
        let new = NewOutgoing { kind: OutgoingKind::Reply, text, in_reply_to: None };
        match store.enqueue(group, None, &new) {
            Ok(_) => outbox.wake(),
            Err(error) => tracing::error!(%group, %error, "what a helper found could not be said"),
        }
    })
}
