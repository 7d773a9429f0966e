//! What is logged about connections that never became a request, requests cut by a door that was
//! shut, and answers that were abandoned.

use futures_util::SinkExt;
use http::Request;
use policies::Code;
use proxy::audit::Protocol;
use proxy::ports::Resolved;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::{tunnel, websocket};
use crate::support::http2::{Http2Client, Http2Upstream, Reply};
use crate::support::{Setup, World, get, until};

const WHY: &str = "the owner stopped the group";

async fn ends(mut client: crate::support::Client, said: impl AsRef<[u8]>) {
    client.send(said).await;
    client.finish().await;
}

/// However far it got: in the clear, in CONNECT, in the handshake, inside TLS, and after a complete
/// request.
#[tokio::test]
async fn a_connection_that_ends_before_its_request_leaves_a_record() {
    let world = World::new().await;
    let door = &world.family;
    for said in ["G", "GET http://cdn.allowed.test/x", "CONNECT cdn.allowed.test:443 HTTP/1.1\r\nHost: c"] {
        ends(door.connect().await, said).await;
    }
    ends(door.connect().await.connected("cdn.allowed.test:443").await, b"\x16\x03\x01\x01").await;
    ends(door.connect().await.connected("cdn.allowed.test:443").await, b"SSH-2.0-x").await;
    ends(door.tunnel("cdn.allowed.test:443").await, "GET /half HTTP/1.1\r\nHost: cdn.all").await;
    let mut client = door.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/whole")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    ends(client, "GET /half").await;
    until("the last is recorded", || world.log.rows().len() == 8).await;
    world.settled().await;
    let rows = world.log.rows();
    let seen = |row: &crate::support::ports::Row| (row.code(), row.decision.protocol, row.decision.host.is_some());
    let (framing, not_tls) = (Some(Code::Framing), Some(Code::NotTls));
    assert_eq!(
        rows.iter().map(seen).collect::<Vec<_>>(),
        [
            (framing, Protocol::Unknown, false),
            (framing, Protocol::Unknown, false),
            (framing, Protocol::Unknown, false),
            (not_tls, Protocol::Connect, true),
            (not_tls, Protocol::Connect, true),
            (framing, Protocol::Https, true),
            (None, Protocol::Https, true),
            (framing, Protocol::Https, true),
        ]
    );
    assert!(world.log.noted().is_empty());
}

/// A connection's bytes, cut at every position: each cut leaves a record, or is counted.
#[tokio::test]
async fn however_a_connection_is_cut_it_leaves_a_trace() {
    let plain = b"GET http://cdn.allowed.test/x HTTP/1.1\r\nHost: cdn.allowed.test\r\n\r\n".to_vec();
    let connect = b"CONNECT cdn.allowed.test:443 HTTP/1.1\r\nHost: cdn.allowed.test:443\r\n\r\n".to_vec();
    let inside = get("cdn.allowed.test", "/x").into_bytes();
    let fields = [&[0x82, 0x87, 0x04, 2][..], b"/x", &[0x01, 16], b"cdn.allowed.test"].concat();
    let length = u8::try_from(fields.len()).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [&[0, 0, length, 1, 5, 0, 0, 0, 1][..], &fields].concat();
    let http2 = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &headers].concat();
    for (what, bytes) in [("plain", plain), ("connect", connect), ("inside", inside), ("http2", http2)] {
        let world = World::new().await;
        for end in 0..=bytes.len() {
            let client = match what {
                "inside" => world.family.tunnel("cdn.allowed.test:443").await,
                "http2" => world.family.connect().await.tunnel_http2("cdn.allowed.test:443").await,
                _ => world.family.connect().await,
            };
            ends(client, &bytes[..end]).await;
        }
        let traces = || {
            world.family.door.tell_idle_connections();
            world.log.rows().len() + world.log.noted().iter().map(|noted| noted.count as usize).sum::<usize>()
        };
        until(what, || traces() > bytes.len()).await;
        assert_eq!(traces(), bytes.len() + 1, "{what}");
        // Over HTTP/2 the end of a connection ends its requests.
        let judged = world.log.rows().iter().filter(|row| row.code() != Some(Code::Framing)).count();
        let judges = matches!(what, "plain" | "inside");
        assert_eq!(judged, usize::from(judges), "{what}: the one that was whole was judged, and a tunnel is none");
    }
}

/// A client that hangs up in a handshake is not reported as speaking no TLS.
#[tokio::test]
async fn a_handshake_that_its_client_breaks_off_is_told_as_that() {
    for (said, why) in [
        (&b"\x16\x03\x01\x01"[..], "closed the connection in the middle"),
        (b"\x16\x03\x01\x00\x05hello", "neither a TLS handshake"),
    ] {
        let world = World::new().await;
        ends(world.family.connect().await.connected("cdn.allowed.test:443").await, said).await;
        until("it is recorded", || !world.log.rows().is_empty()).await;
        let row = world.log.only();
        assert_eq!(row.code(), Some(Code::NotTls));
        assert!(row.decision.why.as_ref().unwrap().contains(why), "{row:?}");
    }
}

/// Some programs open connections and tunnels for later use: these are not refusals, but are counted.
#[tokio::test]
async fn connections_that_say_nothing_are_counted() {
    let world = World::new().await;
    // The guest tests whether it can connect: that connection is not logged.
    world.family.door.will_be_looked_at();
    for _ in 0..4 {
        ends(world.family.connect().await, b"").await;
    }
    ends(world.family.tunnel("cdn.allowed.test:443").await, b"").await;
    ends(world.family.connect().await.connected("cdn.allowed.test:443").await, b"").await;
    drop(world.family.connect().await.connected("cdn.allowed.test:443").await);
    let http2 = world.family.connect().await.tunnel_http2("cdn.allowed.test:443").await;
    ends(http2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    // Their ends are noticed a moment later; later connections would be logged again.
    until("all are told", || {
        world.family.door.tell_idle_connections();
        world.log.noted().iter().map(|noted| noted.count).sum::<u64>() == 7
    })
    .await;
    assert!(world.log.noted().iter().all(|noted| noted.what == "idle_connections"), "{:?}", world.log.noted());
    assert!(world.log.rows().is_empty(), "{:?}", world.log.rows());
}

/// A request that is being read when its client goes has still been made.
#[tokio::test]
async fn a_request_whose_client_goes_before_the_verdict_leaves_a_record() {
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"POST /judged\"]\njson = { a = { not = [\"x\"] } }\n\
                private = [\"127.0.0.12/32\"]\n";
    let world = World::with(Setup { family: rule.to_owned(), ..Setup::default() }).await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let request = Request::post("https://cdn.allowed.test/judged").body(()).unwrap();
    let (answer, mut body) = client.begin(request, false).await;
    body.send_data("{".into(), false).unwrap();
    body.send_reset(h2::Reason::CANCEL);
    assert!(answer.await.is_err());
    until("it is recorded", || !world.log.rows().is_empty()).await;
    let row = world.log.only();
    assert_eq!((row.code(), row.decision.path.as_deref()), (Some(Code::Framing), Some("/judged")));
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

/// The record that every kind of request in flight leaves when its door is shut.
async fn is_revoked(world: &World) {
    world.family.door.shut(WHY);
    world.family.shut();
    until("the reason is stored", || world.log.rows().iter().all(|row| row.code().is_some())).await;
    world.settled().await;
    let row = world.log.only();
    let why = row.outcome.as_ref().map_or(&row.decision.why, |outcome| &outcome.why);
    assert_eq!((row.code(), why.as_deref()), (Some(Code::Revoked), Some(WHY)), "{row:?}");
}

#[tokio::test]
async fn what_is_under_way_when_a_door_is_shut_is_revoked() {
    for (request, answered) in [
        // A download, a request that waits, an upload.
        (get("cdn.allowed.test", "/"), true),
        (get("cdn.allowed.test", "/"), false),
        ("PUT / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 100\r\n\r\n....".to_owned(), false),
    ] {
        let world = World::new().await;
        let upstream = world.upstream("cdn.allowed.test");
        upstream.on(move |exchange| {
            Box::pin(async move {
                if answered {
                    exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await?;
                }
                exchange.body().await?;
                exchange.some().await.map(drop)
            })
        });
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(request).await;
        if answered {
            assert_eq!(client.head_answer().await.unwrap().status, 200);
        }
        until("it is upstream", || !upstream.received().is_empty() || upstream.connections() > 0).await;
        until("it is allowed", || world.log.rows().len() == 1).await;
        is_revoked(&world).await;
    }
}

#[tokio::test]
async fn a_websocket_and_a_tunnel_whose_door_is_shut_are_revoked() {
    let world = World::with(Setup { family: websocket::RULES.to_owned(), ..Setup::default() }).await;
    websocket::echoes(world.upstream("cdn.allowed.test"));
    let mut socket = websocket::open(&world).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert!(websocket::next(&mut socket).await.is_some());
    is_revoked(&world).await;

    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    is_revoked(&world).await;
}

/// For clients in the middle of a request, and for those on a connection that is still open.
#[tokio::test]
async fn a_door_that_is_shut_lets_nothing_new_through() {
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"POST /judged\"]\njson = { a = { not = [\"x\"] } }\n\
                private = [\"127.0.0.12/32\"]\n";
    let world = World::with(Setup { family: rule.to_owned(), ..Setup::default() }).await;
    let head = "POST /judged HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Type: application/json\r\n";
    let mut asking = world.family.tunnel("cdn.allowed.test:443").await;
    asking.send(format!("{head}Content-Length: 9\r\n\r\n{{\"a\"")).await;
    let mut idle = world.family.tunnel("cdn.allowed.test:443").await;
    world.family.door.shut(WHY);
    idle.send(get("cdn.allowed.test", "/x")).await;
    let answer = idle.answer().await.unwrap();
    assert!(answer.status == 403 && answer.text().contains(WHY), "{}", answer.text());
    world.family.shut();
    until("both are recorded", || world.log.rows().len() == 2).await;
    assert_eq!(world.log.codes(), [Some(Code::Revoked); 2]);
    assert!(world.names.asked().is_empty() && world.upstream("cdn.allowed.test").received().is_empty());
}

/// The host notices a reset: each has a record, and costs a request.
#[tokio::test]
async fn an_answer_that_its_client_leaves_is_counted_as_left() {
    const TIMES: usize = 12;
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    for (number, stays) in (0..TIMES).map(|number| (number, number % 2 == 0)) {
        upstream.answers(Reply { body: vec!["first".into()], stays, ..Reply::default() });
        let url = format!("https://cdn.allowed.test/{number}");
        let (answer, mut stream) = client.begin(Request::get(url).body(()).unwrap(), true).await;
        let answer = answer.await.unwrap();
        let mut body = answer.into_body();
        body.data().await.unwrap().unwrap();
        if stays {
            stream.send_reset(h2::Reason::CANCEL);
        } else {
            while let Some(data) = body.data().await {
                data.unwrap();
            }
        }
    }
    until("all have ended", || world.log.rows().len() == TIMES && world.log.is_settled()).await;
    let left: Vec<bool> = world.log.rows().iter().map(|row| row.outcome().abandoned).collect();
    assert_eq!(left, (0..TIMES).map(|number| number % 2 == 0).collect::<Vec<_>>());
    assert_eq!(world.wallet.spent().0, TIMES as u64);
}

/// Also a request that was abandoned before anything of its answer.
#[tokio::test]
async fn a_request_that_its_client_leaves_is_counted_as_left() {
    let world = World::new().await;
    world.upstream("cdn.allowed.test").never_answers();
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let (answer, mut stream) = client.begin(Request::get("https://cdn.allowed.test/").body(()).unwrap(), true).await;
    until("it is upstream", || !world.upstream("cdn.allowed.test").received().is_empty()).await;
    stream.send_reset(h2::Reason::CANCEL);
    assert!(answer.await.is_err());
    world.settled().await;
    let row = world.log.only();
    assert!(row.outcome().abandoned && row.code().is_none(), "{row:?}");
}

/// No host was asked, so none notices; a complete body was not malformed.
#[tokio::test]
async fn what_is_left_before_its_host_is_reached_was_not_sent() {
    let whole = "POST / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 3\r\n\r\nabc".to_owned();
    for request in [Some(get("cdn.allowed.test", "/")), Some(whole), None] {
        let world = World::new().await;
        let _listens = says_nothing(&world, "cdn.allowed.test").await;
        let dialled = || !world.names.asked().is_empty();
        if let Some(request) = &request {
            let mut client = world.family.tunnel("cdn.allowed.test:443").await;
            client.send(request).await;
            until("it is dialled", dialled).await;
            drop(client);
        } else {
            let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
            let request = Request::get("https://cdn.allowed.test/").body(()).unwrap();
            let (_answer, mut stream) = client.begin(request, true).await;
            until("it is dialled", dialled).await;
            stream.send_reset(h2::Reason::CANCEL);
        }
        world.settled().await;
        let row = world.log.only();
        assert!(row.is_allowed() && row.outcome().abandoned && row.code().is_none(), "{request:?}: {row:?}");
        assert_eq!((row.outcome().address, row.outcome().bytes_up), (None, 0), "{request:?}");
    }
}

/// Nor is a WebSocket or a tunnel that was never established counted as one.
#[tokio::test]
async fn what_is_left_before_it_switches_is_counted_as_left() {
    let world = World::with(Setup { family: websocket::RULES.to_owned(), ..Setup::default() }).await;
    world.upstream("cdn.allowed.test").never_answers();
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(websocket::handshake("cdn.allowed.test", "/ws", "")).await;
    until("it is upstream", || !world.upstream("cdn.allowed.test").received().is_empty()).await;
    drop(client);
    world.settled().await;
    let row = world.log.only();
    assert!(row.outcome().abandoned && row.outcome().address.is_some() && row.code().is_none(), "{row:?}");

    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.finish().await;
    world.settled().await;
    assert!(!world.log.only().outcome().abandoned, "nobody knows what was asked in it");
}

/// In place of a host: it accepts connections, and never answers the handshake.
async fn says_nothing(world: &World, name: &str) -> TcpListener {
    let ip = world.upstream(name).address.ip();
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = Some(listener.local_addr().unwrap().port());
    world.names.set(name, vec![vec![Resolved { ip, port }]]);
    listener
}

/// A name is resolved over DNS: under a pattern the sandbox has chosen it.
#[tokio::test]
async fn names_and_heads_count_as_bytes_that_left() {
    let name = "ok.glob.test";
    let tunnels =
        format!("{}[[allow]]\nhost = \"{name}\"\ntls = \"tunnel\"\nprivate = [\"127.0.0.14/32\"]\n", tunnel::RULE);
    let world = World::with(Setup { family: tunnels, ..Setup::default() }).await;
    let client = world.family.connect().await.connected(&format!("{name}:443")).await;
    ends(client, b"no handshake").await;
    until("it is recorded", || world.log.rows().len() == 1 && world.log.is_settled()).await;
    assert_eq!(world.log.only().decision.head_bytes, Some(name.len() as u64));
    assert_eq!(world.wallet.spent(), (1, name.len() as u64));

    let world = World::new().await;
    let long = "x".repeat(500);
    assert_eq!(world.family.get(name, &format!("/{long}?{long}")).await.status, 200);
    world.settled().await;
    let head = world.log.only().decision.head_bytes.unwrap();
    assert!(head >= 1_002 + name.len() as u64, "{head}");
    assert_eq!(world.wallet.spent(), (1, head));
}
