//! The gate of one door: who asks, under which policy, and what stands between a request
//! and the way out. Nothing of it knows secrets or bodies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use policies::{Code, Date, Host, Permit, Policy, Refusal, TunnelPermit};
use std::net::SocketAddr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::audit::{Identity, Ledger};
use crate::inflight::InFlight;
use crate::limits::Limits;
use crate::outside::{Budget, Resolver};
use crate::request::Intercepted;
use crate::upstream_tls::DoorTls;

/// What is asked at the moment of use, because it may have been replaced since: a [`Case`]
/// holds what was in force when a request was read.
pub(crate) struct Newest<T>(Arc<ArcSwap<T>>);

impl<T> Newest<T> {
    pub(crate) fn of(handle: Arc<ArcSwap<T>>) -> Self {
        Newest(handle)
    }

    /// What is in force at this moment.
    pub(crate) fn now(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// The same, to keep.
    pub(crate) fn snapshot(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces it by what is made of it; made anew where somebody else was faster.
    pub(crate) fn update(&self, change: impl FnMut(&Arc<T>) -> T) {
        self.0.rcu(change);
    }
}

/// What must not stand in the log: what to write in the place of a text that holds any of it.
pub(crate) type Hide = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// What a gate asks.
pub(crate) struct Outside {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) budget: Arc<dyn Budget>,
    pub(crate) resolver: Arc<dyn Resolver>,
    /// Which day it is, for policies that end on one.
    pub(crate) today: fn() -> Date,
    pub(crate) hide: Hide,
}

/// One door's gate.
pub(crate) struct Gate {
    who: Identity,
    policy: Newest<Policy>,
    outside: Outside,
    tls: DoorTls,
    limits: Limits,
    in_flight: InFlight,
    /// Why it lets nothing through any more, once it is shut.
    shut: OnceLock<Refusal>,
    /// The agent's run under way; 0 for none.
    run: AtomicU64,
    /// Requests under way; streams of HTTP/2 count one by one.
    requests: Arc<Semaphore>,
}

/// What one request is judged by, taken once, when it is read: no stage of it sees another
/// policy or another day. What must see the newest asks the [`Gate`].
#[derive(Clone)]
pub(crate) struct Case {
    /// The connection that it came by.
    pub(crate) connection: u64,
    /// What CONNECT and SNI agreed on, inside of a tunnel that was opened.
    pub(crate) within: Option<Arc<Intercepted>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) today: Date,
}

impl Gate {
    /// `policy` may be replaced at any time.
    pub(crate) fn new(
        who: Identity,
        policy: Arc<ArcSwap<Policy>>,
        outside: Outside,
        tls: DoorTls,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new(Gate {
            who,
            policy: Newest::of(policy),
            outside,
            tls,
            limits,
            in_flight: InFlight::default(),
            shut: OnceLock::new(),
            run: AtomicU64::new(0),
            requests: Arc::new(Semaphore::new(limits.requests)),
        })
    }

    pub(crate) fn who(&self) -> &Identity {
        &self.who
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.outside.ledger
    }

    pub(crate) fn resolver(&self) -> &dyn Resolver {
        &*self.outside.resolver
    }

    pub(crate) fn tls(&self) -> &DoorTls {
        &self.tls
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// What to write in the place of a text that may not stand in the log.
    pub(crate) fn hidden(&self, text: &[u8]) -> Option<String> {
        (self.outside.hide)(text)
    }

    /// What a request that comes by this connection now is judged by.
    pub(crate) fn case(&self, connection: u64, within: Option<Arc<Intercepted>>) -> Case {
        Case { connection, within, policy: self.policy.snapshot(), today: (self.outside.today)() }
    }

    /// Says which run of the agent the next requests belong to.
    pub(crate) fn set_run(&self, run: Option<u64>) {
        self.run.store(run.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn run(&self) -> Option<u64> {
        Some(self.run.load(Ordering::Relaxed)).filter(|run| *run != 0)
    }

    /// Lets nothing through any more, for good, and cuts what is in flight. The first reason
    /// stands; whether this was it.
    pub(crate) fn shut(&self, why: &str) -> bool {
        let refusal = Refusal::new(Code::Revoked, why);
        let first = self.shut.set(refusal.clone()).is_ok();
        if first {
            self.in_flight.cut(&refusal);
        }
        first
    }

    /// Why it was shut, if it was.
    pub(crate) fn why_shut(&self) -> Option<&str> {
        self.shut.get().map(|refusal| refusal.why.as_str())
    }

    /// The same as a refusal.
    pub(crate) fn is_shut(&self) -> Option<Refusal> {
        self.shut.get().cloned()
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
    pub(crate) async fn admit(&self, case: &Case, by_wildcard: Option<&Host>, head_bytes: u64) -> Result<(), Refusal> {
        self.outside.budget.admit(&self.who.group, case.policy.limits(), by_wildcard, head_bytes).await
    }

    /// The policy in force, for what lasts.
    pub(crate) fn policy_now(&self) -> Guard<Arc<Policy>> {
        self.policy.now()
    }

    /// The `[limits]` that are in force now.
    pub(crate) fn limits_in_force(&self) -> policies::Limits {
        *self.policy.now().limits()
    }

    /// Counts bytes of a body before they are sent.
    pub(crate) fn spend(&self, limits: &policies::Limits, bytes: u64) -> Result<(), Refusal> {
        self.outside.budget.spend(&self.who.group, limits, bytes)
    }

    /// A permit is checked again when it is used: the policy may have been tightened
    /// since it was given.
    pub(crate) fn upholds(&self, permit: &Permit, address: SocketAddr) -> Result<(), Refusal> {
        self.policy.now().upholds(permit, (self.outside.today)(), Some(address))
    }

    /// The same for a connection that goes through unopened.
    pub(crate) fn upholds_tunnel(&self, permit: &TunnelPermit, address: SocketAddr) -> Result<(), Refusal> {
        self.policy.now().upholds_tunnel(permit, Some(address))
    }

    /// Cuts what the policy in force does not allow any more, and what is stuck.
    pub(crate) fn review(&self) {
        self.in_flight.review(&self.policy.now(), (self.outside.today)());
    }
}
