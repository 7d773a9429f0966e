//! The way out: resolve, check, dial, verify. An [`Exit`] is a connection to the host that a permit
//! names, made only here; nothing can be written to it until it becomes a line (`line.rs`) or a
//! tunnel.

use std::sync::Arc;

use policies::{Authority, CheckedAddress, Code, Host, Permit, Refusal, Scheme, TunnelPermit};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ahead::Ahead;
use crate::audited::{Audited, AuditedTunnel};
use crate::dial::{Dialled, reach};
use crate::gate::Gate;
use crate::tls::H2;
use crate::unverified::{failed, why_failed};

/// A connection to a host, dialled at an address that the permit checked, and with a verified
/// certificate if the request uses TLS.
pub struct Exit {
    stream: Box<dyn Stream>,
    destination: Destination,
    address: CheckedAddress,
    is_http2: bool,
}

/// Where a connection leads, and for which credential: requests that share one agree on all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    scheme: Option<Scheme>,
    authority: Authority,
    credential: Option<Arc<str>>,
}

impl Destination {
    /// Where this permit leads.
    pub fn of(permit: &Permit) -> Self {
        let facts = permit.facts();
        let (scheme, credential) = (Some(facts.scheme), permit.credential().cloned());
        Destination { scheme, authority: facts.authority.clone(), credential }
    }

    pub(crate) fn of_tunnel(permit: &TunnelPermit) -> Self {
        Destination { scheme: None, authority: permit.authority().clone(), credential: None }
    }

    /// The host and its port.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// The protocols that a host is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/1.1, as the client speaks it: no translation into frames, and no body waits for a
    /// window. HTTP/2 only if the host has nothing else.
    Http1,
    /// HTTP/2 or HTTP/1.1, as the host prefers.
    Either,
}

/// What a connection has to be able to do.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Exit {
    /// For HTTP requests.
    pub async fn open(gate: &Gate, audited: &Audited, offer: Offer) -> Result<Self, Refusal> {
        let (tls, permit) = (gate.tls(), audited.permit());
        if offer == Offer::Http1
            && let Some(exit) = Exit::verified(gate, &tls.http1, permit).await?
        {
            return Ok(exit);
        }
        Exit::verified(gate, &tls.any, permit)
            .await?
            .ok_or_else(|| failed(&permit.facts().authority, "it speaks nothing of what it was offered"))
    }

    /// For protocols that need HTTP/1.1.
    pub(crate) async fn open_http1(gate: &Gate, audited: &Audited) -> Result<Self, Refusal> {
        let exit = Exit::verified(gate, &gate.tls().http1, audited.permit()).await?;
        let exit = exit.ok_or_else(|| {
            failed(&audited.permit().facts().authority, "it does not speak HTTP/1.1, as WebSockets do")
        })?;
        gate.upholds(audited.permit(), exit.address.get())?;
        audited.tally().goes_to(exit.address.get());
        Ok(exit)
    }

    /// For tunnels.
    pub(crate) async fn open_tunnel(gate: &Gate, audited: &AuditedTunnel) -> Result<Self, Refusal> {
        let permit = audited.permit();
        let (stream, address) = reach(gate, permit.authority(), |address| permit.check_address(address)).await?;
        // As with requests: the policy may have been tightened since the permit was given.
        gate.upholds_tunnel(permit, address.get())?;
        audited.tally().note(|outcome| outcome.address = Some(address.get()));
        let destination = Destination::of_tunnel(permit);
        Ok(Exit { stream: Box::new(stream), destination, address, is_http2: false })
    }

    /// Nothing if the host speaks none of the offered protocols.
    async fn verified(gate: &Gate, tls: &Arc<ClientConfig>, permit: &Permit) -> Result<Option<Self>, Refusal> {
        let (check, destination) = (|address| permit.check_address(address), Destination::of(permit));
        let (stream, address) = reach(gate, &permit.facts().authority, check).await?;
        if permit.facts().scheme == Scheme::Http {
            return Ok(Some(Exit { stream: Box::new(stream), destination, address, is_http2: false }));
        }
        let Some(stream) = verify(gate, tls, permit, stream).await? else { return Ok(None) };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok(Some(Exit { stream: Box::new(stream), destination, address, is_http2 }))
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2
    }

    pub(crate) fn into_parts(self) -> (Box<dyn Stream>, Destination, CheckedAddress) {
        (self.stream, self.destination, self.address)
    }
}

/// The certificate must be valid for exactly the host that was judged.
async fn verify(
    gate: &Gate,
    tls: &Arc<ClientConfig>,
    permit: &Permit,
    stream: Dialled,
) -> Result<Option<TlsStream<Ahead<Dialled>>>, Refusal> {
    let authority = &permit.facts().authority;
    let name = match &authority.host {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|error| failed(authority, error))?,
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
    };
    let connector = TlsConnector::from(tls.clone());
    let shaken = timeout(gate.limits().handshake_time, connector.connect(name, Ahead::new(stream))).await;
    match shaken {
        Ok(Ok(stream)) => Ok(Some(stream)),
        Ok(Err(error)) => why_failed(authority, &error).map_or(Ok(None), Err),
        Err(_) => Err(Refusal::new(Code::Timeout, format!("the TLS handshake with {authority} took too long"))),
    }
}
