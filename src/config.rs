//! `doorward.toml`: what the owner says about the engine, the queue, the way
//! upstream and the credentials.
//!
//! What it is not: policies (a file per group, crate `policies`), and no place for secrets: a credential says
//! where its secret is. No message of this module shows a value that could be one.

mod command;
mod keyring;
mod credential;
mod oauth;
mod group;
pub mod keys;
mod mount;
mod place;
mod prices;
mod read;
mod resolver;
mod secret;
pub mod services;
mod values;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use desk::Problems;
use policies::{HostName, TimeOfDay};

pub use credential::{Credential, CredentialHost, Shape};
pub use group::{Agent, GroupLimits, GroupSettings, HelperLimits, People, Trigger};
pub use mount::{Access, Mount, Mounts};
pub(crate) use mount::{Pattern, pattern};
pub use oauth::OAuth;
pub use prices::{PRICES_OF, Price, Prices};
pub use resolver::{HttpsServer, Resolver};
pub use secret::{SecretSource, SecretUnreadable};
pub(crate) use values::{credential_name, host_folder, local_zone};

use crate::home::{Home, read_text};
use crate::phrases::Language;

/// The configuration of one installation.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[assistant]`.
    pub assistant: Assistant,
    /// `[chat]`.
    pub chat: Chat,
    /// `[owner]`.
    pub owner: Owner,
    /// `[absence]`.
    pub absence: Absence,
    /// `[engine]`.
    pub engine: Engine,
    /// `[queue]`.
    pub queue: Queue,
    /// `[upstream]`.
    pub upstream: Upstream,
    /// `[alarm]`.
    pub alarm: Alarm,
    /// `[audit]`.
    pub audit: Audit,
    /// `[messages]`.
    pub messages: Messages,
    /// `[mounts]`.
    pub mounts: Mounts,
    /// `[digest]`.
    pub digest: Digest,
    /// `[privacy]`.
    pub privacy: Privacy,
    /// `[channels.NAME]`.
    pub channels: Channels,
    /// `[credentials.NAME]`.
    pub credentials: BTreeMap<Arc<str>, Credential>,
    /// `[prices]`: the owner's own.
    pub prices: Prices,
    /// `[canaries]`: baits that nothing has a reason to send, by the owner's names for them.
    pub canaries: BTreeMap<Arc<str>, SecretSource>,
}

/// Who answers in the chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assistant {
    /// Its name: `@Name` at the start of a message calls it.
    pub name: String,
    /// The owner's time zone, for days and for the times that are shown; the machine's by default.
    pub time_zone: jiff::tz::TimeZone,
}

/// Who the owner is in a main chat with several people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The owner's ids, as the channel gives them.
    pub identities: Vec<String>,
}

/// What happens to groups while their owner is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// After how long without a word from the owner only models are reachable; `None` for never.
    pub after: Option<Duration>,
}

/// How Doorward itself speaks in chats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chat {
    /// The language; a group's file may name another.
    pub language: Language,
}

/// The container engine, and what one sandbox may use of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// `unix:///run/docker.sock`; the engine's usual socket by default.
    pub host: Option<String>,
    /// `runsc`, `kata-runtime`, …; the engine's own by default.
    pub runtime: Option<String>,
    /// The image of groups that name none; the base image by default.
    pub image: Option<String>,
    /// Memory in bytes.
    pub memory: u64,
    /// Number of processors, in fractions.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// The most bytes that a group may keep in its folders.
    pub disk: u64,
    /// The most files and folders that it may keep there.
    pub files: u64,
}

/// How many sandboxes run, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The most that run at once.
    pub sandboxes: usize,
    /// An idle sandbox closes after this.
    pub idle: Duration,
    /// A run that takes longer is ended.
    pub longest: Duration,
}

/// Who hears of an alarm besides the main group's chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// A program by its full path, with its arguments; empty for none.
    pub command: Vec<String>,
}

/// How much of the audit log is kept; the oldest records go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The longest that a record is kept.
    pub age: Duration,
    /// The most bytes that are kept.
    pub size: u64,
}

/// How long chats are kept: messages, replies and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The longest that anything settled is kept; open work stays.
    pub age: Duration,
}

/// When the main chat gets the day's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The time of day; `None` for never.
    pub at: Option<TimeOfDay>,
}

/// What people in chats are told about their data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The notice that a chat of several people gets once.
    pub notice: PeopleNotice,
}

/// The notice that a chat of several people gets once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PeopleNotice {
    /// Doorward's own text.
    #[default]
    Usual,
    /// The owner's own text.
    Own(String),
    /// None: the owner has told them.
    Off,
}

/// The channels that are programs of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// `[channels.whatsapp]`.
    pub whatsapp: Whatsapp,
}

/// The WhatsApp channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whatsapp {
    /// Whether the daemon runs it.
    pub enabled: bool,
    /// The program; by default the one next to the daemon's own.
    pub program: Option<PathBuf>,
    /// Whose account it is.
    pub mode: WhatsappMode,
}

/// Whose account the WhatsApp channel is linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhatsappMode {
    /// The assistant's own.
    #[default]
    OwnNumber,
    /// The owner's own, who writes to themselves.
    SelfChat,
}

impl WhatsappMode {
    /// The word in the configuration and on the program's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            WhatsappMode::OwnNumber => "own-number",
            WhatsappMode::SelfChat => "self-chat",
        }
    }
}

/// The name of the WhatsApp channel.
pub const WHATSAPP: &str = "whatsapp";

/// Its program.
pub const WHATSAPP_PROGRAM: &str = "doorward-whatsapp";

/// Where hosts resolve, and who vouches for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Who resolves names.
    pub resolver: Resolver,
    /// PEM files with further certificate authorities.
    pub extra_ca: Vec<PathBuf>,
    /// Certificate revocation lists.
    pub crl: Vec<PathBuf>,
    /// Names to which the owner has given an address.
    pub hosts: BTreeMap<HostName, Pinned>,
}

/// The address that the owner has given a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The address.
    pub ip: IpAddr,
    /// Dial this port, whatever the request says.
    pub port: Option<u16>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It asks for something that cannot be done.
    #[error(transparent)]
    Problems(#[from] Problems),
}

impl Config {
    /// Reads the home's `doorward.toml`. Without a file: the defaults.
    pub fn load(home: &Home) -> Result<Self, ConfigError> {
        let path = home.config_file();
        match read_text(&path) {
            Ok(text) => Ok(Self::parse(&path.display().to_string(), &text, home.config_dir())?),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    /// Parses a configuration. `name` is what problems call the file; relative paths start in `dir`.
    pub fn parse(name: &str, text: &str, dir: &Path) -> Result<Self, Problems> {
        read::config(name, text, dir)
    }
}

impl Default for Messages {
    fn default() -> Self {
        Messages { age: Audit::default().age }
    }
}

impl Default for Digest {
    fn default() -> Self {
        Digest { at: TimeOfDay::new(8, 0) }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Audit { age: Duration::from_hours(24 * 400), size: 2 << 30 }
    }
}

impl Default for Assistant {
    fn default() -> Self {
        Assistant { name: "Doorward".to_owned(), time_zone: jiff::tz::TimeZone::system() }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Engine {
            host: None,
            runtime: None,
            image: None,
            memory: 2 << 30,
            cpus: 2.0,
            pids: 512,
            disk: 20_000_000_000,
            files: 1_000_000,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Queue { sandboxes: 3, idle: Duration::from_mins(10), longest: Duration::from_hours(1) }
    }
}

#[cfg(test)]
mod tests;
