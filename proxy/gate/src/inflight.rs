//! What is in flight through one door, and cutting what a tightened policy no longer
//! allows: a permit is for the policy that gave it.

use std::collections::HashMap;
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
    /// The policy and moment of the last review.
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
    /// For the host itself, or a request that the gateway makes: no group's policy applies.
    Own,
}

impl InFlight {
    pub(crate) fn add(&self, seq: Seq, permitted: Permitted, progress: &Arc<Progress>) {
        let mut state = self.lock();
        let judged_by = permitted.judged_by();
        if state.reviewed.is_some_and(|reviewed| judged_by.is_some_and(|judged_by| reviewed != judged_by)) {
            // The review for the current policy may be over: it has to see this request as well.
            state.reviewed = None;
        }
        state.going.insert(seq, Going { permitted, progress: progress.clone() });
    }

    pub(crate) fn remove(&self, seq: Seq) {
        self.lock().going.remove(&seq);
    }

    /// Cuts what the policy no longer allows, and what is stuck.
    pub(crate) fn review(&self, policy: PolicyAt<'_>) {
        let mut state = self.lock();
        let held_against = (policy.policy().hash(), policy.now());
        let changed = state.reviewed.replace(held_against) != Some(held_against);
        let held = state.going.values().map(|going| {
            let upheld = if changed { going.permitted.upheld(policy, &going.progress) } else { Ok(()) };
            (going.progress.clone(), upheld)
        });
        let held: Vec<_> = held.collect();
        // What is cut may end at once and remove itself from this list.
        drop(state);
        for (progress, upheld) in held {
            match upheld {
                Err(refusal) => progress.cut(&refusal),
                Ok(()) => progress.end_if_stuck(),
            }
        }
    }

    /// Cuts everything of the group: the door is shut. The gateway's own requests go on: a token
    /// endpoint that is cut off may have issued a new refresh token, which would be lost.
    pub(crate) fn cut(&self, refusal: &Refusal) {
        self.cut_all(refusal, |permitted| !matches!(permitted, Permitted::Own));
    }

    /// The same, except for requests to models.
    pub(crate) fn cut_but_models(&self, refusal: &Refusal) {
        self.cut_all(refusal, |permitted| !matches!(permitted, Permitted::Own) && !permitted.asks_model());
    }

    fn cut_all(&self, refusal: &Refusal, which: impl Fn(&Permitted) -> bool) {
        let state = self.lock();
        let going = state.going.values().filter(|going| which(&going.permitted));
        let going: Vec<_> = going.map(|going| going.progress.clone()).collect();
        drop(state);
        going.iter().for_each(|progress| progress.cut(refusal));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permitted {
    /// Whether it may go on, given what was already done under it.
    fn upheld(&self, policy: PolicyAt<'_>, progress: &Progress) -> Result<(), Refusal> {
        match self {
            Permitted::Request(permit) => {
                policy.upholds(permit, progress.address())?;
                if progress.is_sent() { Ok(()) } else { policy.upholds_search(permit) }
            }
            Permitted::Tunnel(permit) => policy.upholds_tunnel(permit, progress.address()),
            Permitted::Own => Ok(()),
        }
    }

    /// Whether its rule says `model = true`.
    pub(crate) fn asks_model(&self) -> bool {
        matches!(self, Permitted::Request(permit) if permit.model())
    }

    fn judged_by(&self) -> Option<(PolicyHash, Moment)> {
        match self {
            Permitted::Request(permit) => Some((permit.policy(), permit.now())),
            Permitted::Tunnel(permit) => Some((permit.policy(), permit.now())),
            Permitted::Own => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use policies::{Date, Facts, GroupName, Policy, TimeOfDay, Verdict};

    use super::*;

    fn judged(policy: PolicyAt<'_>) -> Permitted {
        match policy.decide(Facts::parse("GET", "https://a.test/").unwrap()) {
            Verdict::Allow(permit) => Permitted::Request(Arc::new(permit)),
            Verdict::Ask(ask) => panic!("{:?}", ask.by()),
            Verdict::Deny(_, refusal) => panic!("{refusal}"),
        }
    }

    /// Judged in the last second of its hours, and added after that minute was over.
    #[test]
    fn what_was_judged_before_a_review_is_reviewed_too() {
        let text = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\nhours = \"07:00-21:00\"\n";
        let source = policy_file::Source { name: "family.toml".to_owned(), text: text.to_owned() };
        let group = GroupName::parse("family").unwrap();
        let policy: Policy = policy_file::compile(&group, &source, None).unwrap().policy;
        let at = |time| policy.at(Moment::new(Date::new(2026, 11, 23).unwrap(), TimeOfDay::parse(time).unwrap()));
        let in_flight = InFlight::default();
        let permitted = judged(at("20:59"));
        in_flight.review(at("21:00"));
        let progress = Arc::new(Progress::new(None, Duration::from_secs(1)));
        in_flight.add(Seq(1), permitted, &progress);
        in_flight.review(at("21:00"));
        assert!(progress.is_cut());
    }
}
