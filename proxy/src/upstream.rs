//! Upstream: resolve, check, dial, verify, send. Every step wants the proof that
//! the request is allowed and stored.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use policies::{Authority, CheckedAddress, Code, Facts, Host, Permit, Refusal, Scheme};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::body::Outgoing;
use crate::connection::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::door::{Door, Gateway};
use crate::patience::Patient;
use crate::record::Audited;
use crate::streams::Streams;
use crate::tls::H2;

mod outbound;
mod pool;

pub(crate) use outbound::Outbound;

use pool::Key;
pub(crate) use pool::{Lease, Pool};

/// How much of one connection waits in memory, whoever does not read.
const BUFFER: usize = 64 << 10;

/// A connection to an upstream: used by one request at a time where it speaks
/// HTTP/1.1, shared by its door's requests where it speaks HTTP/2.
pub(crate) struct Upstream {
    sender: Sender,
    address: CheckedAddress,
    driver: Arc<AbortOnDrop>,
}

enum Sender {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>),
}

pub(crate) struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Upstream {
    /// Another handle to a connection that many requests may use.
    fn share(&self) -> Option<Upstream> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => {
                let sender = Sender::Http2(sender.clone());
                Some(Upstream { sender, address: self.address, driver: self.driver.clone() })
            }
        }
    }

    async fn is_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    async fn send(&mut self, facts: &Facts, outbound: Outbound) -> Result<http::Response<Incoming>, Unanswered> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(outbound.into_http1(facts)?).await,
            Sender::Http2(sender) => sender.try_send_request(outbound.into_http2(facts)?).await,
        }
        .map_err(|mut error| match error.take_message() {
            Some(unsent) => Unanswered::Unsent(Box::new(Outbound::recover(unsent))),
            None => Unanswered::Broken,
        })
    }
}

/// What became of a request that got no answer.
enum Unanswered {
    /// Not a byte was written: it can go elsewhere.
    Unsent(Box<Outbound>),
    /// It may have arrived.
    Broken,
    Refused(Refusal),
}

/// Sends a request and waits for the head of its answer. A pooled connection that
/// turns out to be closed before anything was written is replaced by a fresh one.
pub(crate) async fn send(
    door: &Arc<Door>,
    audited: &Audited,
    mut outbound: Outbound,
) -> Result<(http::Response<Incoming>, Lease), Refusal> {
    let key = Key::of(audited.permit());
    while let Some(mut upstream) = door.pool.take(&key, audited.permit()).await {
        match exchange(door, audited, &mut upstream, outbound).await {
            Ok(answer) => return Ok((answer, Lease::new(door.clone(), key, upstream))),
            Err(Unanswered::Unsent(unsent)) => outbound = *unsent,
            Err(unanswered) => return Err(unanswered.into_refusal(audited)),
        }
    }
    let mut upstream = open(door, audited.permit()).await?;
    if let Some(shared) = upstream.share() {
        door.pool.put(key.clone(), shared);
    }
    match exchange(door, audited, &mut upstream, outbound).await {
        Ok(answer) => Ok((answer, Lease::new(door.clone(), key, upstream))),
        Err(unanswered) => Err(unanswered.into_refusal(audited)),
    }
}

async fn exchange(
    door: &Door,
    audited: &Audited,
    upstream: &mut Upstream,
    outbound: Outbound,
) -> Result<http::Response<Incoming>, Unanswered> {
    let address = upstream.address.get();
    if !audited.is_own() {
        still_allowed(door, audited.permit(), address).map_err(Unanswered::Refused)?;
    }
    audited.tally().goes_over(&upstream.driver, address);
    let facts = audited.permit().facts();
    let too_late = || Unanswered::Refused(Refusal::new(Code::Timeout, "the host did not answer in time"));
    tokio::select! {
        answer = timeout(door.gateway.limits.answer_time, upstream.send(facts, outbound)) => answer.map_err(|_| too_late())?,
        // A leak in the body, or a tightened policy; why is in the tally.
        () = audited.tally().until_cut() => Err(Unanswered::Broken),
    }
}

impl Unanswered {
    fn into_refusal(self, audited: &Audited) -> Refusal {
        match self {
            Unanswered::Refused(refusal) => refusal,
            // A leak found in the body broke it off: that is the reason to give.
            Unanswered::Unsent(_) | Unanswered::Broken => audited.tally().refused().unwrap_or_else(broken_off),
        }
    }
}

/// A permit is checked again when it is used: the policy may have been tightened
/// since it was given.
pub(crate) fn still_allowed(door: &Door, permit: &Permit, address: SocketAddr) -> Result<(), Refusal> {
    door.policy.load().upholds(permit, (door.gateway.today)(), Some(address))
}

fn broken_off() -> Refusal {
    Refusal::new(Code::UpstreamFailed, "the host broke the connection off before it answered")
}

/// Opens a connection to an address that was checked against the permit.
async fn open(door: &Door, permit: &Permit) -> Result<Upstream, Refusal> {
    let check = |address| permit.check_address(address);
    let (stream, address) = reach(door, &permit.facts().authority, check).await?;
    match permit.facts().scheme {
        Scheme::Http => speak_http1(stream, address).await,
        Scheme::Https => {
            let stream = verify(&door.gateway, &door.tls.any, permit, stream).await?;
            if stream.get_ref().1.alpn_protocol() == Some(H2) {
                return speak_http2(stream, address).await;
            }
            speak_http1(stream, address).await
        }
    }
}

/// Opens a connection of its own for a WebSocket, which only HTTP/1.1 carries here.
pub(crate) async fn open_websocket(door: &Door, permit: &Permit) -> Result<(Plain, CheckedAddress), Refusal> {
    let check = |address| permit.check_address(address);
    let (stream, address) = reach(door, &permit.facts().authority, check).await?;
    if permit.facts().scheme == Scheme::Http {
        return Ok((Box::new(stream), address));
    }
    let stream = verify(&door.gateway, &door.tls.http1, permit, stream).await?;
    Ok((Box::new(stream), address))
}

/// A connection to a host that was dialled.
pub(crate) type Dialled = Patient<TcpStream>;

/// A stream, whatever is below it.
pub(crate) type Plain = Box<dyn Stream>;

/// What a connection has to be able to do.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Resolves and dials. `check` is the permit's: it makes the only thing that is
/// dialled, and a single address that it refuses refuses them all, for a mixed
/// answer is what rebinding looks like.
pub(crate) async fn reach(
    door: &Door,
    authority: &Authority,
    check: impl Fn(SocketAddr) -> Result<CheckedAddress, Refusal>,
) -> Result<(Dialled, CheckedAddress), Refusal> {
    let addresses = resolve(door, authority).await?;
    let checked: Vec<_> = addresses.into_iter().map(check).collect::<Result<_, _>>()?;
    dial(&door.gateway, authority, &checked).await
}

/// Every address of the host, still to be checked.
async fn resolve(door: &Door, authority: &Authority) -> Result<Vec<SocketAddr>, Refusal> {
    let name = match &authority.host {
        Host::Ip(ip) => return Ok(vec![(*ip, authority.port).into()]),
        Host::Name(name) => name,
    };
    let unresolved = |why: String| Refusal::new(Code::Unresolved, format!("{name} does not resolve: {why}"));
    let resolving = door.resolver.resolve(name);
    let found = timeout(door.gateway.limits.connect_time, resolving)
        .await
        .map_err(|_| unresolved("no answer in time".to_owned()))?
        .map_err(|error| unresolved(error.to_string()))?;
    if found.is_empty() {
        return Err(unresolved("it has no address".to_owned()));
    }
    Ok(found.into_iter().map(|one| (one.ip, one.port.unwrap_or(authority.port)).into()).collect())
}

async fn dial(
    gateway: &Gateway,
    authority: &Authority,
    addresses: &[CheckedAddress],
) -> Result<(Dialled, CheckedAddress), Refusal> {
    let mut reason = "it took too long".to_owned();
    for address in addresses {
        match timeout(gateway.limits.connect_time, TcpStream::connect(address.get())).await {
            Ok(Ok(stream)) => {
                let local = stream.local_addr().map_err(|_| broken_off())?;
                not_ourselves(authority, address.get(), local)?;
                // Without it small writes wait for acknowledgements: 30 ms an event.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                return Ok((Patient::new(stream, gateway.limits.idle_body_time), *address));
            }
            Ok(Err(error)) => reason = error.kind().to_string(),
            Err(_) => {}
        }
    }
    Err(Refusal::new(Code::UpstreamFailed, format!("{authority} cannot be reached: {reason}")))
}

/// A connection to this machine has one address at both ends. A public one leads to the
/// same services as loopback, from inside; a private one is here because the rule names it.
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

/// The certificate must be valid for the very host that was judged.
async fn verify(
    gateway: &Gateway,
    tls: &Arc<ClientConfig>,
    permit: &Permit,
    stream: Dialled,
) -> Result<TlsStream<Dialled>, Refusal> {
    let authority = &permit.facts().authority;
    let invalid = |why: String| Refusal::new(Code::TlsVerify, format!("TLS with {authority} failed: {why}"));
    let name = match &authority.host {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|error| invalid(error.to_string()))?,
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
    };
    let connector = TlsConnector::from(tls.clone());
    timeout(gateway.limits.handshake_time, connector.connect(name, stream))
        .await
        .map_err(|_| Refusal::new(Code::Timeout, format!("the TLS handshake with {authority} took too long")))?
        .map_err(|error| invalid(error.to_string()))
}

async fn speak_http1<S>(stream: S, address: CheckedAddress) -> Result<Upstream, Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await.map_err(|_| broken_off())?;
    Ok(Upstream { sender: Sender::Http1(sender), address, driver: drive(connection) })
}

async fn speak_http2<S>(stream: S, address: CheckedAddress) -> Result<Upstream, Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(Streams::default())
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10)
        // As at the door: what may wait here for a client that does not read.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| broken_off())?;
    Ok(Upstream { sender: Sender::Http2(sender), address, driver: drive(connection) })
}

/// Runs a connection until nobody holds it any more.
pub(crate) fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Arc<AbortOnDrop> {
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(upstream.closed = !error.is_canceled(), "Upstream connection ended");
        }
    });
    Arc::new(AbortOnDrop(driver.abort_handle()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Attack B02, where the host has a public address: nothing but the connection tells.
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

    /// Whoever still uses a connection keeps it going; nobody has to end it.
    #[tokio::test]
    async fn a_connection_ends_with_the_last_who_holds_it() {
        let (held, mut gone) = tokio::sync::oneshot::channel::<()>();
        let one = drive(async move {
            let _held = held;
            std::future::pending().await
        });
        let other = one.clone();
        drop(one);
        tokio::task::yield_now().await;
        assert_eq!(gone.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty));
        drop(other);
        let ended = timeout(std::time::Duration::from_secs(10), gone).await;
        assert!(ended.is_ok_and(|held| held.is_err()), "it goes on without anybody");
    }
}
