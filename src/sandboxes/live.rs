//! A running sandbox: messages to and from its guest, and its end.
//!
//! What it is not: a way to start one. It is given what was started, and can only talk to that, or end it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containers::protocol::{Agent, FromGuest, ToGuest};
use containers::{Sandbox, SandboxLost};
use tokio::sync::watch;

use super::mounts::Claim;
use super::own::OwnFolders;
use super::remains::Remains;
use super::watch::Ticket;
use crate::agents::Order;
use crate::gateway::OpenDoor;

/// How long an agent may take to finish when its sandbox is stopped.
const GRACE: Duration = Duration::from_secs(1);

/// A running sandbox with its door.
///
/// Dropped without [`LiveSandbox::stop`], it ends in the same order: the door first.
pub struct LiveSandbox {
    pub(super) agent: Agent,
    pub(super) order: Order,
    pub(super) door: OpenDoor,
    pub(super) sandbox: Sandbox,
    pub(super) watched: Ticket,
    pub(super) folders: OwnFolders,
    pub(super) mounted: Mounted,
    /// Reserves the owner's folders mounted in it: no other group gets them until it ends.
    pub(super) _claim: Claim,
    pub(super) _alive: watch::Sender<()>,
}

/// The group's folder as mounted: a new folder under the same name is another one.
pub(super) struct Mounted(PathBuf, Option<(u64, u64)>);

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
        self.mounted.is_there()
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
        self.end(why).await.remove().await;
    }

    /// The same, and returns what is left in a helper's folder.
    pub async fn end(self, why: &'static str) -> Remains {
        let LiveSandbox { sandbox, door, folders, watched, .. } = self;
        door.close_because(why);
        sandbox.stop(GRACE).await;
        drop(watched);
        Remains::of(folders)
    }
}

impl Mounted {
    pub(super) fn at(path: &Path) -> Self {
        Mounted(path.to_owned(), inode(path))
    }

    fn is_there(&self) -> bool {
        inode(&self.0) == self.1
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
