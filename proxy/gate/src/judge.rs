//! The verdict on one request: no rule, no permit.

use std::sync::Arc;

use http::HeaderMap;
use policies::{Ask, AskedBy, Authority, Facts, Permit, Policy, PolicyAt, Refusal, TunnelPermit, Verdict};

use crate::case::Case;
use crate::latch;
use crate::second_path;

/// What a request asks for. Made only by reading it into its record.
pub struct Asked(pub(crate) Facts);

/// The proof that the group's policy allows a request, and everything that its headers make the host read.
pub struct Judged(Permit);

/// The same for a tunnel.
pub struct JudgedTunnel(pub(crate) TunnelPermit);

/// The same for a request that the gateway makes, by a policy of the owner's.
pub struct Own(Permit);

/// Why there is no permit.
pub enum Denied {
    /// The owner has to be asked first.
    Asks(Box<Ask>),
    /// The policy does not allow what was read.
    ByPolicy(Box<Facts>, Refusal),
    /// A header is refused.
    ByHeader(Refusal),
}

/// Judges what was read, and whatever else the headers make the host read.
pub fn judge(case: &Case, Asked(facts): Asked, headers: &HeaderMap) -> Result<Judged, Denied> {
    judged_by(case, facts, headers)
}

/// The same for a request that was held, with the owner's answer.
pub(crate) fn judged_by(case: &Case, facts: Facts, headers: &HeaderMap) -> Result<Judged, Denied> {
    let judged = judged(case.policy_now(), facts, headers);
    if case.away { model_alone(case, judged) } else { judged }
}

/// Reduces a verdict while the owner is away: only a rule for a model still allows.
fn model_alone(case: &Case, judged: Result<Judged, Denied>) -> Result<Judged, Denied> {
    match judged {
        Ok(Judged(permit)) if permit.model() => Ok(Judged(permit.of_models_alone())),
        Ok(judged) => Err(Denied::ByPolicy(Box::new(judged.permit().facts().clone()), latch::away())),
        Err(Denied::Asks(ask)) => Err(Denied::ByPolicy(Box::new(ask.into_facts()), latch::away())),
        // This would be a tunnel, but is opened to show the refusal.
        Err(Denied::ByPolicy(facts, _)) if case.policy_now().decide_tunnel(&facts.authority).is_some() => {
            Err(Denied::ByPolicy(facts, latch::away()))
        }
        denied => denied,
    }
}

/// The verdict on a request that a door read, or on a hypothetical one.
pub(crate) fn judged(policy: PolicyAt<'_>, facts: Facts, headers: &HeaderMap) -> Result<Judged, Denied> {
    match policy.decide(facts) {
        Verdict::Allow(permit) => {
            let reached = second_path::judge(policy, permit.facts(), headers).map_err(Denied::ByHeader)?;
            Ok(Judged(permit.that_reaches(reached)))
        }
        Verdict::Ask(ask) => {
            second_path::judge(policy, ask.terms().facts(), headers).map_err(Denied::ByHeader)?;
            Err(Denied::Asks(Box::new(ask)))
        }
        Verdict::Deny(facts, refusal) => Err(Denied::ByPolicy(Box::new(facts), refusal)),
    }
}

/// Judges a connection that has named its host and no more: nothing if it has to be opened.
pub fn judge_tunnel(case: &Case, authority: &Authority) -> Option<JudgedTunnel> {
    if case.locked || case.away {
        // Opened, so that the refusal is answered inside, where clients show it.
        return None;
    }
    case.policy_now().decide_tunnel(authority).map(JudgedTunnel)
}

/// Judges a request that the gateway makes for a credential: by the owner's policy for its
/// endpoint, not by the group's.
pub fn judge_own(owners: &Policy, case: &Case, facts: Facts) -> Result<Own, Refusal> {
    match owners.at(case.now).decide(facts) {
        Verdict::Allow(permit) => Ok(Own(permit)),
        Verdict::Ask(ask) => Err(Refusal { lift: Vec::new(), ..ask.by().unanswered() }),
        Verdict::Deny(_, refusal) => Err(Refusal { lift: Vec::new(), ..refusal }),
    }
}

impl Asked {
    /// What was read.
    pub fn facts(&self) -> &Facts {
        &self.0
    }

    /// The same, for a caller that answers it here.
    pub fn into_facts(self) -> Facts {
        self.0
    }
}

impl Judged {
    /// What was permitted.
    pub fn permit(&self) -> &Permit {
        &self.0
    }

    pub(crate) fn into_permit(self) -> Permit {
        self.0
    }

    /// Gives the permit up: the owner has to be asked because of the body.
    pub fn into_ask(self, by: Arc<AskedBy>) -> Box<Ask> {
        Box::new(self.0.into_ask(by))
    }
}

impl Own {
    /// What was permitted.
    pub fn permit(&self) -> &Permit {
        &self.0
    }

    pub(crate) fn into_permit(self) -> Permit {
        self.0
    }
}
