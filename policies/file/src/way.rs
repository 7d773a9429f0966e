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
    unopened(policy, &facts).unwrap_or_else(|| Way::Judged(dialled(policy.decide(facts))))
}

/// The same in a connection that nobody opens; nothing where it is opened.
pub fn unopened(policy: PolicyAt<'_>, facts: &Facts) -> Option<Way> {
    let tunnel = (facts.scheme == Scheme::Https).then(|| policy.decide_tunnel(&facts.authority)).flatten()?;
    Some(match address(facts).map(|address| tunnel.check_address(address)) {
        Some(Err(refusal)) => Way::Judged(Verdict::Deny(facts.clone(), refusal)),
        _ => Way::Unopened(tunnel),
    })
}

/// What becomes of an allow where its host is an address. Nobody is asked about one.
pub fn dialled(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Allow(permit) => match address(permit.facts()).map(|address| permit.check_address(address)) {
            Some(Err(refusal)) => Verdict::Deny(permit.facts().clone(), refusal),
            _ => Verdict::Allow(permit),
        },
        asked_or_denied @ (Verdict::Ask(_) | Verdict::Deny(..)) => asked_or_denied,
    }
}

fn address(facts: &Facts) -> Option<SocketAddr> {
    match facts.authority.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, facts.authority.port)),
        Host::Name(_) => None,
    }
}
