//! What a helper of a group's agent may ask for: a part of what its group may.
//!
//! What it is: one more reason to refuse. A narrowed policy keeps its group's rules and judges by them; in addition,
//! a request must lie within the part. So there is nothing that a helper may do and its group may not.

use std::fmt;

use crate::{Code, Facts, HostPattern, Reading, Refusal, RequestPattern};

/// Some requests, named as rules name them. A helper may always ask a model that its group may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    parts: Vec<Part>,
}

/// Requests to some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where to.
    pub host: HostPattern,
    /// The requests it may make; one pattern must fit.
    pub requests: Vec<RequestPattern>,
}

impl Narrow {
    /// These, and the model.
    pub fn new(parts: Vec<Part>) -> Self {
        Narrow { parts }
    }

    /// Whether a request lies within, by everything it asks for: one that asks for another method than its own
    /// needs a part with every method, and an upgrade is never within.
    pub fn covers(&self, request: &Reading<'_>) -> bool {
        let Facts { authority, upgrade, .. } = request.facts;
        let fits = |part: &Part| {
            part.host.covers(&authority.host) && part.requests.iter().any(|pattern| request.is_of(pattern))
        };
        upgrade.is_none() && self.parts.iter().any(fits)
    }

    /// Whether a rule for these hosts may open anything within.
    pub(crate) fn may_meet(&self, host: &HostPattern) -> bool {
        self.parts.iter().any(|part| may_meet(&part.host, host))
    }

    /// The refusal of a request that the group may make but the helper may not.
    pub(crate) fn refuses(facts: &Facts) -> Refusal {
        let host = &facts.authority.host;
        Refusal::new(
            Code::NotAllowed,
            format!("{host} may be asked for this by the group, and not by this helper of it"),
        )
    }

    /// The refusal of a helper's request about which the owner would be asked.
    pub(crate) fn asks_nobody(facts: &Facts) -> Refusal {
        let host = &facts.authority.host;
        let why = format!("the owner is asked about this at {host}, and helpers can have nobody asked");
        Refusal::new(Code::NotAllowed, why)
    }
}

/// Whether two patterns may name the same host.
pub(crate) fn may_meet(one: &HostPattern, other: &HostPattern) -> bool {
    match (one, other) {
        (HostPattern::Exact(one), other) => other.covers(one),
        (one, HostPattern::Exact(other)) => one.covers(other),
        _ => true,
    }
}

impl fmt::Display for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part { host, requests } in &self.parts {
            for request in requests {
                writeln!(f, "{host} {request}")?;
            }
        }
        Ok(())
    }
}
