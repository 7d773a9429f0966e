//! WebSocket: judged like a request, then checked message by message.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use policies::Code;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::upstream::{Stream, Upstream};
use crate::support::{Client, PATIENCE, Setup, World, until};

type Socket = WebSocketStream<Box<dyn Stream>>;
type Heard = Arc<Mutex<Vec<Message>>>;

pub const RULES: &str = r#"
[[allow]]
host = "cdn.allowed.test"
do = ["* /**"]
websocket = true
private = ["127.0.0.12/32"]

[[allow]]
host = "api.bound.test"
do = ["* /v1/**"]
websocket = true
credential = "first"
private = ["127.0.0.10/32"]
"#;

pub const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

async fn world() -> World {
    World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await
}

pub fn handshake(host: &str, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A server that records what it receives, and answers.
fn speaks(upstream: &Upstream, more: &str, answer: impl Fn(Message) -> Message + Send + Sync + 'static) -> Heard {
    let heard = Heard::default();
    let (kept, answer, head) = (heard.clone(), Arc::new(answer), format!("{SWITCHED}{more}\r\n"));
    upstream.on(move |exchange| {
        let (kept, answer, head) = (kept.clone(), answer.clone(), head.clone());
        Box::pin(async move {
            exchange.send(head).await?;
            exchange.closed = true;
            let (stream, read) = exchange.over();
            let config = Some(WebSocketConfig::default().max_message_size(None).max_frame_size(None));
            let mut socket = WebSocketStream::from_partially_read(stream, read, Role::Server, config).await;
            while let Some(Ok(message)) = socket.next().await {
                kept.lock().unwrap().push(message.clone());
                if !message.is_close() {
                    socket.send(answer(message)).await.map_err(std::io::Error::other)?;
                }
            }
            Ok(())
        })
    });
    heard
}

/// The connection after a successful handshake.
pub async fn opened(mut client: Client, request: String) -> Socket {
    client.send(request).await;
    let answer = client.head_answer().await.expect("an answer");
    assert_eq!(answer.status, 101, "{}", String::from_utf8_lossy(&answer.head));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    over(client).await
}

async fn over(client: Client) -> Socket {
    let (stream, read) = client.into_parts();
    WebSocketStream::from_partially_read(stream, read, Role::Client, None).await
}

pub async fn open(world: &World) -> Socket {
    let client = world.family.tunnel("cdn.allowed.test:443").await;
    opened(client, handshake("cdn.allowed.test", "/ws", "")).await
}

/// The next message; none at the end, in whatever way it came.
pub async fn next(socket: &mut Socket) -> Option<Message> {
    message(socket).await.filter(|message| !message.is_close())
}

async fn message(socket: &mut Socket) -> Option<Message> {
    timeout(PATIENCE, socket.next()).await.expect("a message or the end").and_then(Result::ok)
}

pub fn echoes(upstream: &Upstream) -> Heard {
    speaks(upstream, "", |message| message)
}

fn piece(text: &str, kind: Data, last: bool) -> Message {
    Message::Frame(Frame::message(text.to_owned().into_bytes(), OpCode::Data(kind), last))
}

#[tokio::test]
async fn a_rule_must_say_so() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(handshake("cdn.allowed.test", "/ws", "")).await;
    let answer = client.answer().await.unwrap();
    assert!(answer.status == 403 && answer.text().contains("upgrade_denied"), "{}", answer.text());
    assert!(answer.text().contains("websocket = true"), "{}", answer.text());
    assert_eq!(world.log.only().code(), Some(Code::UpgradeDenied));
    assert!(world.names.asked().is_empty());
}

#[tokio::test]
async fn messages_go_both_ways_and_are_counted() {
    let world = world().await;
    let heard = echoes(world.upstream("cdn.allowed.test"));
    let mut socket = open(&world).await;
    let fragmented = [piece("in ", Data::Text, false), piece("pieces", Data::Continue, true)];
    for message in [Message::text("hello"), Message::binary(vec![0, 255, 7])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await, Some(message));
    }
    for piece in fragmented {
        socket.send(piece).await.unwrap();
    }
    assert_eq!(next(&mut socket).await, Some(Message::text("in pieces")));
    socket.close(None).await.unwrap();
    while next(&mut socket).await.is_some() {}
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.outcome().status, row.code()), (Some(101), None), "{:?}", row.outcome());
    assert_eq!((row.outcome().bytes_up, row.outcome().bytes_down), (41, 41));
    assert_eq!(heard.lock().unwrap().len(), 4, "three messages and the close");
}

/// The upstream handshake is a new one: nothing from the sandbox's hop, no extensions.
#[tokio::test]
async fn extensions_are_not_negotiated() {
    let world = world().await;
    let more = "Sec-WebSocket-Extensions: permessage-deflate\r\nAlt-Svc: h3=\":443\"\r\n";
    speaks(world.upstream("cdn.allowed.test"), more, |message| message);
    let client = world.family.tunnel("cdn.allowed.test:443").await;
    let offers =
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: chat\r\n";
    let mut socket = opened(client, handshake("cdn.allowed.test", "/ws?a=b", offers)).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::text("hello")));
    let received = world.upstream("cdn.allowed.test").only();
    assert_eq!(
        (received.header("sec-websocket-extensions"), received.request_line()),
        (None, "GET /ws?a=b HTTP/1.1".into())
    );
    assert_eq!(received.header("sec-websocket-protocol").as_deref(), Some("chat"));
    assert_eq!(received.header("host").as_deref(), Some("cdn.allowed.test"));
}

/// What must not leave cuts the connection before the message goes anywhere.
#[tokio::test]
async fn a_message_that_holds_what_must_not_leave_cuts_it() {
    for (what, code) in
        [("SUR1", Code::SurrogateUnbound), ("REAL1", Code::SecretInRequest), ("CANARY", Code::SecretInRequest)]
    {
        for form in ["text", "binary", "fragmented", "ping", "hex"] {
            let world = world().await;
            let heard = echoes(world.upstream("cdn.allowed.test"));
            let mut socket = open(&world).await;
            socket.send(Message::text("fine")).await.unwrap();
            assert_eq!(next(&mut socket).await, Some(Message::text("fine")));
            let value = &world.values[what];
            let (begins, ends) = value.split_at(9);
            let messages = match form {
                "text" => vec![Message::text(format!("key: {value}!"))],
                "binary" => vec![Message::binary(format!("\0{value}\0").into_bytes())],
                "ping" => vec![Message::Ping(value.clone().into_bytes().into())],
                "hex" => vec![Message::text(crate::support::spelled::hex(value))],
                _ => vec![piece(begins, Data::Text, false), piece(ends, Data::Continue, true)],
            };
            for message in messages {
                // It may be cut before the last one is written.
                let _ = socket.send(message).await;
            }
            assert_eq!(next(&mut socket).await, None, "{what} {form}");
            world.settled().await;
            let row = world.log.only();
            assert_eq!((row.code(), row.alarm()), (Some(code), true), "{what} {form}");
            assert_eq!(*heard.lock().unwrap(), [Message::text("fine")], "{what} {form}");
            assert!(!format!("{row:?}").contains(value.as_str()));
        }
    }
}

/// Services with a login message get no credential. The client is told why, and there is no alarm
/// if the surrogate is its own, at its own host.
#[tokio::test]
async fn a_message_is_no_place_of_a_credential() {
    let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
    for (value, code, alarm) in [
        ("SUR1", Code::SurrogateScope, false),
        ("SUR2", Code::SurrogateUnbound, true),
        ("WORKSUR1", Code::SurrogateForeign, true),
        ("REAL1", Code::SecretInRequest, true),
    ] {
        let heard = echoes(world.upstream("api.bound.test"));
        let client = world.family.tunnel("api.bound.test:443").await;
        let mut socket = opened(client, handshake("api.bound.test", "/v1/ws", "")).await;
        socket.send(Message::text(format!("{{\"token\":\"{}\"}}", world.values[value]))).await.unwrap();
        let Some(Message::Close(Some(close))) = message(&mut socket).await else { panic!("{value}: no reason") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, code.as_str()));
        world.settled().await;
        let row = world.log.rows().pop().unwrap();
        assert_eq!((row.code(), row.alarm()), (Some(code), alarm), "{value}");
        assert!(heard.lock().unwrap().is_empty(), "{value}");
    }
}

/// Its last piece is held back.
#[tokio::test]
async fn a_value_split_over_messages_does_not_leave_whole() {
    let world = world().await;
    let heard = echoes(world.upstream("cdn.allowed.test"));
    let mut socket = open(&world).await;
    let (begins, ends) = world.surrogate().split_at(9);
    for message in ["fine", begins] {
        socket.send(Message::text(message)).await.unwrap();
        assert_eq!(next(&mut socket).await, Some(Message::text(message)));
    }
    socket.send(Message::binary(ends.to_owned().into_bytes())).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().alarm()), (Some(Code::SurrogateUnbound), true));
    assert_eq!(*heard.lock().unwrap(), [Message::text("fine"), Message::text(begins)]);
}

/// Long messages are searched once, and so are their boundaries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_at_the_borders_of_long_messages_does_not_leave_whole() {
    let long = |before: &str, behind: &str| format!("{before}{}{behind}", " - ".repeat(100_000));
    let world = world().await;
    let (begins, ends) = world.surrogate().split_at(9);
    let inside = format!("{} {} ", long("", ""), world.surrogate()) + &long("", "");
    for messages in [vec![inside], vec![long("", begins), long(ends, "")], vec![begins.to_owned(), long(ends, "")]] {
        let heard = echoes(world.upstream("cdn.allowed.test"));
        let mut socket = open(&world).await;
        let (last, first) = messages.split_last().unwrap();
        for message in first {
            socket.send(Message::text(message)).await.unwrap();
            assert_eq!(next(&mut socket).await, Some(Message::text(message)));
        }
        let _ = socket.send(Message::text(last)).await;
        assert_eq!(next(&mut socket).await, None);
        assert_eq!(heard.lock().unwrap().len(), first.len());
    }
    world.settled().await;
    assert_eq!(world.log.codes(), [Some(Code::SurrogateUnbound); 3]);
}

/// Each buffers its messages in memory, so a sandbox may have only a few.
#[tokio::test]
async fn a_door_has_so_many_at_a_time() {
    let limits = proxy::Limits { websockets: 1, ..proxy::Limits::default() };
    let world = World::with(Setup { family: RULES.to_owned(), limits, ..Setup::default() }).await;
    echoes(world.upstream("cdn.allowed.test"));
    let mut first = open(&world).await;
    let mut second = world.family.tunnel("cdn.allowed.test:443").await;
    second.send(handshake("cdn.allowed.test", "/ws", "")).await;
    let answer = second.answer().await.unwrap();
    assert!(answer.status == 429 && answer.text().contains("WebSockets"), "{}", answer.text());
    first.close(None).await.unwrap();
    while next(&mut first).await.is_some() {}
    world.settled().await;
    assert_eq!(world.log.codes(), [None, Some(Code::GroupLimit)]);
    open(&world).await;
}

#[tokio::test]
async fn a_secret_is_put_on_the_handshake_and_taken_off_what_comes_back() {
    let world = world().await;
    let real = world.real().to_owned();
    let more = format!("X-Echo: {real}\r\nSet-Cookie: session=1\r\n{}: 1\r\n", crate::support::spelled::hex(&real));
    let told = real.clone();
    speaks(world.upstream("api.bound.test"), &more, move |message| match message {
        Message::Binary(_) => Message::binary(format!("\u{1}{told}").into_bytes()),
        _ => Message::text(format!("you are {told}, no?")),
    });
    let surrogate = world.surrogate();
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let authorization = format!("Authorization: Bearer {surrogate}\r\n");
    client.send(handshake("api.bound.test", "/v1/ws", &authorization)).await;
    let answer = client.head_answer().await.unwrap();
    assert_eq!((answer.status, answer.header("x-echo").as_deref()), (101, Some(surrogate)));
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(crate::support::spelled::find(&real, &answer.head), None);
    let mut socket = over(client).await;
    socket.send(Message::text("who am I")).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::text(format!("you are {surrogate}, no?"))));
    socket.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::binary(format!("\u{1}{surrogate}").into_bytes())));
    socket.close(None).await.unwrap();
    while next(&mut socket).await.is_some() {}
    world.settled().await;
    let received = world.upstream("api.bound.test").only();
    assert_eq!(received.header("authorization"), Some(format!("Bearer {real}")));
    assert_eq!(world.log.only().decision.credential.as_deref(), Some("first"));
    assert_eq!(world.log.only().decision.protocol, proxy::audit::Protocol::Websocket);
    assert!(world.log.only().outcome().scrubbed >= 2);
}

#[tokio::test]
async fn a_host_that_refuses_the_handshake_is_told() {
    let world = world().await;
    let answers =
        ["HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"];
    for answer in answers {
        world.upstream("cdn.allowed.test").answers(answer);
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(handshake("cdn.allowed.test", "/ws", "")).await;
        let answer = client.answer().await.unwrap();
        assert!(answer.status == 502 && answer.text().contains("refused the WebSocket"), "{}", answer.text());
    }
    world.settled().await;
    let rows = world.log.rows();
    assert_eq!(world.log.codes(), [Some(Code::UpstreamFailed); 2]);
    assert_eq!((rows[0].outcome().status, rows[1].outcome().status), (Some(403), Some(200)));
}

/// A message over the limit gives a reason, not a silent end; none of it is passed on.
#[tokio::test]
async fn messages_have_a_longest_one() {
    let world = world().await;
    let heard = echoes(world.upstream("cdn.allowed.test"));
    let mut socket = open(&world).await;
    let sent = socket.send(Message::binary(vec![b'.'; (1 << 20) + 1])).await;
    assert!(sent.is_ok() || matches!(sent, Err(Error::Io(_))), "{sent:?}");
    assert_eq!(next(&mut socket).await, None);
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.code(), row.outcome().bytes_up), (Some(Code::TooLarge), 0));
    assert!(heard.lock().unwrap().is_empty());
}

/// Frames of an extension that was not negotiated could hide anything.
#[tokio::test]
async fn frames_that_cannot_be_read_cut_it() {
    let world = world().await;
    let heard = echoes(world.upstream("cdn.allowed.test"));
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(handshake("cdn.allowed.test", "/ws", "")).await;
    assert_eq!(client.head_answer().await.unwrap().status, 101);
    // FIN, RSV1 (compressed) and text; masked with zeros.
    client.send([&[0xc1, 0x83, 0, 0, 0, 0][..], b"abc"].concat()).await;
    while !client.some().await.is_empty() {}
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Framing));
    assert!(heard.lock().unwrap().is_empty());
}

/// A length without a body would make the upstream take messages for one.
#[tokio::test]
async fn a_handshake_has_no_body() {
    for more in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let world = world().await;
        echoes(world.upstream("cdn.allowed.test"));
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(handshake("cdn.allowed.test", "/ws", more)).await;
        assert_eq!(client.answer().await.unwrap().status, 400);
        assert_eq!(world.log.only().code(), Some(Code::Framing));
        assert!(world.upstream("cdn.allowed.test").received().is_empty());
    }
}

/// The same applies over plain HTTP, in absolute form.
#[tokio::test]
async fn a_websocket_in_the_clear() {
    let rules = RULES.replacen("websocket", "scheme = \"http\"\nwebsocket", 1);
    let world = World::with(Setup { family: rules, ..Setup::default() }).await;
    echoes(world.upstream("cdn.allowed.test"));
    let client = world.family.connect().await;
    let mut socket = opened(client, handshake("cdn.allowed.test", "http://cdn.allowed.test/ws", "")).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::text("hello")));
    socket.send(Message::text(world.surrogate())).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::SurrogateUnbound));
}

/// The upstream goes away without a close frame.
#[tokio::test]
async fn the_end_of_one_side_ends_the_other() {
    let world = world().await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.closed = true;
            exchange.send(format!("{SWITCHED}\r\n")).await
        })
    });
    let mut socket = open(&world).await;
    while next(&mut socket).await.is_some() {}
    drop(socket);
    world.settled().await;
    until("it is over", || world.log.is_settled()).await;
    assert_eq!(world.log.only().outcome().bytes_down, 0);
}

/// A client that vanishes, and a host that never closes: neither keeps its place.
#[tokio::test]
async fn one_that_vanished_is_not_waited_for() {
    let limits = proxy::Limits { handshake_time: std::time::Duration::from_millis(500), ..proxy::Limits::default() };
    let world = World::with(Setup { family: RULES.to_owned(), limits, ..Setup::default() }).await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.send(format!("{SWITCHED}\r\n")).await?;
            std::future::pending().await
        })
    });
    drop(open(&world).await);
    world.settled().await;
    assert_eq!(world.log.only().outcome().status, Some(101));
}
