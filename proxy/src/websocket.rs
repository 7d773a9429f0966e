//! WebSocket: the handshake is judged like any request; then messages go both ways,
//! checked and counted going up, scrubbed coming down.
//!
//! Messages are read whole and written anew, so that what was checked is what is
//! sent. Extensions are not negotiated: compressed frames cannot be read. What a message
//! needs while it is not whole stays with its connection, so a door has few of them.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, SET_COOKIE, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use policies::{Code, Permit, Refusal};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::body::Body;
use crate::connection::Connection;
use crate::credentials::Placed;
use crate::door::Door;
use crate::patience::until_both;
use crate::record::{Audited, Record};
use crate::room::{SMALL, aside};
use crate::tally::Tally;
use crate::upstream::AbortOnDrop;
use crate::{headers, upstream};
use scan::Scrubber;

mod check;
mod returned;

use check::Checks;
use returned::Messages;

/// The longest message, in either direction.
const LONGEST: usize = 1 << 20;

/// How much is read at a time, on each of the connections.
const READ_AT_ONCE: usize = 16 << 10;

const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// Judged already; from the handshake to the answer that switches protocols.
pub(crate) async fn open(
    connection: &Connection,
    permit: Permit,
    placed: Placed,
    mut request: http::Request<Incoming>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    if permit.body_conditions().is_some() {
        let why = "a rule looks into bodies here, and a WebSocket has none to look into";
        return Err(Refusal::new(Code::UpgradeDenied, why));
    }
    // Said and not sent, the upstream would take the messages for it (RFC 9110 §8.6).
    if !request.body().is_end_stream() {
        return Err(Refusal::new(Code::Framing, "a WebSocket handshake has no body"));
    }
    let place = connection.door.websockets.clone().try_acquire_owned();
    let place = place.map_err(|_| Refusal::new(Code::GroupLimit, "the sandbox has too many WebSockets open"))?;
    let audited = record.allow(permit, &placed).await?;
    let authority = &audited.permit().facts().authority;
    let others = connection.door.keyring.load().may_come_back(authority, &*connection.door.gateway.secrets);
    let (own_headers, target, mut scrubber) = placed.into_parts(others);
    let handshaking = handshake(&connection.door, &audited, own_headers, target);
    let handshaking = timeout(connection.door.gateway.limits.handshake_time, handshaking);
    let (mut answer, driver) = tokio::select! {
        shaken = handshaking => shaken
            .map_err(|_| Refusal::new(Code::Timeout, "the host did not answer the WebSocket handshake in time"))??,
        () = audited.tally().until_cut() => return Err(audited.tally().refused().unwrap_or_else(broken_off)),
    };
    let mut back = headers::incoming(answer.headers());
    if connection.door.keyring.load().guards(authority) {
        back.remove(SET_COOKIE);
    }
    if let Some(scrubber) = &mut scrubber {
        back = headers::without_names(back, scrubber);
        headers::scrub(&mut back, scrubber);
    }
    back.remove(EXTENSIONS);
    switch_protocols(&mut back);
    let (client, server) = (hyper::upgrade::on(&mut request), hyper::upgrade::on(&mut answer));
    let door = connection.door.clone();
    connection.then(Box::pin(async move {
        carry(&door, &audited, client, server, scrubber).await;
        // It hands the upstream's stream over, so it lives until that is done.
        drop((driver, place));
    }));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = back;
    Ok(response)
}

async fn handshake(
    door: &Arc<Door>,
    audited: &Audited,
    mut headers: HeaderMap,
    target: PathAndQuery,
) -> Result<(Response<Incoming>, Arc<AbortOnDrop>), Refusal> {
    let facts = audited.permit().facts();
    let (stream, address) = upstream::open_websocket(door, audited.permit()).await?;
    upstream::still_allowed(door, audited.permit(), address.get())?;
    audited.tally().note(|outcome| outcome.address = Some(address.get()));
    headers.remove(EXTENSIONS);
    headers.remove(CONTENT_LENGTH);
    switch_protocols(&mut headers);
    let host = HeaderValue::try_from(facts.authority.host_header(facts.scheme)).map_err(|_| unwritable())?;
    headers.insert(HOST, host);
    let request = http::Request::builder().method("GET").uri(Uri::from(target));
    let mut request = request.body(Empty::<Bytes>::new()).map_err(|_| unwritable())?;
    *request.headers_mut() = headers;
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| broken_off())?;
    let driver = upstream::drive(driver.with_upgrades());
    let answer = sender.send_request(request).await.map_err(|_| broken_off())?;
    audited.tally().note(|outcome| outcome.status = Some(answer.status().as_u16()));
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let why = format!("the host refused the WebSocket with status {}", answer.status().as_u16());
        return Err(Refusal::new(Code::UpstreamFailed, why));
    }
    Ok((answer, driver))
}

/// Hop-by-hop headers were taken off; these two are this hop's own.
fn switch_protocols(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

async fn carry(door: &Arc<Door>, audited: &Audited, client: OnUpgrade, server: OnUpgrade, scrubber: Option<Scrubber>) {
    let tally = audited.tally();
    let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return tally.refuse(&broken_off()) };
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let config = config.read_buffer_size(READ_AT_ONCE);
    let client = WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(config)).await;
    let server = WebSocketStream::from_raw_socket(TokioIo::new(server), Role::Client, Some(config)).await;
    let ((to_client, from_client), (to_server, from_server)) = (client.split(), server.split());
    let up = pin!(up(door, audited, from_client, to_server));
    let down = pin!(down(door, tally, from_server, to_client, scrubber));
    let carried = tokio::select! {
        carried = until_both(up, down, door.gateway.limits.handshake_time) => carried,
        // Why is in the tally already.
        () = tally.until_cut() => Ok(()),
    };
    if let Err(refusal) = carried {
        tally.refuse(&refusal);
    }
}

async fn up(
    door: &Arc<Door>,
    audited: &Audited,
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message, Error = Error> + Unpin,
) -> Result<(), Refusal> {
    let authority = &audited.permit().facts().authority;
    let mut checks = Checks::new(door, audited);
    while let Some(message) = next(&mut from, Code::Framing).await? {
        audited.tally().add_up(on_the_wire(&message))?;
        if let Err(stop) = checks.check(message.clone().into_data(), is_control(&message)).await {
            return Err(door.keyring.load().stopped(&door.identity, authority, &stop));
        }
        if !pass_on(&mut to, message).await? {
            break;
        }
    }
    audited.tally().mark_sent();
    // The other side may have closed first.
    let _ = to.close().await;
    Ok(())
}

async fn down(
    door: &Door,
    tally: &Tally,
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message, Error = Error> + Unpin,
    scrubber: Option<Scrubber>,
) -> Result<(), Refusal> {
    let mut messages = scrubber.map(Messages::new);
    while let Some(message) = next(&mut from, Code::UpstreamUnreadable).await? {
        tally.add_down(on_the_wire(&message));
        let scrubbed = match &mut messages {
            Some(messages) if message.len() > SMALL => {
                let _room = door.unpacked_down.acquire().await.ok();
                aside(|| messages.scrub(message))
            }
            Some(messages) => messages.scrub(message),
            None => Ok(message),
        };
        // Now, and not at the end: it may be cut.
        tally.note(|outcome| outcome.scrubbed = messages.as_ref().map_or(0, Messages::count));
        if !pass_on(&mut to, scrubbed.map_err(|why| why.told_to(tally))?).await? {
            break;
        }
    }
    let _ = to.close().await;
    Ok(())
}

/// What a message takes on its way to the server, its frame included: a message of no length
/// says something as well (RFC 6455 §5.2).
fn on_the_wire(message: &Message) -> usize {
    const MASK: usize = 4;
    let length = match message.len() {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + length + MASK + message.len()
}

/// Not part of what the messages before and behind it say.
fn is_control(message: &Message) -> bool {
    message.is_ping() || message.is_pong() || message.is_close()
}

/// The next message; none after the last. `unreadable`: what it is called where
/// somebody does not speak WebSocket.
async fn next(
    from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    unreadable: Code,
) -> Result<Option<Message>, Refusal> {
    match from.next().await {
        Some(Ok(message)) => Ok(Some(message)),
        Some(Err(Error::Capacity(_))) => {
            Err(Refusal::new(Code::TooLarge, format!("a WebSocket message is longer than {LONGEST} bytes")))
        }
        // To leave without a closing handshake is rude, and common.
        Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Ok(None),
        Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
            Err(Refusal::new(unreadable, "the bytes are not well-formed WebSocket messages"))
        }
        Some(Err(_)) | None => Ok(None),
    }
}

/// Writes a message; `false` where the other side has closed and takes no more.
async fn pass_on(to: &mut (impl Sink<Message, Error = Error> + Unpin), message: Message) -> Result<bool, Refusal> {
    match to.send(message).await {
        Ok(()) => Ok(true),
        Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing)) => {
            Ok(false)
        }
        Err(_) => Err(broken_off()),
    }
}

fn unwritable() -> Refusal {
    Refusal::new(Code::PathAmbiguous, "the request cannot be written as it was judged")
}

fn broken_off() -> Refusal {
    Refusal::new(Code::UpstreamFailed, "the WebSocket broke off")
}
