//! What a helper of a group's agent may ask for: a part of what the group may.
//!
//! What it is: one more reason to refuse. A narrowed policy has its group's own rules and is judged by them; a request
//! that passes must lie within the part besides. So there is nothing that a helper may and its group may not.

use std::fmt;

use crate::{Code, Facts, HostPattern, Reading, Refusal, RequestPattern};

/// Some requests, named as rules name them. What leads to a model, a helper may always ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    parts: Vec<Part>,
}

/// Requests to some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where to.
    pub host: HostPattern,
    /// What may be asked; one of them must fit.
    pub requests: Vec<RequestPattern>,
}

impl Narrow {
    /// These, and the model.
    pub fn new(parts: Vec<Part>) -> Self {
        Narrow { parts }
    }

    /// Whether a request lies within, by all that it asks for: what asks for another method than its own is within
    /// a part that has every method, and what goes on in another protocol is within none.
    pub fn covers(&self, request: &Reading<'_>) -> bool {
        let Facts { authority, upgrade, .. } = request.facts;
        let fits = |part: &Part| {
            part.host.covers(&authority.host) && part.requests.iter().any(|pattern| request.is_of(pattern))
        };
        upgrade.is_none() && self.parts.iter().any(fits)
    }

    /// Whether a rule for these hosts may open anything that lies within.
    pub(crate) fn may_meet(&self, host: &HostPattern) -> bool {
        self.parts.iter().any(|part| may_meet(&part.host, host))
    }

    /// Why a request that its group may ask for is none of the helper's.
    pub(crate) fn refuses(facts: &Facts) -> Refusal {
        let host = &facts.authority.host;
        Refusal::new(
            Code::NotAllowed,
            format!("{host} may be asked for this by the group, and not by this helper of it"),
        )
    }

    /// Why a request about which the owner would be asked is not a helper's.
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
