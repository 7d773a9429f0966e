//! The gate of one door: who is asking, under which policy, and on what else it depends. It knows
//! nothing about secrets or bodies. What can only keep a request back is in `bars.rs`.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use policies::{Clock, HeadHash, Host, Moment, Policy, Refusal};

use crate::audit::{Identity, Ledger};
use crate::bars::Bars;
use crate::case::{Case, Newest};
use crate::check::Clean;
use crate::judge::{Judged, JudgedTunnel};
use crate::latch::Latch;
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
    bars: Bars,
    /// The agent's current run; 0 for none.
    run: AtomicU64,
}

/// What can keep its requests back.
impl Deref for Gate {
    type Target = Bars;

    fn deref(&self) -> &Bars {
        &self.bars
    }
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
        let refusing = (&outside.now, &outside.latch, &outside.budget);
        Arc::new(Gate {
            bars: Bars::new(&who.group, Newest::of(policy.clone()), refusing, limits.requests),
            who,
            policy: Newest::of(policy),
            outside,
            tls,
            limits,
            run: AtomicU64::new(0),
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

    pub(crate) fn owner(&self) -> &dyn Owner {
        &*self.outside.owner
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
}
