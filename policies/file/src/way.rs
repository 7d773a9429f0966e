//! The way of a request through a door, foreseen: what `policy explain`, `policy
//! diff` and `[[test]]` say of it. What it is not: the door, which sees the
//! connection before the request and asks for each by itself.

use std::net::SocketAddr;

use policies::{Facts, Host, PolicyAt, Scheme, TunnelPermit, Verdict};

/// How a request goes.
#[derive(Debug)]
pub enum Way {
    /// In a connection that nobody opens, so that it is not judged.
    Unopened(TunnelPermit),
    /// Opened and judged.
    Judged(Verdict),
}

/// How this request would go. A host that is an address is checked as it is before it is
/// dialled; what a name resolves to is not known here.
pub fn way(policy: PolicyAt<'_>, facts: Facts) -> Way {
    let port = facts.authority.port;
    let dialled = match facts.authority.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, port)),
        Host::Name(_) => None,
    };
    let tunnel = (facts.scheme == Scheme::Https).then(|| policy.decide_tunnel(&facts.authority)).flatten();
    if let Some(tunnel) = tunnel {
        return match dialled.map(|address| tunnel.check_address(address)) {
            Some(Err(refusal)) => Way::Judged(Verdict::Deny(facts, refusal)),
            _ => Way::Unopened(tunnel),
        };
    }
    Way::Judged(match policy.decide(facts) {
        Verdict::Allow(permit) => match dialled.map(|address| permit.check_address(address)) {
            Some(Err(refusal)) => Verdict::Deny(permit.facts().clone(), refusal),
            _ => Verdict::Allow(permit),
        },
        denied => denied,
    })
}
