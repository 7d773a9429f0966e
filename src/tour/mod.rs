//! The stage of the tour: a home in a temporary folder, two small servers on loopback, and a group whose shell agent
//! runs in a real sandbox behind a real door.
//!
//! What it is: the setup, the questions and the cleanup. What it is not: the story, which `doorward tour` tells.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use containers::protocol::{FromGuest, ToGuest};
use containers::{Engine, SandboxLost};
use policies::GroupName;
use tempfile::TempDir;

use crate::config::{Config, ConfigError};
use crate::gateway::{Gateway, GatewayError};
use crate::home::{Home, HomeError, make_private_file};
use crate::loopback::{Authority, AuthorityError, Request};
use crate::operations::Operations;
use crate::sandboxes::{LiveSandbox, SandboxError, Sandboxes};
use crate::store::ledger::{AuditEntry, AuditLog, Filter};
use crate::store::{RunId, StoreError};
use proxy::ports::NobodyToAsk;

mod town;

pub use town::Town;

/// The group of the tour.
pub const GROUP: &str = "family";

/// The variable that holds the agent's surrogate.
pub const VARIABLE: &str = "BANK_TOKEN";

/// A stage, set up.
pub struct Tour {
    home: Home,
    group: GroupName,
    town: Town,
    gateway: Arc<Gateway>,
    log: Arc<AuditLog>,
    sandbox: LiveSandbox,
    turn: u64,
}

/// The tour's place. It outlives the tour, so that nothing is left however that ends.
pub struct Place {
    folder: TempDir,
    home: Home,
    engine: Engine,
}

/// Why the tour could not continue.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TourError {
    #[error("a temporary folder could not be made: {0}")]
    Folder(std::io::Error),
    #[error("{0} could not be written: {1}")]
    Write(String, std::io::Error),
    #[error("the bank of the tour could not be opened on this machine: {0}")]
    Town(std::io::Error),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Lost(#[from] SandboxLost),
    #[error("the agent failed: {0}")]
    Agent(String),
    #[error("{0} is no name for a group")]
    Group(String),
}

impl Place {
    /// A temporary home.
    pub fn new(engine: Engine) -> Result<Self, TourError> {
        let folder = tempfile::Builder::new().prefix("doorward-tour-").tempdir().map_err(TourError::Folder)?;
        let home = Home::at(folder.path())?;
        home.prepare()?;
        Ok(Place { folder, home, engine })
    }

    /// Its home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Removes whatever is left of the tour: containers, then the folder.
    pub async fn clear(self) -> Result<(), String> {
        let id = self.home.installation_id().map_err(|error| error.to_string())?;
        self.engine.remove_orphans(&id, &[]).await.map_err(|error| error.to_string())?;
        self.folder.close().map_err(|error| error.to_string())
    }
}

impl Tour {
    /// Sets the stage: when this returns, the agent takes commands.
    pub async fn start(place: &Place) -> Result<Self, TourError> {
        let home = place.home.clone();
        let group = GroupName::parse(GROUP).map_err(TourError::Group)?;
        let authority = Authority::new("Doorward tour")?;
        let town = Town::open(&authority).await?;
        write(&home.config_dir().join("tour-ca.pem"), authority.pem())?;
        write(&home.config_dir().join("bank-key"), town.key())?;
        write(&home.config_file(), &town.configuration())?;
        write(&home.policy_file(&group), Town::POLICY)?;
        let config = Config::load(&home)?;
        let log = Arc::new(AuditLog::open(&home.audit_log())?);
        let gateway =
            Gateway::open(&home, &config, log.clone(), Operations::of(log.clone(), None), Arc::new(NobodyToAsk))?;
        let installation = home.installation_id()?;
        let sandboxes = Sandboxes::open(&home, &config, gateway.clone(), place.engine.clone(), installation)?;
        let sandbox = sandboxes.start_shell(&group).await?;
        Ok(Tour { home, group, town, gateway, log, sandbox, turn: 0 })
    }

    /// Sends the agent a command, as a chat message would; returns its reply.
    pub async fn ask(&mut self, command: &str) -> Result<String, TourError> {
        self.turn += 1;
        let turn = self.turn;
        self.sandbox.set_run(Some(turn));
        self.sandbox.send(&ToGuest::Prompt { id: turn, text: command.to_owned() }).await?;
        let mut reply = String::new();
        while let Some(said) = self.sandbox.next().await? {
            match said {
                FromGuest::Text { id, text } if id == turn => reply.push_str(&text),
                FromGuest::Done { id, .. } if id == turn => return Ok(reply),
                FromGuest::Error { message, .. } => return Err(TourError::Agent(message)),
                _ => {}
            }
        }
        Err(TourError::Agent("its sandbox ended".to_owned()))
    }

    /// The refusal of the last command, from the log.
    pub fn last_refusal(&self) -> Result<Option<AuditEntry>, TourError> {
        Ok(self.log.refusals_of_run(RunId(self.turn), 1)?.pop())
    }

    /// How many of the requests in the log match.
    pub fn count(&self, filter: &Filter) -> Result<usize, TourError> {
        Ok(self.log.entries(filter)?.len())
    }

    /// Adds lines to the group's policy file and nothing else: the daemon notices.
    pub fn allow(&self, lines: &[String]) -> Result<(), TourError> {
        let path = self.home.policy_file(&self.group);
        let before =
            std::fs::read_to_string(&path).map_err(|error| TourError::Write(path.display().to_string(), error))?;
        write(&path, &format!("{before}\n{}\n", lines.join("\n")))
    }

    /// The `Authorization` header of the last request that reached the bank.
    pub fn bank_received(&self) -> Option<String> {
        let last = self.town.bank().heard().last()?;
        Request::read(&last)?.header("authorization").map(str::to_owned)
    }

    /// The servers.
    pub fn town(&self) -> &Town {
        &self.town
    }

    /// The agent's surrogate for the key.
    pub fn surrogate(&self) -> Option<&str> {
        let held = self.sandbox.door().environment();
        held.iter().find(|(name, _)| name == VARIABLE).map(|(_, value)| value.as_str())
    }

    /// Where the log is.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The number of rules in force, to see a change arrive.
    pub fn rules(&self) -> usize {
        self.gateway.policy(&self.group).rules().count()
    }

    /// Waits until this many rules are in force, as after saving a file; returns whether they were in time.
    pub async fn until_rules(&self, count: usize) -> bool {
        let in_force = async {
            while self.rules() != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), in_force).await.is_ok()
    }

    /// Shuts the door and ends the agent.
    pub async fn stop(self) {
        self.sandbox.stop().await;
    }
}

fn write(path: &Path, text: &str) -> Result<(), TourError> {
    make_private_file(path)?;
    std::fs::write(path, text).map_err(|error| TourError::Write(path.display().to_string(), error))
}
