//! The drill: attacks on the owner's own installation, from a real sandbox of one of its groups, with canaries on this
//! machine that must not receive a byte.
//!
//! What it is: the same engine, image, limits, policy and group folder as the daemon uses, with the drill's own audit
//! log, credential and names; it works beside a running daemon and without one. What it is not: a test of the daemon's
//! process.
//!
//! **Invariants**
//! - Success is judged where something would arrive, not by the attacker's claim.
//! - An attack counts as refused only if the same attack succeeds where it must.
//! - A canary, a control or a sandbox that cannot be set up fails the drill.
//! - Whatever the drill makes on the engine carries a label of its own and is removed.

pub mod attacks;
mod canaries;
mod ground;
mod holes;
mod judge;
mod open_proxy;
mod report;
mod subject;

use std::collections::BTreeMap;
use std::path::PathBuf;

use containers::{Engine, ExecError, SandboxLost, images};
use policies::GroupName;

pub use canaries::{CanaryError, Ear};
pub use ground::Fence;
pub use report::{Attempt, Report, Tried};

use crate::config::ConfigError;
use crate::gateway::GatewayError;
use crate::home::{Home, HomeError};
use crate::loopback::AuthorityError;
use crate::sandboxes::SandboxError;
use crate::store::StoreError;
use attacks::{ATTACKS, Control};
use ground::Ground;
use judge::Judge;
use subject::{Hole, Subject};

/// A deliberate weakness of the sandbox under attack, to see the drill fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weaken {
    /// It is joined to a network.
    Network,
    /// It has the engine's own seccomp profile.
    Seccomp,
    /// A proxy that lets everything through is behind its door.
    Proxy,
}

/// Why the drill could not be held: nothing is proven.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DrillError {
    #[error("there is no group {0}; `doorward group list` shows those there are")]
    NoGroup(GroupName),
    #[error("the image {0} is not there; `doorward image build` builds the base image")]
    NoImage(String),
    #[error("{0}")]
    Group(String),
    #[error("a temporary folder could not be made: {0}")]
    Folder(std::io::Error),
    #[error("{path} cannot be read: {1}", path = .0.display())]
    Read(PathBuf, std::io::Error),
    #[error("{path} cannot be written: {1}", path = .0.display())]
    Write(PathBuf, std::io::Error),
    #[error("the group's policy does not load, so there is nothing to drill:\n{0}")]
    Policy(String),
    #[error("the drill's own rules cannot be added to the group's policy:\n{0}")]
    Rules(String),
    #[error("this machine's echo requests cannot be counted: {0}")]
    Echoes(std::io::Error),
    #[error("a canary went deaf: {0}")]
    Deaf(std::io::Error),
    #[error("the attack {0} did not end within {seconds} seconds", seconds = .1.as_secs())]
    Endless(&'static str, std::time::Duration),
    #[error("the container engine refused: {0}")]
    Engine(String),
    #[error(transparent)]
    Canary(#[from] CanaryError),
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
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// What to drill.
pub struct Order<'a> {
    /// The owner's home.
    pub home: &'a Home,
    /// The group to attack; the main one by default.
    pub group: Option<GroupName>,
    /// What to weaken on purpose.
    pub weaken: Option<Weaken>,
}

/// Holds the drill. The caller clears the fence afterwards, whatever this returns.
pub async fn hold(
    order: Order<'_>,
    engine: &Engine,
    fence: &Fence,
    progress: &dyn Fn(&str),
) -> Result<Report, DrillError> {
    progress("setting up canaries, a network and a door");
    let ground = Ground::prepare(order.home, order.group.clone(), fence).await?;
    let hole = order.weaken.map(|weaken| match weaken {
        Weaken::Network => Hole::Network,
        Weaken::Seccomp => Hole::EngineSeccomp,
        Weaken::Proxy => Hole::OpenProxy,
    });
    let judge = Judge::new(&ground);
    let users = ground.sandboxes.has_users_of_groups();
    let (attacks, left_out): (Vec<_>, Vec<_>) = ATTACKS.iter().partition(|attack| users || !attack.only_with_users);
    progress(&format!("{} attacks from a sandbox of group {}", attacks.len(), ground.group));
    let subject = Subject::start(&ground, hole).await?;
    let findings = subject.findings();
    let open = judge.allowed_way(&subject, order.weaken == Some(Weaken::Proxy)).await?;
    let mut results = judge.attack_all(&subject, &attacks).await?;
    subject.stop().await;
    judge.hear_again(&mut results);
    let mut controls = BTreeMap::new();
    for control in Control::ALL {
        let of_it: Vec<_> = attacks.iter().filter(|attack| attack.control == control).collect();
        let what = if of_it.len() == 1 { "control" } else { "controls" };
        progress(&format!("{} {what}: {}", of_it.len(), control.as_str().replace('_', " ")));
        let subject = Subject::start(&ground, Some(Hole::Control(control))).await?;
        for attack in of_it {
            controls.insert(attack.id, judge.control(&subject, attack).await?);
        }
        subject.stop().await;
    }
    let facts = engine.facts();
    let tried = attacks.into_iter().zip(results).filter_map(|(attack, result)| {
        Some(Tried { attack, result: result.attempt, control: controls.remove(attack.id)? })
    });
    Ok(Report {
        throw_away: ground.throw_away,
        engine: format!("{} {}", facts.kind, facts.version),
        image: ground.config.engine.image.clone().unwrap_or_else(images::base_tag),
        canaries: ground.canaries.count(),
        findings,
        open,
        tried: tried.collect(),
        left_out: left_out.into_iter().map(|attack| attack.id).collect(),
        group: ground.group.clone(),
    })
}
