//! Upstream: resolve, check, dial, verify, send. Every step wants the proof that
//! the request is allowed and stored.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use policies::{CheckedAddress, Code, Host, Permit, Refusal, Scheme};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::body::Outgoing;
use crate::door::{Door, Gateway};
use crate::record::Audited;

mod pool;

pub(crate) use pool::{Lease, Pool};
use pool::Key;

/// One connection to an upstream, used by one request at a time.
pub(crate) struct Upstream {
    sender: SendRequest<Outgoing>,
    address: CheckedAddress,
    _driver: AbortOnDrop,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and waits for the head of its answer. A pooled connection that
/// turns out to be closed before anything was written is replaced by a fresh one.
pub(crate) async fn send(
    door: &Arc<Door>,
    audited: &Audited,
    request: http::Request<Outgoing>,
) -> Result<(http::Response<Incoming>, Lease), Refusal> {
    let key = Key::of(audited.permit());
    let mut request = request;
    while let Some(mut upstream) = door.pool.take(&key, audited.permit()).await {
        match exchange(door, audited, &mut upstream, request).await {
            Ok(answer) => return Ok((answer, Lease::new(door.clone(), key, upstream))),
            Err(Failed::Unsent(unsent)) => request = *unsent,
            Err(Failed::Refused(refusal)) => return Err(refusal),
        }
    }
    let mut upstream = open(&door.gateway, audited.permit()).await?;
    match exchange(door, audited, &mut upstream, request).await {
        Ok(answer) => Ok((answer, Lease::new(door.clone(), key, upstream))),
        Err(Failed::Unsent(_)) => Err(broken_off()),
        Err(Failed::Refused(refusal)) => Err(refusal),
    }
}

enum Failed {
    /// Not a byte was written: the request can go elsewhere.
    Unsent(Box<http::Request<Outgoing>>),
    Refused(Refusal),
}

async fn exchange(
    door: &Door,
    audited: &Audited,
    upstream: &mut Upstream,
    request: http::Request<Outgoing>,
) -> Result<http::Response<Incoming>, Failed> {
    let address = upstream.address.get();
    still_allowed(door, audited.permit(), address).map_err(Failed::Refused)?;
    audited.tally().note(|outcome| outcome.address = Some(address));
    let answer = timeout(door.gateway.limits.answer_time, upstream.sender.try_send_request(request)).await;
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(mut error)) => match error.take_message() {
            Some(unsent) => Err(Failed::Unsent(Box::new(unsent))),
            // A leak found in the body broke it off: that is the reason to give.
            None => Err(Failed::Refused(audited.tally().refused().unwrap_or_else(broken_off))),
        },
        Err(_) => Err(Failed::Refused(Refusal::new(Code::Timeout, "the host did not answer in time"))),
    }
}

/// A permit is checked again when it is used: the policy may have been tightened
/// since it was given. What was already done by it must still be so: the credential
/// that is on the request, the surrogates its body may hold, the address.
fn still_allowed(door: &Door, permit: &Permit, address: SocketAddr) -> Result<(), Refusal> {
    let policy = door.policy.load();
    if policy.hash() == permit.policy() {
        return Ok(());
    }
    let revoked = |refusal| Refusal { code: Code::Revoked, ..refusal };
    match policy.decide(permit.facts().clone()) {
        policies::Verdict::Allow(now) if now.credential() == permit.credential() && now.model() == permit.model() => {
            now.check_address(address).map(drop).map_err(revoked)
        }
        policies::Verdict::Allow(_) => {
            Err(Refusal::new(Code::Revoked, "the policy changed while the request was under way; send it again"))
        }
        policies::Verdict::Deny(_, refusal) => Err(revoked(refusal)),
    }
}

fn broken_off() -> Refusal {
    Refusal::new(Code::UpstreamFailed, "the host broke the connection off before it answered")
}

/// Opens a connection to an address that was checked against the permit.
async fn open(gateway: &Gateway, permit: &Permit) -> Result<Upstream, Refusal> {
    let addresses = resolve(gateway, permit).await?;
    let (stream, address) = dial(gateway, permit, &addresses).await?;
    match permit.facts().scheme {
        Scheme::Http => speak(stream, address).await,
        Scheme::Https => {
            let stream = verify(gateway, permit, stream).await?;
            speak(stream, address).await
        }
    }
}

/// Every address of the host, each checked: a single one that is not allowed
/// refuses the request, for a mixed answer is what rebinding looks like.
async fn resolve(gateway: &Gateway, permit: &Permit) -> Result<Vec<CheckedAddress>, Refusal> {
    let authority = &permit.facts().authority;
    let name = match &authority.host {
        Host::Ip(ip) => return Ok(vec![permit.check_address((*ip, authority.port).into())?]),
        Host::Name(name) => name,
    };
    let unresolved = |why: String| Refusal::new(Code::Unresolved, format!("{name} does not resolve: {why}"));
    let resolving = gateway.resolver.resolve(name);
    let found = timeout(gateway.limits.connect_time, resolving)
        .await
        .map_err(|_| unresolved("no answer in time".to_owned()))?
        .map_err(|error| unresolved(error.to_string()))?;
    if found.is_empty() {
        return Err(unresolved("it has no address".to_owned()));
    }
    found
        .into_iter()
        .map(|one| permit.check_address((one.ip, one.port.unwrap_or(authority.port)).into()))
        .collect()
}

async fn dial(
    gateway: &Gateway,
    permit: &Permit,
    addresses: &[CheckedAddress],
) -> Result<(TcpStream, CheckedAddress), Refusal> {
    let mut reason = "it took too long".to_owned();
    for address in addresses {
        match timeout(gateway.limits.connect_time, TcpStream::connect(address.get())).await {
            Ok(Ok(stream)) => {
                // Without it small writes wait for acknowledgements: 30 ms an event.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                return Ok((stream, *address));
            }
            Ok(Err(error)) => reason = error.kind().to_string(),
            Err(_) => {}
        }
    }
    let authority = &permit.facts().authority;
    Err(Refusal::new(Code::UpstreamFailed, format!("{authority} cannot be reached: {reason}")))
}

/// The certificate must be valid for the very host that was judged.
async fn verify(
    gateway: &Gateway,
    permit: &Permit,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Refusal> {
    let authority = &permit.facts().authority;
    let invalid = |why: String| Refusal::new(Code::TlsVerify, format!("TLS with {authority} failed: {why}"));
    let name = match &authority.host {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|error| invalid(error.to_string()))?,
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
    };
    let connector = TlsConnector::from(gateway.tls.clone());
    timeout(gateway.limits.handshake_time, connector.connect(name, stream))
        .await
        .map_err(|_| Refusal::new(Code::Timeout, format!("the TLS handshake with {authority} took too long")))?
        .map_err(|error| invalid(error.to_string()))
}

async fn speak<S>(stream: S, address: CheckedAddress) -> Result<Upstream, Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(|_| broken_off())?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(upstream.closed = !error.is_canceled(), "Upstream connection ended");
        }
    });
    Ok(Upstream { sender, address, _driver: AbortOnDrop(driver.abort_handle()) })
}
