//! A door: one sandbox's only way out. Which door a request came through *is*
//! who is asking.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use policies::{Clock, Code, Host, Policy, Refusal};
use rustls::ClientConfig;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::audit::{Identity, Ledger, Noted};
use crate::connection::{self, Limits};
use crate::credentials::{ComingBack, Keyring};
use crate::headers::Validators;
use crate::inflight::InFlight;
use crate::ports::{Budget, Internal, NewResolver, Resolver, Secrets};
use crate::refresh::Refreshes;
use crate::tls::{self, CaError, DoorTls, SandboxCa};
use crate::upstream::Pool;

/// How often what is under way is held against the policy in force.
const REVIEW: Duration = Duration::from_millis(250);

/// How often the log hears how many connections came without a request.
const TOLD_EVERY: Duration = Duration::from_secs(60);

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
    /// What agents may ask of the host.
    pub internal: Arc<dyn Internal>,
    /// The owner's clock, for policies that depend on the time.
    pub now: Clock,
    /// What certificates are checked with.
    pub tls: Arc<ClientConfig>,
    /// What one sandbox can make us spend.
    pub limits: Limits,
    /// Numbers connections.
    pub connections: AtomicU64,
    /// Access tokens that are being fetched.
    pub refreshes: Refreshes,
}

/// One sandbox's door.
pub struct Door {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) identity: Identity,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) ca: SandboxCa,
    pub(crate) tls: DoorTls,
    pub(crate) resolver: Arc<dyn Resolver>,
    /// Grows with the keys that hosts make.
    pub(crate) keyring: ArcSwap<Keyring>,
    /// What takes secrets off answers.
    pub(crate) coming_back: ComingBack,
    /// What stands for ETags; none where its keys could not be made, and then nothing does.
    pub(crate) validators: Option<Validators>,
    pub(crate) pool: Pool,
    pub(crate) in_flight: InFlight,
    /// Connections that ended without a request, and are not in the log yet.
    idle: AtomicU64,
    /// Whether the guest will look whether it can be connected to: a connection of its own.
    looked_at: AtomicBool,
    /// Why it lets nothing through any more, once it is shut.
    shut: OnceLock<Refusal>,
    /// The agent's run under way; 0 for none.
    run: AtomicU64,
    slots: Arc<Semaphore>,
    /// Requests under way; streams of HTTP/2 count one by one.
    requests: Arc<Semaphore>,
    /// Bodies that are held in memory because a rule looks into them.
    pub(crate) whole_bodies: Arc<Semaphore>,
    /// Bodies and messages that are unpacked to look into them, and messages that are long.
    pub(crate) unpacked: Arc<Semaphore>,
    /// The same of answers.
    pub(crate) unpacked_down: Arc<Semaphore>,
    pub(crate) websockets: Arc<Semaphore>,
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
            tls: tls::of_one_door(&gateway.tls),
            resolver: (gateway.resolvers)(),
            gateway,
            identity,
            policy,
            ca: SandboxCa::new(limits.leaves, limits.leaf_pace)?,
            keyring: ArcSwap::from_pointee(keyring),
            coming_back: ComingBack::default(),
            validators: Validators::new(),
            pool: Pool::new(limits),
            in_flight: InFlight::default(),
            idle: AtomicU64::new(0),
            looked_at: AtomicBool::new(false),
            shut: OnceLock::new(),
            run: AtomicU64::new(0),
            slots: Arc::new(Semaphore::new(limits.connections)),
            requests: Arc::new(Semaphore::new(limits.requests)),
            whole_bodies: Arc::new(Semaphore::new(limits.whole_bodies)),
            unpacked: Arc::new(Semaphore::new(limits.whole_bodies)),
            unpacked_down: Arc::new(Semaphore::new(limits.whole_bodies)),
            websockets: Arc::new(Semaphore::new(limits.websockets)),
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

    /// Shuts the door, for good: what is under way is cut, and recorded as revoked for this
    /// reason, and nothing new is let through. The first reason stands.
    pub fn shut(&self, why: &str) {
        let refusal = Refusal::new(Code::Revoked, why);
        if self.shut.set(refusal.clone()).is_ok() {
            self.in_flight.cut(&refusal);
            self.tell_idle_connections();
        }
    }

    /// Why it was shut, if it was.
    pub fn why_shut(&self) -> Option<&str> {
        self.shut.get().map(|refusal| refusal.why.as_str())
    }

    /// The same as a refusal.
    pub(crate) fn is_shut(&self) -> Option<Refusal> {
        self.shut.get().cloned()
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
        let noted = Noted { identity: self.identity.clone(), what: "idle_connections", count, text };
        if let Err(error) = self.gateway.ledger.noted(&noted) {
            tracing::error!(%error, "Connections without a request not stored");
        }
    }

    /// A place among the requests under way.
    pub(crate) fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Some(shut) = self.is_shut() {
            return Err(shut);
        }
        let full = "the sandbox has too many requests under way; let some of them end";
        self.requests.clone().try_acquire_owned().map_err(|_| Refusal::new(Code::GroupLimit, full))
    }

    /// Asks for a request or a tunnel out of what the group may use up.
    pub(crate) async fn admit(&self, by_wildcard: Option<&Host>, head_bytes: u64) -> Result<(), Refusal> {
        let limits = *self.policy.load().limits();
        self.gateway.budget.admit(&self.identity.group, &limits, by_wildcard, head_bytes).await
    }

    /// Serves the door until dropped. Every connection is a task of this future's
    /// own: dropping it cuts them all, and with them what they were sending. What a
    /// tightened policy no longer allows is cut within a moment, too.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let mut connections = JoinSet::new();
        let mut review = tokio::time::interval(REVIEW);
        review.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Instant::now();
        loop {
            while connections.try_join_next().is_some() {}
            tokio::select! {
                accepted = self.accept(&listener) => {
                    let Some((stream, slot)) = accepted else { continue };
                    let door = self.clone();
                    connections.spawn(async move {
                        connection::serve(door, stream).await;
                        drop(slot);
                    });
                }
                _ = review.tick() => {
                    self.in_flight.review(self.policy.load().at((self.gateway.now)()));
                    self.pool.review();
                    if told.elapsed() >= TOLD_EVERY {
                        told = Instant::now();
                        self.tell_idle_connections();
                    }
                }
            }
        }
    }

    /// A sandbox that opens too many connections waits for itself, not for others.
    async fn accept(&self, listener: &UnixListener) -> Option<(UnixStream, OwnedSemaphorePermit)> {
        let slot = self.slots.clone().acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _)) => Some((stream, slot)),
            Err(error) => {
                tracing::warn!(door.group = %self.identity.group, %error, "Door could not accept");
                // Out of descriptors, most likely: give others time to end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                None
            }
        }
    }
}
