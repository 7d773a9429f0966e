//! Plain HTTP inside CONNECT: equivalent to the absolute form. Refusals are in the vectors C02 and
//! C11; these tests need more than one request and its answer.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use policies::Code;
use proxy::Limits;
use proxy::audit::Protocol;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::{Client, Setup, World, get, until};
use crate::websocket::{SWITCHED, handshake};

const CDN: &str = "cdn.allowed.test";
const SHORT: Duration = Duration::from_millis(150);

async fn tunnel(world: &World, authority: &str) -> Client {
    world.family.connect().await.connected(authority).await
}

/// Kept alive, with bodies in both directions, and with one record per request as in absolute form.
#[tokio::test]
async fn a_tunnel_in_the_clear_serves_many_requests() {
    let world = World::new().await;
    let mut client = tunnel(&world, "cdn.allowed.test:80").await;
    let post = format!("POST /2 HTTP/1.1\r\nHost: {CDN}\r\nContent-Length: 4\r\n\r\ndata");
    let chunked =
        format!("POST /3 HTTP/1.1\r\nHost: {CDN}:80\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n0\r\n\r\n");
    let absolute = format!("GET http://{CDN}/4 HTTP/1.1\r\nHost: {CDN}\r\n\r\n");
    for request in [&get(CDN, "/1"), &post, &chunked, &absolute] {
        client.send(request).await;
        assert_eq!(client.answer().await.unwrap().text(), "ok");
    }
    world.settled().await;
    let told: Vec<_> = world
        .log
        .rows()
        .iter()
        .map(|row| (row.decision.protocol, row.decision.scheme, row.decision.port, row.decision.path.clone().unwrap()))
        .collect();
    let wanted = ["/1", "/2", "/3", "/4"].map(|path| (Protocol::Http, Some("http"), Some(80), path.to_owned()));
    assert_eq!(told, wanted);
    let lines: Vec<_> = world.upstream(CDN).received().iter().map(|one| one.request_line()).collect();
    assert_eq!(lines, ["GET /1 HTTP/1.1", "POST /2 HTTP/1.1", "POST /3 HTTP/1.1", "GET /4 HTTP/1.1"]);
    assert!(world.upstream(CDN).received().iter().all(|one| one.header("host").as_deref() == Some(CDN)));
}

/// The tunnel alone has no effect: no name is resolved and nothing is dialled for it.
#[tokio::test]
async fn nothing_is_done_for_a_tunnel_before_its_first_request_is_judged() {
    let world = World::new().await;
    let mut silent = tunnel(&world, "cdn.allowed.test:80").await;
    let mut denied = tunnel(&world, "evil.test:80").await;
    denied.send(get("evil.test", "/?c2VjcmV0")).await;
    let answer = denied.answer().await.unwrap();
    assert!(answer.status == 403 && answer.text().contains("evil.test"), "{}", answer.text());
    assert!(world.names.asked().is_empty() && world.canary.hits() == 0);
    silent.send(get(CDN, "/x")).await;
    assert_eq!(silent.answer().await.unwrap().status, 200);
    assert_eq!(world.names.asked(), [CDN]);
}

/// Silence is bounded, before the first byte and in the middle of a head.
#[tokio::test]
async fn a_tunnel_in_which_nobody_speaks_is_ended() {
    let limits = Limits { handshake_time: SHORT, head_time: SHORT, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    for beginning in ["", "G", "GET", "GET /x HTTP/1.1\r\nHo"] {
        let mut client = tunnel(&world, "cdn.allowed.test:80").await;
        client.send(beginning).await;
        assert!(client.answer().await.is_none_or(|answer| answer.status == 408), "{beginning:?}");
    }
    until("each is logged", || world.log.codes() == [Some(Code::Timeout); 4]).await;
    assert!(world.names.asked().is_empty());
}

/// `ws://` through a tunnel, as undici and Python's `websockets` request it.
#[tokio::test]
async fn a_websocket_in_the_clear_goes_through_a_tunnel() {
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\nscheme = \"http\"\ndo = [\"* /**\"]\nwebsocket = true\nprivate = [\"127.0.0.12/32\"]\n";
    let world = World::with(Setup { family: rule.to_owned(), ..Setup::default() }).await;
    world.upstream(CDN).on(|exchange| {
        Box::pin(async {
            exchange.send(format!("{SWITCHED}\r\n")).await?;
            exchange.closed = true;
            let (stream, read) = exchange.over();
            let mut socket = WebSocketStream::from_partially_read(stream, read, Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(Message::text(format!("{message}, too"))).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    });
    let mut client = tunnel(&world, "cdn.allowed.test:80").await;
    client.send(handshake(CDN, "/live", "")).await;
    assert_eq!(client.head_answer().await.unwrap().status, 101);
    let (stream, read) = client.into_parts();
    let mut socket = WebSocketStream::from_partially_read(stream, read, Role::Client, None).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "hello, too");
    socket.close(None).await.unwrap();
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.decision.protocol, row.decision.scheme), (Protocol::Websocket, Some("http")));
}

/// As in absolute form: some clients close their sending side and still want the answer.
#[tokio::test]
async fn a_half_closed_tunnel_in_the_clear_gets_its_answer() {
    let world = World::new().await;
    let mut client = tunnel(&world, "cdn.allowed.test:80").await;
    client.send(get(CDN, "/x")).await;
    client.half_close().await;
    assert_eq!(client.answer().await.unwrap().text(), "ok");
}

/// A client that speaks plain HTTP on the TLS port is told which port it named, not that it named another host.
#[tokio::test]
async fn a_host_without_its_port_is_answered_with_the_port() {
    let world = World::new().await;
    let mut client = tunnel(&world, "cdn.allowed.test:443").await;
    client.send(get(CDN, "/x")).await;
    let answer = client.answer().await.unwrap();
    assert!(answer.status == 421 && answer.text().contains("443, the request names port 80 "), "{}", answer.text());
    assert!(world.names.asked().is_empty());
}
