//! WebSocket: the handshake is judged like any request; then messages go in both directions,
//! checked and counted going up, scrubbed coming down.
//!
//! Messages are read completely and written anew, so that what was checked is what is sent.
//! Extensions are not negotiated: compressed frames cannot be read. An incomplete message is
//! buffered with its connection, so a door may have only few of them.

use std::sync::Arc;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use gate::{Audited, BodyJudged, Gate, Judged, Switching, until_both};
use http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use policies::{Code, Refusal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::body::{Body, Came};
use crate::credentials::{IN_A_MESSAGE, Placed};
use crate::headers;
use crate::keeper::{Keeper, Keys};
use crate::onward::Onward;
use crate::room::{Rooms, SMALL, aside};
use scan::Scrubber;

mod check;
mod returned;

use check::Checks;
use returned::Messages;

/// The longest message, in either direction.
const LONGEST: usize = 1 << 20;

/// How much is read at a time, per connection.
const READ_AT_ONCE: usize = 16 << 10;

const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// The right to open one.
pub(crate) type Place = OwnedSemaphorePermit;

/// The requirements for a request that asks for one, before it is stored.
pub(crate) fn place(rooms: &Rooms, judged: &Judged, body: &Came) -> Result<(Place, BodyJudged), Refusal> {
    let Some(proof) = BodyJudged::as_it_comes(judged) else {
        let why = "a rule looks into bodies here, and a WebSocket has none to look into";
        return Err(Refusal::new(Code::UpgradeDenied, why));
    };
    // A length without a body would make the upstream take the messages for it (RFC 9110 §8.6).
    if !body.is_end_stream() {
        return Err(Refusal::new(Code::Framing, "a WebSocket handshake has no body"));
    }
    let place = rooms.websockets.clone().try_acquire_owned();
    let place = place.map_err(|_| Refusal::new(Code::GroupLimit, "the sandbox has too many WebSockets open"))?;
    Ok((place, proof))
}

/// What a WebSocket needs for as long as it is open.
pub(crate) struct Open {
    pub(crate) gate: Arc<Gate>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) keys: Keys,
    pub(crate) rooms: Rooms,
    pub(crate) audited: Audited,
}

/// From the handshake to the answer that switches protocols; the request is already judged and stored.
pub(crate) async fn open(
    open: Open,
    head: gate::OutboundHead,
    placed: Placed,
    client: OnUpgrade,
    place: Place,
    onward: &Onward,
) -> Result<Response<Body>, Refusal> {
    let audited = &open.audited;
    let authority = &audited.permit().facts().authority;
    let mut taking = open.keeper.taking(placed, authority);
    let handshaking = timeout(open.gate.limits().handshake_time, gate::upgrade(&open.gate, audited, head));
    let host = tokio::select! {
        shaken = handshaking => shaken
            .map_err(|_| Refusal::new(Code::Timeout, "the host did not answer the WebSocket handshake in time"))??,
        () = audited.tally().until_cut() => return Err(audited.tally().refused().unwrap_or_else(broken_off)),
    };
    let cookies = !open.keeper.keyring.now().guards(authority);
    let mut back = headers::returning(host.headers(), cookies, &mut taking.scrubber);
    back.remove(EXTENSIONS);
    switch_protocols(&mut back);
    onward.with(async move {
        carry(&open, client, host, taking.scrubber).await;
        drop(place);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = back;
    Ok(response)
}

/// Hop-by-hop headers were removed; these two belong to this hop.
fn switch_protocols(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

async fn carry(open: &Open, client: OnUpgrade, host: Switching, scrubber: Option<Scrubber>) {
    let tally = open.audited.tally();
    let (Ok(client), Ok(server)) = tokio::join!(client, host.switched()) else { return tally.refuse(&broken_off()) };
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let config = config.read_buffer_size(READ_AT_ONCE);
    let client = WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(config)).await;
    let server = WebSocketStream::from_raw_socket(server, Role::Client, Some(config)).await;
    let ((mut to_client, from_client), (to_server, from_server)) = (client.split(), server.split());
    let up = Box::pin(up(open, from_client, to_server));
    let down = Box::pin(down(open, from_server, &mut to_client, scrubber));
    let time = open.gate.limits().handshake_time;
    let carried = tokio::select! {
        carried = until_both(up, down, time) => carried,
        // The reason is already in the tally.
        () = tally.until_cut() => Ok(()),
    };
    let Err(refusal) = carried else { return };
    tally.refuse(&refusal);
    // Nothing follows what the host has said.
    if let Code::UpstreamFailed | Code::UpstreamUnreadable | Code::SecretInAnswer = refusal.code {
        return;
    }
    let (code, reason) = (CloseCode::Policy, refusal.code.as_str().into());
    let close = Message::Close(Some(CloseFrame { code, reason }));
    // The client may not be listening any more.
    let _ = timeout(time, to_client.send(close)).await;
}

async fn up(
    open: &Open,
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message, Error = Error> + Unpin,
) -> Result<(), Refusal> {
    let (audited, keeper) = (&open.audited, &open.keeper);
    let authority = &audited.permit().facts().authority;
    let mut checks = Checks::new(open);
    while let Some(message) = next(&mut from, Code::Framing).await? {
        audited.tally().add_up(on_the_wire(&message))?;
        let data = message.clone().into_data();
        if let Err(stop) = checks.check(data, is_control(&message)).await {
            let keyring = keeper.keyring.now();
            return Err(keyring.stopped(&open.keys.who, authority, &stop, Some(IN_A_MESSAGE)));
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
    open: &Open,
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message, Error = Error> + Unpin,
    scrubber: Option<Scrubber>,
) -> Result<(), Refusal> {
    let tally = open.audited.tally();
    let authority = &open.audited.permit().facts().authority;
    let in_pieces = || open.keeper.set_aside(authority);
    let mut messages = scrubber.map(Messages::new);
    while let Some(message) = next(&mut from, Code::UpstreamUnreadable).await? {
        tally.add_down(on_the_wire(&message));
        let scrubbed = match &mut messages {
            Some(messages) if message.len() > SMALL => {
                let _room = open.rooms.unpacked_down.acquire().await.ok();
                aside(|| messages.scrub(message))
            }
            Some(messages) => messages.scrub(message),
            None => Ok(message),
        };
        // Now rather than at the end, because the connection may be cut.
        tally.note(|outcome| outcome.scrubbed = messages.as_ref().map_or(0, Messages::count));
        if !pass_on(&mut to, scrubbed.map_err(|why| why.refusal(in_pieces))?).await? {
            break;
        }
    }
    let _ = to.close().await;
    Ok(())
}

/// A message's bytes on the way to the server, including its frame: an empty message says something
/// as well (RFC 6455 §5.2).
fn on_the_wire(message: &Message) -> usize {
    const MASK: usize = 4;
    let length = match message.len() {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + length + MASK + message.len()
}

/// Whether it is apart from the text of the messages around it.
fn is_control(message: &Message) -> bool {
    message.is_ping() || message.is_pong() || message.is_close()
}

/// The next message; none after the last. `unreadable`: the error if the peer does not speak
/// WebSocket.
async fn next(
    from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    unreadable: Code,
) -> Result<Option<Message>, Refusal> {
    match from.next().await {
        Some(Ok(message)) => Ok(Some(message)),
        Some(Err(Error::Capacity(_))) => {
            Err(Refusal::new(Code::TooLarge, format!("a WebSocket message is longer than {LONGEST} bytes")))
        }
        // Leaving without a closing handshake is rude, and common.
        Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Ok(None),
        Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
            Err(Refusal::new(unreadable, "the bytes are not well-formed WebSocket messages"))
        }
        Some(Err(_)) | None => Ok(None),
    }
}

/// Writes a message; `false` if the other side has closed and takes no more.
async fn pass_on(to: &mut (impl Sink<Message, Error = Error> + Unpin), message: Message) -> Result<bool, Refusal> {
    match to.send(message).await {
        Ok(()) => Ok(true),
        Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing)) => {
            Ok(false)
        }
        Err(_) => Err(broken_off()),
    }
}

fn broken_off() -> Refusal {
    Refusal::new(Code::UpstreamFailed, "the WebSocket broke off")
}
