//! A door: one sandbox's only way out. Which door a request came through *is*
//! who is asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use policies::Policy;
use rustls::ClientConfig;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::audit::{Identity, Ledger};
use crate::connection::{self, Limits};
use crate::credentials::Keyring;
use crate::ports::{Resolver, Secrets};
use crate::tls::{CaError, SandboxCa};
use crate::upstream::Pool;

/// What all doors of a daemon share: the ports, and what is trusted upstream.
pub struct Gateway {
    /// The audit log.
    pub ledger: Arc<dyn Ledger>,
    /// Names to addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Credentials.
    pub secrets: Arc<dyn Secrets>,
    /// What certificates are checked with.
    pub tls: Arc<ClientConfig>,
    /// What one sandbox can make us spend.
    pub limits: Limits,
    /// Numbers connections.
    pub connections: AtomicU64,
}

/// One sandbox's door.
pub struct Door {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) identity: Identity,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) ca: SandboxCa,
    pub(crate) keyring: Keyring,
    pub(crate) pool: Pool,
    /// The agent's run under way; 0 for none.
    run: AtomicU64,
    slots: Arc<Semaphore>,
}

impl Door {
    /// Makes a door. `policy` may be replaced at any time: it is asked anew for
    /// every request.
    pub fn new(
        gateway: Arc<Gateway>,
        identity: Identity,
        policy: Arc<ArcSwap<Policy>>,
        keyring: Keyring,
    ) -> Result<Arc<Self>, CaError> {
        let limits = gateway.limits;
        Ok(Arc::new(Door {
            gateway,
            identity,
            policy,
            ca: SandboxCa::new(limits.leaves)?,
            keyring,
            pool: Pool::new(limits),
            run: AtomicU64::new(0),
            slots: Arc::new(Semaphore::new(limits.connections)),
        }))
    }

    /// The certificate that the sandbox is made to trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// Who is behind it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Says which run of the agent the next requests belong to.
    pub fn set_run(&self, run: Option<u64>) {
        self.run.store(run.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn run(&self) -> Option<u64> {
        Some(self.run.load(Ordering::Relaxed)).filter(|run| *run != 0)
    }

    /// Serves the door until dropped. Every connection is a task of this future's
    /// own: dropping it cuts them all, and with them what they were sending.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // A sandbox that opens too many waits for itself, not for others.
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let door = self.clone();
                    connections.spawn(async move {
                        connection::serve(door, stream).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(door.group = %self.identity.group, %error, "Door could not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }
}
