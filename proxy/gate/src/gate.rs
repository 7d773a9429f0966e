//! The gate of one door: who is asking, under which policy, and every check before the way out. It
//! knows nothing about secrets or bodies.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use policies::{Clock, Code, HeadHash, Host, Moment, Permit, Policy, Refusal, TunnelPermit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::audit::{Identity, Ledger};
use crate::case::{Case, Newest};
use crate::check::Clean;
use crate::inflight::InFlight;
use crate::judge::{Judged, JudgedTunnel};
use crate::latch::{self, Latch};
use crate::limits::Limits;
use crate::ports::{Budget, Owner, Resolver};
use crate::request::Intercepted;
use crate::tls::DoorTls;

/// Returns the text to log in place of one that contains something that must not be logged.
pub type Hide = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// The proof that the request is within the group's limits.
pub struct Admitted(());

/// What a gate depends on.
pub struct Outside {
    /// The audit log.
    pub ledger: Arc<dyn Ledger>,
    /// What the group may use over time.
    pub budget: Arc<dyn Budget>,
    /// The owner, who is asked where the policy says so.
    pub owner: Arc<dyn Owner>,
    /// Resolves names, for this door alone.
    pub resolver: Arc<dyn Resolver>,
    /// The owner's clock, for the times in policies.
    pub now: Clock,
    /// What the owner has locked.
    pub latch: Arc<Latch>,
    /// Hides what must not be logged.
    pub hide: Hide,
}

/// One door's gate.
pub struct Gate {
    who: Identity,
    policy: Newest<Policy>,
    outside: Outside,
    tls: DoorTls,
    limits: Limits,
    in_flight: InFlight,
    /// Why nothing goes through any more, once the door is shut.
    shut: OnceLock<Refusal>,
    /// Notified when that happens.
    shutting: Notify,
    /// The agent's current run; 0 for none.
    run: AtomicU64,
    /// Requests in flight; HTTP/2 streams count one by one.
    requests: Arc<Semaphore>,
}

impl Gate {
    /// `policy` may be replaced at any time.
    pub fn new(
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
            shutting: Notify::new(),
            run: AtomicU64::new(0),
            requests: Arc::new(Semaphore::new(limits.requests)),
        })
    }

    /// Who is asking.
    pub fn who(&self) -> &Identity {
        &self.who
    }

    /// The resources that the sandbox can use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The log.
    pub fn ledger(&self) -> &dyn Ledger {
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

    /// What to log in place of a text that must not be logged.
    pub(crate) fn hidden(&self, text: &[u8]) -> Option<String> {
        (self.outside.hide)(text)
    }

    /// The case for a request that arrives on this connection now.
    pub fn case(&self, connection: u64, within: Option<Arc<Intercepted>>) -> Case {
        let (locked, away) = (self.outside.latch.holds(&self.who.group), self.outside.latch.is_away());
        let (policy, now) = (self.policy.snapshot(), self.now());
        Case { connection, within, policy, now, locked, away, grants: Arc::default(), head: HeadHash::default() }
    }

    /// The owner's local time.
    pub fn now(&self) -> Moment {
        (self.outside.now)()
    }

    /// Sets the run of the agent that the next requests belong to.
    pub fn set_run(&self, run: Option<u64>) {
        self.run.store(run.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn run(&self) -> Option<u64> {
        Some(self.run.load(Ordering::Relaxed)).filter(|run| *run != 0)
    }

    /// Shuts the door for good and cuts everything in flight. The first reason stands; returns
    /// whether this was it.
    pub fn shut(&self, why: &str) -> bool {
        let refusal = Refusal::new(Code::Revoked, why);
        let first = self.shut.set(refusal.clone()).is_ok();
        if first {
            self.shutting.notify_waiters();
            self.in_flight.cut(&refusal);
        }
        first
    }

    /// Why the door was shut, if it was.
    pub fn why_shut(&self) -> Option<&str> {
        self.shut.get().map(|refusal| refusal.why.as_str())
    }

    /// The same as a refusal.
    pub fn is_shut(&self) -> Option<Refusal> {
        self.shut.get().cloned()
    }

    /// Waits until the group's held requests must end, and returns why.
    pub(crate) async fn until_shut(&self) -> Refusal {
        loop {
            let shutting = self.shutting.notified();
            match self.holds_back(false) {
                Some(refusal) => return refusal,
                None => shutting.await,
            }
        }
    }

    pub(crate) fn owner(&self) -> &dyn Owner {
        &*self.outside.owner
    }

    /// Why nothing from the group may go on: the door is shut, or the owner has locked the group.
    pub fn lets_nothing(&self) -> Option<Refusal> {
        self.is_shut().or_else(|| self.locked().err())
    }

    /// Whether the group is locked now.
    fn locked(&self) -> Result<(), Refusal> {
        if self.outside.latch.holds(&self.who.group) { Err(latch::refusal()) } else { Ok(()) }
    }

    /// The same, and the owner's absence too unless the request asks a model.
    pub(crate) fn holds_back(&self, asks_model: bool) -> Option<Refusal> {
        let away = !asks_model && self.outside.latch.is_away();
        self.lets_nothing().or_else(|| away.then(latch::away))
    }

    /// Cuts everything in flight if the group is locked, and all but models if the owner is away.
    pub fn cut_if_locked(&self) {
        if let Err(refusal) = self.locked() {
            self.in_flight.cut(&refusal);
        } else if self.outside.latch.is_away() {
            self.in_flight.cut_but_models(&latch::away());
        }
        self.shutting.notify_waiters();
    }

    /// A place among the requests in flight.
    pub(crate) fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Some(shut) = self.is_shut() {
            return Err(shut);
        }
        let full = "the sandbox has too many requests under way; let some of them end";
        self.requests.clone().try_acquire_owned().map_err(|_| Refusal::new(Code::GroupLimit, full))
    }

    /// Counts a request against what the group may use over time.
    pub async fn admit(&self, case: &Case, judged: &Judged, clean: &Clean) -> Result<Admitted, Refusal> {
        let by_wildcard = judged.permit().by_wildcard().then(|| &judged.permit().facts().authority.host);
        self.admit_bytes(case, by_wildcard, clean.bytes()).await
    }

    /// The same for a tunnel. Only its name is known to leave, by DNS; the data is counted as it
    /// passes.
    pub async fn admit_tunnel(&self, case: &Case, judged: &JudgedTunnel) -> Result<Admitted, Refusal> {
        let permit = &judged.0;
        let host = &permit.authority().host;
        self.admit_bytes(case, permit.by_wildcard().then_some(host), host.to_string().len() as u64).await
    }

    /// The same for a request that is answered here and never leaves.
    pub async fn admit_local(&self, case: &Case) -> Result<Admitted, Refusal> {
        self.admit_bytes(case, None, 0).await
    }

    pub(crate) async fn admit_bytes(
        &self,
        case: &Case,
        by_wildcard: Option<&Host>,
        head_bytes: u64,
    ) -> Result<Admitted, Refusal> {
        self.outside.budget.admit(&self.who.group, case.policy.limits(), by_wildcard, head_bytes).await?;
        Ok(Admitted(()))
    }

    /// The policy in force, for anything that outlives one request.
    pub fn policy_now(&self) -> Guard<Arc<Policy>> {
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

    /// Checks a permit again when it is used: the policy may have been tightened since it was
    /// given.
    pub(crate) fn upholds(&self, permit: &Permit, address: SocketAddr) -> Result<(), Refusal> {
        self.holds_back(permit.model()).map_or(Ok(()), Err)?;
        let policy = self.policy.now();
        let policy = policy.at(self.now());
        policy.upholds(permit, Some(address))?;
        policy.upholds_search(permit)
    }

    /// The same for a tunnel.
    pub(crate) fn upholds_tunnel(&self, permit: &TunnelPermit, address: SocketAddr) -> Result<(), Refusal> {
        self.holds_back(false).map_or(Ok(()), Err)?;
        self.policy.now().at(self.now()).upholds_tunnel(permit, Some(address))
    }

    /// Cuts what the policy in force no longer allows, and what is stuck.
    pub fn review(&self) {
        self.in_flight.review(self.policy.now().at(self.now()));
    }
}
