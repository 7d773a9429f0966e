//! What is in flight through one door, and cutting what a tightened policy no longer
//! allows: a permit is for the policy that gave it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policies::{Moment, Permit, PolicyAt, PolicyHash, Refusal, TunnelPermit};

use crate::audit::Seq;
use crate::progress::Progress;

/// The requests and tunnels in flight.
#[derive(Default)]
pub(crate) struct InFlight {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    going: HashMap<Seq, Going>,
    /// The policy and moment that all of them were last held against.
    reviewed: Option<(PolicyHash, Moment)>,
}

struct Going {
    permitted: Permitted,
    progress: Arc<Progress>,
}

/// What was permitted, to be judged again.
pub(crate) enum Permitted {
    Request(Arc<Permit>),
    Tunnel(Arc<TunnelPermit>),
    /// For the host itself, or a request of the gateway's own: no group's policy is about it.
    Own,
}

impl InFlight {
    pub(crate) fn add(&self, seq: Seq, permitted: Permitted, progress: &Arc<Progress>) {
        let mut state = self.lock();
        let judged_by = permitted.judged_by();
        if state.reviewed.is_some_and(|(policy, _)| judged_by.is_some_and(|judged_by| policy != judged_by)) {
            // The review of the policy in force may be over: it has to see this one as well.
            state.reviewed = None;
        }
        state.going.insert(seq, Going { permitted, progress: progress.clone() });
    }

    pub(crate) fn remove(&self, seq: Seq) {
        self.lock().going.remove(&seq);
    }

    /// Cuts what the policy does not allow any more, and what is stuck.
    pub(crate) fn review(&self, policy: PolicyAt<'_>) {
        let mut state = self.lock();
        let held_against = (policy.hash(), policy.now());
        let changed = state.reviewed.replace(held_against) != Some(held_against);
        let held = state.going.values().map(|going| {
            let upheld = if changed { going.permitted.upheld(policy, going.progress.address()) } else { Ok(()) };
            (going.progress.clone(), upheld)
        });
        let held: Vec<_> = held.collect();
        // What is cut may end at once, and takes itself off this list.
        drop(state);
        for (progress, upheld) in held {
            match upheld {
                Err(refusal) => progress.cut(&refusal),
                Ok(()) => progress.end_if_stuck(),
            }
        }
    }

    /// Cuts all of the group's: the door is shut. What the gateway asks for itself goes on: a
    /// token endpoint that is cut off may have given a new refresh token that nobody has then.
    pub(crate) fn cut(&self, refusal: &Refusal) {
        let state = self.lock();
        let going = state.going.values().filter(|going| !matches!(going.permitted, Permitted::Own));
        let going: Vec<_> = going.map(|going| going.progress.clone()).collect();
        drop(state);
        going.iter().for_each(|progress| progress.cut(refusal));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permitted {
    /// Whether it may go on, for all that was done by it.
    fn upheld(&self, policy: PolicyAt<'_>, address: Option<SocketAddr>) -> Result<(), Refusal> {
        match self {
            Permitted::Request(permit) => policy.upholds(permit, address),
            Permitted::Tunnel(permit) => policy.upholds_tunnel(permit, address),
            Permitted::Own => Ok(()),
        }
    }

    fn judged_by(&self) -> Option<PolicyHash> {
        match self {
            Permitted::Request(permit) => Some(permit.policy()),
            Permitted::Tunnel(permit) => Some(permit.policy()),
            Permitted::Own => None,
        }
    }
}
