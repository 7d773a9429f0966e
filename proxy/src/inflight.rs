//! What is under way through one door, and cutting what a tightened policy no longer
//! allows: a permit is for the policy that gave it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use policies::{Authority, Code, Date, Facts, Policy, PolicyHash, Refusal, Verdict};

use crate::audit::Seq;
use crate::record::Tally;

/// The requests and tunnels under way.
#[derive(Default)]
pub(crate) struct InFlight {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    going: HashMap<Seq, Going>,
    /// The policy and day that all of them were last held against.
    reviewed: Option<(PolicyHash, Date)>,
}

struct Going {
    what: What,
    tally: Weak<Tally>,
}

/// What was permitted.
pub(crate) enum What {
    Request(Box<Facts>),
    Tunnel(Authority),
}

impl InFlight {
    /// `judged_by`: the policy that permitted it.
    pub(crate) fn add(&self, what: What, judged_by: PolicyHash, tally: &Arc<Tally>) {
        let mut state = self.lock();
        if state.reviewed.is_some_and(|(policy, _)| policy != judged_by) {
            // The review of the policy in force may be over: it has to see this one as well.
            state.reviewed = None;
        }
        state.going.insert(tally.seq(), Going { what, tally: Arc::downgrade(tally) });
    }

    pub(crate) fn remove(&self, seq: Seq) {
        self.lock().going.remove(&seq);
    }

    /// Cuts what the policy does not allow any more. Cheap while nothing changes.
    pub(crate) fn review(&self, policy: &Policy, today: Date) {
        let mut state = self.lock();
        if state.reviewed.replace((policy.hash(), today)) == Some((policy.hash(), today)) {
            return;
        }
        let revoked: Vec<_> = state
            .going
            .values()
            .filter_map(|going| Some((going.refused(policy, today)?, going.tally.upgrade()?)))
            .collect();
        // A tally that ends here takes itself off this list.
        drop(state);
        for (refusal, tally) in revoked {
            tally.cut(&refusal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going {
    fn refused(&self, policy: &Policy, today: Date) -> Option<Refusal> {
        match &self.what {
            What::Request(facts) => match policy.decide_at((**facts).clone(), today) {
                Verdict::Allow(_) => None,
                Verdict::Deny(_, refusal) => Some(Refusal { code: Code::Revoked, ..refusal }),
            },
            What::Tunnel(authority) => policy.decide_tunnel(authority).is_none().then(|| tunnel_revoked(authority)),
        }
    }
}

pub(crate) fn tunnel_revoked(authority: &Authority) -> Refusal {
    Refusal::new(Code::Revoked, format!("the policy no longer lets {authority} through unopened"))
}
