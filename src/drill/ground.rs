//! The drilling ground: the owner's own configuration, image, policy and group folder, on top of a temporary home with
//! the drill's audit log, credential and canaries.

use std::path::Path;
use std::sync::Arc;

use containers::{Engine, Network, guest, images};
use policies::{GroupName, Host, HostName};
use tempfile::TempDir;

use super::DrillError;
use super::canaries::{Canaries, Ear};
use super::holes::Edit;
use crate::config::{Config, Credential, CredentialHost, Pinned, Resolver, SecretSource};
use crate::gateway::policy_files::PolicyFiles;
use crate::gateway::{Gateway, OpenDoor};
use crate::home::{Home, make_private_file};
use crate::loopback::Authority;
use crate::operations::Operations;
use crate::sandboxes::{Sandboxes, nobodys};
use crate::store::Store;
use crate::store::ledger::AuditLog;
use proxy::Place;
use proxy::ports::NobodyToAsk;

/// The drill's rules on top of the group's own policy.
const RULES: &str = r#"
# ---- added by the drill ----
[[allow]]
host = "open.drill.test"
do = ["GET /public/**", "POST /notes"]
private = ["127.0.0.1/32"]

[[allow]]
host = "keyed.drill.test"
do = ["GET /**"]
credential = "doorward-drill"
private = ["127.0.0.1/32"]

[[allow]]
host = "inside.drill.test"
do = ["GET /**"]

[[allow]]
host = "*.names.drill.test"
do = ["GET /**"]

[[allow]]
host = "ssh.drill.test"
do = ["GET /**"]
private = ["127.0.0.1/32"]

[[allow]]
host = "relay.drill.test"
scheme = "http"
do = ["POST /in"]
private = ["127.0.0.1/32"]
"#;

const CREDENTIAL: &str = "doorward-drill";

/// The variable that holds the surrogate of the drill's credential.
pub(super) const VARIABLE: &str = "DOORWARD_DRILL_TOKEN";

/// Everything that the attacks need.
pub(super) struct Ground {
    folder: TempDir,
    /// The owner's home.
    pub(super) owner: Home,
    /// The drill's own home.
    pub(super) home: Home,
    /// The owner's configuration, with the drill's hosts.
    pub(super) config: Config,
    /// The group under attack.
    pub(super) group: GroupName,
    /// Whether that group is the drill's own.
    pub(super) throw_away: bool,
    /// A group of the drill's own, for controls.
    pub(super) other: GroupName,
    /// Another one, whose sandbox runs beside the one under attack.
    pub(super) neighbour: GroupName,
    pub(super) canaries: Canaries,
    /// The control's network; no sandbox of a daemon is on it.
    pub(super) network: Network,
    /// The real secret of the drill's credential.
    pub(super) secret: String,
    /// The drill's own log.
    pub(super) log: Arc<AuditLog>,
    pub(super) sandboxes: Sandboxes,
    /// Starts sandboxes whose doors wrongly share a resolver.
    pub(super) shared: Sandboxes,
    /// One byte more than the group may store.
    pub(super) large: u64,
    /// Another sandbox's door, for a foreign surrogate.
    pub(super) foreign: OpenDoor,
}

/// The part of the ground that must be removed whatever happens.
pub struct Fence {
    engine: Engine,
    installation: String,
}

impl Fence {
    /// For a new installation id of the drill's own.
    pub fn new(engine: Engine) -> Self {
        Fence { engine, installation: format!("{:032x}", rand::random::<u128>()) }
    }

    /// Removes the drill's containers and networks.
    pub async fn clear(&self) -> Result<(), String> {
        let removed = self.engine.remove_orphans(&self.installation, &[]).await;
        let networks = self.engine.remove_networks(&self.installation).await;
        removed.map(drop).and(networks).map_err(|error| error.to_string())
    }
}

impl Ground {
    /// Sets up the ground; whatever it makes on the engine carries the fence's label.
    pub(super) async fn prepare(owner: &Home, wanted: Option<GroupName>, fence: &Fence) -> Result<Self, DrillError> {
        let config = Config::load(owner)?;
        let image = config.engine.image.clone().unwrap_or_else(images::base_tag);
        if !images::exists(&fence.engine, &image).await.map_err(refused)? {
            return Err(DrillError::NoImage(image));
        }
        let (group, throw_away) = which(owner, wanted)?;
        let folder = tempfile::Builder::new().prefix("doorward-drill-").tempdir().map_err(DrillError::Folder)?;
        let home = Home::at(folder.path())?;
        home.prepare()?;
        let network = fence.engine.create_network(&fence.installation).await.map_err(refused)?;
        let authority = Authority::new("Doorward drill")?;
        let canaries = Canaries::open(&authority, &network).await?;
        let secret = format!("drill-{:032x}", rand::random::<u128>());
        let config = overlaid(config, &home, &canaries, &authority, &secret)?;
        let own = |name: &str, or: &str| GroupName::parse(if group.as_str() == name { or } else { name });
        let other = own("drill-other", "drill-another").map_err(DrillError::Group)?;
        let neighbour = own("drill-neighbour", "drill-beside").map_err(DrillError::Group)?;
        lay_policies(owner, &home, &group, [&other, &neighbour])?;
        lay_folders(owner, &home, &group)?;
        let log = Arc::new(AuditLog::open(&home.audit_log())?);
        let gateway =
            Gateway::open(&home, &config, log.clone(), Operations::of(log.clone(), None), Arc::new(NobodyToAsk))?;
        let sandboxes =
            Sandboxes::open(&home, &config, gateway.clone(), fence.engine.clone(), fence.installation.clone())?;
        let sharing = Gateway::open_with_one_resolver(
            &home,
            &config,
            log.clone(),
            Operations::of(log.clone(), None),
            Arc::new(NobodyToAsk),
        )?;
        let shared = Sandboxes::open(&home, &config, sharing, fence.engine.clone(), fence.installation.clone())?;
        let foreign = gateway.open_door(&other, &home.run_dir().join("foreign.sock"))?;
        let large = sandboxes.most_bytes(&group)?.saturating_add(1);
        let owner = owner.clone();
        Ok(Ground {
            folder,
            owner,
            home,
            config,
            group,
            throw_away,
            other,
            neighbour,
            canaries,
            network,
            secret,
            log,
            sandboxes,
            shared,
            large,
            foreign,
        })
    }

    /// What sandboxes with this edit share.
    pub(super) fn sharing(&self) -> Result<Edit, DrillError> {
        let folder = self.folder().join("guest");
        let guest = guest::install(&folder).map_err(|error| DrillError::Write(folder, error))?;
        Ok(Edit::Shared { user: nobodys(self.sandboxes.engine().sandbox_user()), guest: guest.display().to_string() })
    }

    /// The folder that is removed after the drill.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn refused(error: impl std::fmt::Display) -> DrillError {
    DrillError::Engine(error.to_string())
}

/// The group that was asked for, else the main one, else one of the drill's own; and whether it is the latter.
fn which(owner: &Home, wanted: Option<GroupName>) -> Result<(GroupName, bool), DrillError> {
    let groups = Store::open_existing(&owner.main_db())?.map(|store| store.groups()).transpose()?.unwrap_or_default();
    match wanted {
        Some(name) if groups.iter().any(|group| group.name == name) => Ok((name, false)),
        Some(name) => Err(DrillError::NoGroup(name)),
        // The main group comes first.
        None => match groups.into_iter().next() {
            Some(group) => Ok((group.name, false)),
            None => Ok((GroupName::parse("drill").map_err(DrillError::Group)?, true)),
        },
    }
}

/// The owner's configuration; names resolve to canaries, and other names are asked of a canary: the drill asks nobody
/// outside this machine.
fn overlaid(
    mut config: Config,
    home: &Home,
    canaries: &Canaries,
    authority: &Authority,
    secret: &str,
) -> Result<Config, DrillError> {
    let (ca, key) = (home.config_dir().join("drill-ca.pem"), home.config_dir().join("drill-key"));
    write(&ca, authority.pem())?;
    write(&key, secret)?;
    config.upstream.extra_ca.push(ca);
    if let Some(dns) = canaries.get(Ear::Dns) {
        config.upstream.resolver = Resolver::Server(dns.address());
    }
    for (name, address) in canaries.names() {
        let name = HostName::parse(name).map_err(|error| DrillError::Group(error.to_string()))?;
        config.upstream.hosts.insert(name, Pinned { ip: address.ip(), port: Some(address.port()) });
    }
    let host = Host::parse("keyed.drill.test").map_err(|error| DrillError::Group(error.to_string()))?;
    let credential = Credential {
        name: CREDENTIAL.into(),
        source: SecretSource::File(key),
        hosts: vec![CredentialHost { host, port: 443 }],
        place: vec![Place::Header(http::header::AUTHORIZATION)],
        harmless: Vec::new(),
        only: Vec::new(),
        env: Some(VARIABLE.to_owned()),
        prefix: None,
        shape: None,
        oauth: None,
        mints: Vec::new(),
    };
    config.credentials.insert(CREDENTIAL.into(), credential);
    Ok(config)
}

/// The group's policy as its owner wrote it, followed by the drill's rules.
fn lay_policies(owner: &Home, home: &Home, group: &GroupName, others: [&GroupName; 2]) -> Result<(), DrillError> {
    // An error is reported with the owner's own file and line.
    PolicyFiles::compile(owner, group).map_err(|error| DrillError::Policy(error.to_string()))?;
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(DrillError::Read(path.to_owned(), error)),
        text => Ok(text.unwrap_or_default()),
    };
    write(&home.policy_file(group), &format!("{}\n{RULES}", read(&owner.policy_file(group))?))?;
    for own in others {
        write(&home.policy_file(own), RULES)?;
    }
    write(&home.skills_file(group), &read(&owner.skills_file(group))?)?;
    write(&home.base_policy_file(), &read(&owner.base_policy_file())?)?;
    PolicyFiles::compile(home, group).map(drop).map_err(|error| DrillError::Rules(error.to_string()))
}

/// The owner's files that the group's sandboxes see are visible here too.
fn lay_folders(owner: &Home, home: &Home, group: &GroupName) -> Result<(), DrillError> {
    for folder in [Home::group_dir, Home::agent_home, Home::inbox] {
        let (real, here) = (folder(owner, group), folder(home, group));
        if real.is_dir() {
            std::os::unix::fs::symlink(&real, &here).map_err(|error| DrillError::Write(here, error))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), DrillError> {
    make_private_file(path)?;
    std::fs::write(path, text).map_err(|error| DrillError::Write(path.to_owned(), error))
}
