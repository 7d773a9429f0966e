//! Predicts how a request passes a door: for `policy explain`, `policy diff` and `[[test]]`. What
//! it is not: the door, which sees the connection before the request and decides about each
//! separately.

use std::net::SocketAddr;

use policies::{Facts, Host, PolicyAt, Scheme, TunnelPermit, Verdict};

/// How a request passes.
#[derive(Debug)]
pub enum Way {
    /// In a connection that stays unopened, so that it is not judged.
    Unopened(TunnelPermit),
    /// Opened and judged.
    Judged(Verdict),
}

/// How this request would pass. A host that is an address is checked as before dialling; what a
/// name resolves to is not known here.
pub fn way(policy: PolicyAt<'_>, facts: Facts) -> Way {
    unopened(policy, &facts).unwrap_or_else(|| Way::Judged(dialled(policy.decide(facts))))
}

/// The same in a connection that stays unopened; `None` if it is opened.
pub fn unopened(policy: PolicyAt<'_>, facts: &Facts) -> Option<Way> {
    let tunnel = (facts.scheme == Scheme::Https).then(|| policy.decide_tunnel(&facts.authority)).flatten()?;
    Some(match address(facts).map(|address| tunnel.check_address(address)) {
        Some(Err(refusal)) => Way::Judged(Verdict::Deny(facts.clone(), refusal)),
        _ => Way::Unopened(tunnel),
    })
}

/// Applies the address check to an allow if its host is an address. Nobody is asked about
/// addresses.
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
