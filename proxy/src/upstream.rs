//! Upstream: resolve, check, dial, verify, send. Every step wants the proof that
//! the request is allowed and stored.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Incoming;
use hyper::client::conn::http1;
use policies::{CheckedAddress, Code, Facts, Host, Permit, Refusal, Scheme};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::door::{Door, Gateway};
use crate::record::Audited;
use crate::streams::Leash;
use crate::tls::H2;

mod dial;
mod outbound;
mod pool;
mod repeat;
mod speak;

pub(crate) use dial::{Dialled, reach};
pub(crate) use outbound::Outbound;
pub(crate) use pool::{Lease, Pool};
pub(crate) use repeat::{Repeats, send};
pub(crate) use speak::{AbortOnDrop, Hold, drive};

use outbound::Carried;
use pool::{Key, Line, Place};

/// A connection to an upstream, for one request.
enum Upstream {
    /// Of HTTP/1.1, all of it.
    Single(Single),
    /// A place on one of HTTP/2, which the door's requests share.
    Line(Line, Option<Place>),
}

/// A connection of HTTP/1.1.
struct Single {
    sender: http1::SendRequest<Carried>,
    /// Bytes that have come by it.
    read: Arc<AtomicU64>,
    address: CheckedAddress,
    driver: Arc<AbortOnDrop>,
}

impl Upstream {
    async fn is_ready(&mut self) -> bool {
        match self {
            Upstream::Single(single) => single.sender.ready().await.is_ok(),
            Upstream::Line(line, _) => line.sender.ready().await.is_ok(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Upstream::Single(single) => single.address.get(),
            Upstream::Line(line, _) => line.address.get(),
        }
    }

    /// The request's part of it.
    fn hold(&mut self, leash: &Leash) -> Option<Hold> {
        match self {
            Upstream::Single(single) => Some(Hold::Connection(single.driver.clone())),
            Upstream::Line(line, place) => {
                let (leash, _driver) = (leash.clone(), line.driver.clone());
                Some(Hold::Stream { leash, _place: place.take()?, _driver })
            }
        }
    }

    async fn send(
        &mut self,
        facts: &Facts,
        outbound: Outbound,
        leash: Leash,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let unsent = |request| Unanswered::Unsent(Box::new(Outbound::recover(request)));
        match self {
            Upstream::Single(Single { sender, read, .. }) => {
                let before = read.load(Ordering::Acquire);
                let sent = sender.try_send_request(outbound.into_http1(facts)?).await;
                sent.map_err(|mut error| match error.take_message() {
                    Some(request) => unsent(request),
                    None => repeat::lost_alone(read.load(Ordering::Acquire) == before),
                })
            }
            Upstream::Line(line, _) => {
                let turn = line.streams.turn(line.driver.id(), leash, line.wait());
                let sent = line.sender.try_send_request(outbound.into_http2(facts, turn)?).await;
                sent.map_err(|mut error| match error.take_message() {
                    Some(request) => unsent(request),
                    None => repeat::lost_on_a_line(error.error()),
                })
            }
        }
    }
}

/// What became of a request that got no answer.
enum Unanswered {
    /// Not a byte was written: it can go elsewhere.
    Unsent(Box<Outbound>),
    /// The host said that it did nothing of it.
    NotDone,
    /// The connection ended, and not a byte of an answer had come.
    Ended,
    /// It may have arrived.
    Broken,
    Refused(Refusal),
}

async fn exchange(
    door: &Door,
    audited: &Audited,
    upstream: &mut Upstream,
    outbound: Outbound,
) -> Result<http::Response<Incoming>, Unanswered> {
    let address = upstream.address();
    if !audited.is_own() {
        still_allowed(door, audited.permit(), address).map_err(Unanswered::Refused)?;
    }
    let leash = Leash::default();
    if let Some(hold) = upstream.hold(&leash) {
        audited.tally().goes_over(hold, address);
    }
    let facts = audited.permit().facts();
    let too_late = || Unanswered::Refused(Refusal::new(Code::Timeout, "the host did not answer in time"));
    let sending = timeout(door.gateway.limits.answer_time, upstream.send(facts, outbound, leash));
    tokio::select! {
        answer = sending => answer.map_err(|_| too_late())?,
        // A leak in the body, or a tightened policy; why is in the tally.
        () = audited.tally().until_cut() => Err(Unanswered::Broken),
    }
}

/// A permit is checked again when it is used: the policy may have been tightened
/// since it was given.
pub(crate) fn still_allowed(door: &Door, permit: &Permit, address: SocketAddr) -> Result<(), Refusal> {
    door.policy.load().at((door.gateway.now)()).upholds(permit, Some(address))
}

fn broken_off() -> Refusal {
    let why = "the host broke the connection off before it answered; the request may have been carried out";
    Refusal::new(Code::UpstreamFailed, why)
}

/// Opens a connection to an address that was checked against the permit. One that can be
/// shared is there for others from then on.
async fn open(door: &Arc<Door>, key: &Key, permit: &Permit) -> Result<Upstream, Refusal> {
    let check = |address| permit.check_address(address);
    let (stream, address) = reach(door, &permit.facts().authority, check).await?;
    match permit.facts().scheme {
        Scheme::Http => Ok(Upstream::Single(speak::http1(stream, address).await?)),
        Scheme::Https => {
            let stream = verify(&door.gateway, &door.tls.any, permit, stream).await?;
            if stream.get_ref().1.alpn_protocol() != Some(H2) {
                return Ok(Upstream::Single(speak::http1(stream, address).await?));
            }
            let line = speak::http2(stream, address).await?;
            let place = door.pool.place(&line);
            let place = place.ok_or_else(|| Refusal::new(Code::UpstreamFailed, "the host takes no requests now"))?;
            door.pool.share(key.clone(), line.clone());
            Ok(Upstream::Line(line, Some(place)))
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

/// A stream, whatever is below it.
pub(crate) type Plain = Box<dyn Stream>;

/// What a connection has to be able to do.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

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
