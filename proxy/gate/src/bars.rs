//! What keeps the requests of a door back, or cuts them: the door is shut, the owner has locked the
//! group or is away, the policy was tightened, the limits are reached. Nothing here lets a request go
//! that has no permit.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use policies::{Clock, Code, GroupName, Permit, Policy, Refusal, TunnelPermit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::case::Newest;
use crate::inflight::InFlight;
use crate::latch::{self, Latch};
use crate::ports::Budget;

/// The bars before one door.
pub struct Bars {
    group: GroupName,
    policy: Newest<Policy>,
    now: Clock,
    latch: Arc<Latch>,
    budget: Arc<dyn Budget>,
    /// Why nothing goes through any more, once the door is shut.
    shut: OnceLock<Refusal>,
    /// Notified when that happens.
    shutting: Notify,
    /// Requests in flight; HTTP/2 streams count one by one.
    requests: Arc<Semaphore>,
    in_flight: InFlight,
}

impl Bars {
    pub(crate) fn new(
        group: &GroupName,
        policy: Newest<Policy>,
        (now, latch, budget): (&Clock, &Arc<Latch>, &Arc<dyn Budget>),
        most: usize,
    ) -> Self {
        Bars {
            group: group.clone(),
            policy,
            now: now.clone(),
            latch: latch.clone(),
            budget: budget.clone(),
            shut: OnceLock::new(),
            shutting: Notify::new(),
            requests: Arc::new(Semaphore::new(most)),
            in_flight: InFlight::default(),
        }
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
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

    /// Why nothing from the group may go on: the door is shut, or the owner has locked the group.
    pub fn lets_nothing(&self) -> Option<Refusal> {
        self.is_shut().or_else(|| self.locked().err())
    }

    /// Whether the group is locked now.
    fn locked(&self) -> Result<(), Refusal> {
        if self.latch.holds(&self.group) { Err(latch::refusal()) } else { Ok(()) }
    }

    /// The same, and the owner's absence too unless the request asks a model.
    pub(crate) fn holds_back(&self, asks_model: bool) -> Option<Refusal> {
        let away = !asks_model && self.latch.is_away();
        self.lets_nothing().or_else(|| away.then(latch::away))
    }

    /// Cuts everything in flight if the group is locked, and all but models if the owner is away.
    pub fn cut_if_locked(&self) {
        if let Err(refusal) = self.locked() {
            self.in_flight.cut(&refusal);
        } else if self.latch.is_away() {
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

    /// The `[limits]` that are in force now.
    pub(crate) fn limits_in_force(&self) -> policies::Limits {
        *self.policy.now().limits()
    }

    /// Counts bytes of a body before they are sent.
    pub(crate) fn spend(&self, limits: &policies::Limits, bytes: u64) -> Result<(), Refusal> {
        self.budget.spend(&self.group, limits, bytes)
    }

    /// Checks a permit again when it is used: the policy may have been tightened since it was
    /// given.
    pub(crate) fn upholds(&self, permit: &Permit, address: SocketAddr) -> Result<(), Refusal> {
        self.holds_back(permit.model()).map_or(Ok(()), Err)?;
        let policy = self.policy.now();
        let policy = policy.at((self.now)());
        policy.upholds(permit, Some(address))?;
        policy.upholds_search(permit)
    }

    /// The same for a tunnel.
    pub(crate) fn upholds_tunnel(&self, permit: &TunnelPermit, address: SocketAddr) -> Result<(), Refusal> {
        self.holds_back(false).map_or(Ok(()), Err)?;
        self.policy.now().at((self.now)()).upholds_tunnel(permit, Some(address))
    }

    /// Cuts what the policy in force no longer allows, and what is stuck.
    pub fn review(&self) {
        self.in_flight.review(self.policy.now().at((self.now)()));
    }
}
