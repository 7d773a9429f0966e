//! From names to connections: resolve, check every address, dial. Nothing is dialled unchecked, and
//! of several addresses the first to answer is used (RFC 8305).

use std::net::SocketAddr;

use policies::{Authority, CheckedAddress, Code, Host, Refusal};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gate::Gate;
use crate::limits::Limits;
use crate::patience::Patient;
use crate::race::{first_of, in_turns};

/// The time for all addresses together, as a multiple of the time for one.
const ALTOGETHER: u32 = 3;

/// A connection to a host that was dialled.
pub(crate) type Dialled = Patient<TcpStream>;

/// Resolves and dials. `check` is the permit's: only the addresses that it makes are dialled, and
/// if it refuses one, all are refused, because a mixed answer is what DNS rebinding looks like.
pub(crate) async fn reach(
    gate: &Gate,
    authority: &Authority,
    check: impl Fn(SocketAddr) -> Result<CheckedAddress, Refusal>,
) -> Result<(Dialled, CheckedAddress), Refusal> {
    // Locked or shut since the request was allowed: then the name is not resolved either.
    gate.lets_nothing().map_or(Ok(()), Err)?;
    let addresses = resolve(gate, authority).await?;
    let checked: Vec<_> = addresses.into_iter().map(check).collect::<Result<_, _>>()?;
    dial(gate.limits(), authority, &checked).await
}

/// Every address of the host, not yet checked.
async fn resolve(gate: &Gate, authority: &Authority) -> Result<Vec<SocketAddr>, Refusal> {
    let name = match &authority.host {
        Host::Ip(ip) => return Ok(vec![(*ip, authority.port).into()]),
        Host::Name(name) => name,
    };
    let unresolved = |why: String| Refusal::new(Code::Unresolved, format!("{name} does not resolve: {why}"));
    let resolving = gate.resolver().resolve(name);
    let found = timeout(gate.limits().connect_time, resolving)
        .await
        .map_err(|_| unresolved("no answer in time".to_owned()))?
        .map_err(|error| unresolved(error.to_string()))?;
    if found.is_empty() {
        return Err(unresolved("it has no address".to_owned()));
    }
    Ok(found.into_iter().map(|one| (one.ip, one.port.unwrap_or(authority.port)).into()).collect())
}

async fn dial(
    limits: &Limits,
    authority: &Authority,
    addresses: &[CheckedAddress],
) -> Result<(Dialled, CheckedAddress), Refusal> {
    let unreachable = |reason| Refusal::new(Code::UpstreamFailed, format!("{authority} cannot be reached: {reason}"));
    let attempts = in_turns(addresses, |address| address.get().is_ipv4()).map(|address| connected(limits, address));
    let first = timeout(limits.connect_time * ALTOGETHER, first_of(attempts));
    let (stream, address) = first.await.unwrap_or_else(|_| Err("it took too long".to_owned())).map_err(unreachable)?;
    let local = stream.local_addr().map_err(|error| unreachable(error.kind().to_string()))?;
    not_ourselves(authority, address.get(), local)?;
    // Without it small writes wait for acknowledgements: 30 ms an event.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    Ok((Patient::new(stream, limits.idle_body_time), address))
}

/// The error is the reason, where there is one.
#[expect(clippy::disallowed_methods, reason = "the gate is the way out: an address that a permit has checked")]
async fn connected(limits: &Limits, address: CheckedAddress) -> Result<(TcpStream, CheckedAddress), Option<String>> {
    match timeout(limits.connect_time, TcpStream::connect(address.get())).await {
        Ok(Ok(stream)) => Ok((stream, address)),
        Ok(Err(error)) => Err(Some(error.kind().to_string())),
        Err(_) => Err(None),
    }
}

/// A connection to this machine has one address at both ends. A public one reaches the same
/// services as loopback, from inside; a private one is here because the rule names it.
fn not_ourselves(authority: &Authority, peer: SocketAddr, local: SocketAddr) -> Result<(), Refusal> {
    let ip = peer.ip().to_canonical();
    if local.ip().to_canonical() != ip || policies::special(ip).is_some() {
        return Ok(());
    }
    let why = format!(
        "{} resolves to {ip}, an address of the host itself; for a service of the host's own, let the owner give the \
         name a private address in [upstream.hosts], and name that in `private`",
        authority.host
    );
    Err(Refusal::new(Code::SelfTarget, why))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Attack B02, where the host has a public address: only the connection shows it.
    #[test]
    fn the_hosts_own_public_address_is_refused() {
        let dialled = |peer: &str, local: &str| {
            let authority = Authority::parse("cdn.allowed.test:443", None).unwrap();
            not_ourselves(&authority, peer.parse().unwrap(), local.parse().unwrap()).map_err(|refusal| refusal.code)
        };
        for (peer, local) in [
            ("8.8.8.8:443", "8.8.8.8:50000"),
            ("8.8.8.8:443", "[::ffff:8.8.8.8]:50000"),
            ("[2600::1]:443", "[2600::1]:50000"),
        ] {
            assert_eq!(dialled(peer, local), Err(Code::SelfTarget), "{peer}");
        }
        assert_eq!(dialled("8.8.8.8:443", "8.8.4.4:50000"), Ok(()));
        assert_eq!(
            dialled("192.168.1.20:443", "192.168.1.20:50000"),
            Ok(()),
            "the rule names it, or it is not dialled"
        );
    }
}
