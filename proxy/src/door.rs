//! A door: one sandbox's only way out. The door that a request came through identifies who is
//! asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use policies::{Clock, Policy};
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use gate::audit::{Identity, Ledger};
use gate::{Gate, Latch, Limits, Outside, of_one_door};

use crate::credentials::Keyring;
use crate::headers::TagSecret;
use crate::keeper::{Keeper, Refreshes};
use crate::ports::{Budget, Internal, Meter, NewResolver, Owner, Secrets};
use crate::room::Rooms;
use crate::send::Upstreams;
use crate::tls::{CaError, SandboxCa};

/// Shared by all doors of a daemon: the ports, and the trust in upstreams.
pub struct Gateway {
    /// The audit log.
    pub ledger: Arc<dyn Ledger>,
    /// Makes a resolver for each door.
    pub resolvers: NewResolver,
    /// Credentials.
    pub secrets: Arc<dyn Secrets>,
    /// What groups may use.
    pub budget: Arc<dyn Budget>,
    /// What their models use.
    pub meter: Arc<dyn Meter>,
    /// What agents may ask of the host.
    pub internal: Arc<dyn Internal>,
    /// Who is asked where a policy says so.
    pub owner: Arc<dyn Owner>,
    /// The owner's clock, for policies that depend on the time.
    pub now: Clock,
    /// What the owner has locked.
    pub latch: Arc<Latch>,
    /// What certificates are checked with.
    pub tls: Arc<ClientConfig>,
    /// The resources that one sandbox can use.
    pub limits: Limits,
    /// Numbers connections.
    pub connections: AtomicU64,
    /// Access tokens that are being fetched.
    pub refreshes: Refreshes,
    /// The secret from which the tokens in place of ETags are made.
    pub tags: TagSecret,
}

/// One sandbox's door.
pub struct Door {
    gateway: Arc<Gateway>,
    /// The gate: who is asking, under which policy, and every way out.
    pub(crate) gate: Arc<Gate>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) ca: SandboxCa,
    pub(crate) pool: Arc<Upstreams>,
    pub(crate) rooms: Rooms,
    /// Connections through it at a time.
    pub(crate) slots: Arc<Semaphore>,
    /// Connections that ended without a request and are not logged yet.
    pub(crate) idle: AtomicU64,
    /// Whether the guest will test the door, with a connection of its own.
    pub(crate) looked_at: AtomicBool,
}

impl Door {
    /// Makes a door. `policy` may be replaced at any time: it is looked up for every request.
    pub fn new(
        gateway: Arc<Gateway>,
        identity: Identity,
        policy: Arc<ArcSwap<Policy>>,
        keyring: Keyring,
    ) -> Result<Arc<Self>, CaError> {
        let limits = gateway.limits;
        let secrets = gateway.secrets.clone();
        let outside = Outside {
            ledger: gateway.ledger.clone(),
            budget: gateway.budget.clone(),
            owner: gateway.owner.clone(),
            resolver: (gateway.resolvers)(),
            now: gateway.now.clone(),
            latch: gateway.latch.clone(),
            hide: Arc::new(move |text| secrets.watchlist().find_in(text).map(|finding| format!("(hidden: {finding})"))),
        };
        let shared = (&gateway.tags, gateway.refreshes.clone());
        let keeper = Keeper::new(identity.clone(), gateway.secrets.clone(), keyring, shared);
        Ok(Arc::new(Door {
            gate: Gate::new(identity, policy, outside, of_one_door(&gateway.tls), limits),
            keeper: Arc::new(keeper),
            ca: SandboxCa::new(limits.leaves, limits.leaf_pace)?,
            pool: Upstreams::new(limits),
            rooms: Rooms::new(limits.whole_bodies, limits.websockets),
            slots: Arc::new(Semaphore::new(limits.connections)),
            idle: AtomicU64::new(0),
            looked_at: AtomicBool::new(false),
            gateway,
        }))
    }

    /// The certificate that the sandbox is made to trust.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// Who is behind it.
    pub fn identity(&self) -> &Identity {
        self.gate.who()
    }

    /// The number of a new connection.
    pub(crate) fn next_connection(&self) -> u64 {
        self.gateway.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The port to the count of what models use.
    pub(crate) fn meter(&self) -> &Arc<dyn Meter> {
        &self.gateway.meter
    }

    /// What agents may ask of the host.
    pub(crate) fn internal(&self) -> &dyn Internal {
        &*self.gateway.internal
    }
}
