//! The way of a request through a door, foreseen: what `policy explain`, `policy
//! diff` and `[[test]]` say of it. What it is not: the door, which sees the
//! connection before the request and asks for each by itself.

use std::net::SocketAddr;

use crate::{Date, Facts, Host, Policy, Scheme, TunnelPermit, Verdict};

/// How a request goes.
#[derive(Debug)]
pub enum Way {
    /// In a connection that nobody opens, so that it is not judged.
    Unopened(TunnelPermit),
    /// Opened and judged.
    Judged(Verdict),
}

impl Policy {
    /// How this request would go on a day; without one, as if nothing was observed. A host
    /// that is an address is checked as it is before it is dialled; what a name resolves to
    /// is not known here.
    pub fn way(&self, facts: Facts, today: Option<Date>) -> Way {
        let port = facts.authority.port;
        let dialled = match facts.authority.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, port)),
            Host::Name(_) => None,
        };
        let tunnel = (facts.scheme == Scheme::Https).then(|| self.decide_tunnel(&facts.authority)).flatten();
        if let Some(tunnel) = tunnel {
            return match dialled.map(|address| tunnel.check_address(address)) {
                Some(Err(refusal)) => Way::Judged(Verdict::Deny(facts, refusal)),
                _ => Way::Unopened(tunnel),
            };
        }
        Way::Judged(match self.decide_on(facts, today) {
            Verdict::Allow(permit) => match dialled.map(|address| permit.check_address(address)) {
                Some(Err(refusal)) => Verdict::Deny(permit.facts, refusal),
                _ => Verdict::Allow(permit),
            },
            denied => denied,
        })
    }
}
