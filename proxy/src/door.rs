//! A door: one sandbox's only way out. Which door a request came through *is*
//! who is asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use policies::{Clock, Policy};
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use gate::audit::{Identity, Ledger, Noted};
use gate::{Gate, Latch, Limits, Outside, of_one_door};

use crate::credentials::Keyring;
use crate::headers::TagSecret;
use crate::keeper::{Keeper, Refreshes};
use crate::ports::{Budget, Internal, Meter, NewResolver, Owner, Secrets};
use crate::room::Rooms;
use crate::send::Upstreams;
use crate::tls::{CaError, SandboxCa};

/// What all doors of a daemon share: the ports, and what is trusted upstream.
pub struct Gateway {
    /// The audit log.
    pub ledger: Arc<dyn Ledger>,
    /// Names to addresses, for each door anew.
    pub resolvers: NewResolver,
    /// Credentials.
    pub secrets: Arc<dyn Secrets>,
    /// What groups may use up.
    pub budget: Arc<dyn Budget>,
    /// What their models use up.
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
    /// What one sandbox can make us spend.
    pub limits: Limits,
    /// Numbers connections.
    pub connections: AtomicU64,
    /// Access tokens that are being fetched.
    pub refreshes: Refreshes,
    /// What stands for ETags is made with it.
    pub tags: TagSecret,
}

/// One sandbox's door.
pub struct Door {
    gateway: Arc<Gateway>,
    /// Who asks, under which policy, and all that leads out.
    pub(crate) gate: Arc<Gate>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) ca: SandboxCa,
    pub(crate) pool: Arc<Upstreams>,
    pub(crate) rooms: Rooms,
    /// Connections through it at a time.
    pub(crate) slots: Arc<Semaphore>,
    /// Connections that ended without a request, and are not in the log yet.
    idle: AtomicU64,
    /// Whether the guest will look whether it can be connected to: a connection of its own.
    looked_at: AtomicBool,
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

    /// Says which run of the agent the next requests belong to.
    pub fn set_run(&self, run: Option<u64>) {
        self.gate.set_run(run);
    }

    /// Shuts the door, for good: what is under way is cut, and recorded as revoked for this
    /// reason, and nothing new is let through. The first reason stands.
    pub fn shut(&self, why: &str) {
        if self.gate.shut(why) {
            self.tell_idle_connections();
        }
    }

    /// Cuts what is in flight, if the owner has locked the group.
    pub fn cut_if_locked(&self) {
        self.gate.cut_if_locked();
    }

    /// Why it was shut, if it was.
    pub fn why_shut(&self) -> Option<&str> {
        self.gate.why_shut()
    }

    /// Before the agent starts, the guest connects once and says nothing, to see whether it
    /// can: the first such connection is not told.
    pub fn will_be_looked_at(&self) {
        self.looked_at.store(true, Ordering::Relaxed);
    }

    /// A connection ended without a request: some programs open them for later.
    pub(crate) fn came_without_request(&self) {
        if !self.looked_at.swap(false, Ordering::Relaxed) {
            self.idle.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The log hears of those, together; from time to time without being asked.
    pub fn tell_idle_connections(&self) {
        let count = self.idle.swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let text = format!("connections that ended without a request: {count}");
        let noted = Noted { identity: self.identity().clone(), what: "idle_connections", count, text };
        if let Err(error) = self.gate.ledger().noted(&noted) {
            tracing::error!(%error, "Connections without a request not stored");
        }
    }

    /// The number of a new connection.
    pub(crate) fn next_connection(&self) -> u64 {
        self.gateway.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Who counts what models use up.
    pub(crate) fn meter(&self) -> &Arc<dyn Meter> {
        &self.gateway.meter
    }

    /// What agents may ask of the host.
    pub(crate) fn internal(&self) -> &dyn Internal {
        &*self.gateway.internal
    }
}
