//! An open door: what its sandbox is told of it, and how it is shut.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use policies::SandboxId;
use proxy::Door;

use super::policy_files::{DoorOpen, PolicyFiles};
use super::threads::Served;
use crate::store::ledger::{AuditLog, Notice};
use crate::vault::Vault;

/// An open door, until it is dropped or closed: then its socket is removed, its connections are cut and its
/// surrogates are worthless.
pub struct OpenDoor {
    pub(super) door: Arc<Door>,
    pub(super) policies: Arc<PolicyFiles>,
    pub(super) vault: Arc<Vault>,
    pub(super) ledger: Arc<AuditLog>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) socket: PathBuf,
    pub(super) served: Served,
    /// Why it was shut, if a reason was given.
    pub(super) why: &'static str,
    pub(super) _open: DoorOpen,
}

impl OpenDoor {
    /// The sandbox it belongs to.
    pub fn sandbox_id(&self) -> &SandboxId {
        &self.door.identity().sandbox
    }

    /// The CA certificate to trust behind it.
    pub fn ca_pem(&self) -> &str {
        self.door.ca_pem()
    }

    /// The environment variables that hold surrogates.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Sets the run that the next requests belong to. A run starts under the policy that is in the file now.
    pub fn set_run(&self, run: Option<u64>) {
        self.policies.of(&self.door.identity().group);
        self.door.set_run(run);
    }

    /// See [`Door::will_be_looked_at`].
    pub fn will_be_looked_at(&self) {
        self.door.will_be_looked_at();
    }

    /// Shuts the door.
    pub fn close(self) {}

    /// Shuts the door, with a reason.
    pub fn close_because(mut self, why: &'static str) {
        self.why = why;
    }
}

impl Drop for OpenDoor {
    fn drop(&mut self) {
        // First no new connection can come in; then what is in flight is cut, with the reason.
        if let Err(error) = std::fs::remove_file(&self.socket)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "Socket of a closed door could not be removed");
        }
        self.door.shut(self.why);
        self.served.end();
        let text = format!("a door was shut: {}", self.door.why_shut().unwrap_or(self.why));
        self.ledger.note(&Notice::of("door_shut", self.door.identity(), text));
        self.vault.retire(self.door.identity());
    }
}
