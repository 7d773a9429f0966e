//! Upstream connections: kept, never shared, checked before each use.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proxy::Limits;
use proxy::ports::Resolved;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use crate::support::{PATIENCE, Setup, World, certificates, get};

async fn send(world: &World, requests: &[&str]) {
    let mut client = world.family.tunnel("api.bound.test:443").await;
    for request in requests {
        client.send(request).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{request}");
        world.settled().await;
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    let post = "POST /2 HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 4\r\n\r\ndata";
    let chunked =
        "POST /3 HTTP/1.1\r\nHost: cdn.allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n0\r\n\r\n";
    for request in [&get("cdn.allowed.test", "/1"), post, chunked, &get("cdn.allowed.test", "/4")] {
        client.send(request).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        world.settled().await;
    }
    let upstream = world.upstream("cdn.allowed.test");
    assert_eq!((upstream.received().len(), upstream.connections()), (4, 1));
    assert_eq!(world.names.asked(), ["cdn.allowed.test"], "resolved once");
}

#[tokio::test]
async fn a_new_connection_of_the_client_uses_the_pooled_one() {
    let world = World::new().await;
    for path in ["/1", "/2"] {
        assert_eq!(world.family.get("cdn.allowed.test", path).await.status, 200);
        world.settled().await;
    }
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 1);
}

#[tokio::test]
async fn doors_share_no_connection() {
    let world = World::new().await;
    for door in [&world.family, &world.work] {
        assert_eq!(door.get("cdn.allowed.test", "/").await.status, 200);
        world.settled().await;
    }
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 2);
}

/// Nor a TLS session, by which the host could tell that two groups belong together.
#[tokio::test]
async fn doors_share_no_session() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.12:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.names.set("cdn.allowed.test", vec![vec![Resolved { ip: address.ip(), port: Some(address.port()) }]]);
    let shaken = Arc::new(Mutex::new(Vec::new()));
    let (acceptor, kinds) = (TlsAcceptor::from(certificates::server(b"http/1.1")), shaken.clone());
    let server = async move {
        loop {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            kinds.lock().unwrap().extend(stream.get_ref().1.handshake_kind());
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    };
    let clients = async {
        for door in [&world.family, &world.family, &world.work] {
            assert_eq!(door.get("cdn.allowed.test", "/").await.status, 200);
            world.settled().await;
        }
    };
    tokio::select! {
        () = server => {}
        () = clients => {}
    }
    assert_eq!(*shaken.lock().unwrap(), [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]);
}

/// A server may tie an identity to a connection: one that carried a credential serves no request
/// under a rule without it (attack I12).
#[tokio::test]
async fn credentials_share_no_connection() {
    let with = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"* /v1/**\"]\ncredential = \"first\"\nprivate = [\"127.0.0.10/32\"]\n";
    let without = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"* /open/**\"]\nprivate = [\"127.0.0.10/32\"]\n";
    let setup = crate::support::Setup { family: format!("{with}{without}"), ..Default::default() };
    let world = World::with(setup).await;
    let authorization = format!("Authorization: Bearer {}", world.surrogate());
    let request = format!("GET /v1/x HTTP/1.1\r\nHost: api.bound.test\r\n{authorization}\r\n\r\n");
    send(&world, &[&request, &get("api.bound.test", "/open/x"), &request]).await;
    let received = world.upstream("api.bound.test").received();
    let connections: Vec<_> = received.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 0]);
}

#[tokio::test]
async fn a_pooled_connection_whose_address_is_no_longer_allowed_is_left() {
    let world = World::new().await;
    assert_eq!(world.family.get("cdn.allowed.test", "/1").await.status, 200);
    world.settled().await;
    world
        .family
        .replace_policy("[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.14/32\"]\n");
    assert_eq!(world.family.get("cdn.allowed.test", "/2").await.status, 403);
    assert_eq!(world.upstream("cdn.allowed.test").only().request_line(), "GET /1 HTTP/1.1");
    // The name has moved to an allowed address: a connection to there is opened instead.
    world.resolves("cdn.allowed.test", &[vec![[127, 0, 0, 14].into()]]);
    assert_eq!(world.family.get("cdn.allowed.test", "/3").await.status, 200);
    assert_eq!(world.upstream("ok.glob.test").only().request_line(), "GET /3 HTTP/1.1");
}

/// A connection that has idled for too long may be dead without notice.
#[tokio::test]
async fn a_connection_that_idled_too_long_is_left() {
    let limits = proxy::Limits { idle_time: std::time::Duration::ZERO, ..proxy::Limits::default() };
    let world = World::with(crate::support::Setup { limits, ..Default::default() }).await;
    for path in ["/1", "/2"] {
        assert_eq!(world.family.get("cdn.allowed.test", path).await.status, 200);
        world.settled().await;
    }
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 2);
}

/// Descriptors are shared by all: the idle connections of one door are bounded in total, and are
/// closed when their time is over, even without further requests to their hosts.
#[tokio::test]
async fn idle_connections_are_bounded_and_end() {
    let limits = Limits { idle_upstreams_in_all: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    for _ in 0..2 {
        for host in ["cdn.allowed.test", "ro.allowed.test"] {
            assert_eq!(world.family.get(host, "/public/x").await.status, 200);
            world.settled().await;
        }
    }
    let connections = |host| world.upstream(host).connections();
    assert_eq!((connections("cdn.allowed.test"), connections("ro.allowed.test")), (1, 2));

    let limits = Limits { idle_time: Duration::from_millis(100), ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let listener = TcpListener::bind("127.0.0.12:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.names.set("cdn.allowed.test", vec![vec![Resolved { ip: address.ip(), port: Some(address.port()) }]]);
    let server = async {
        let stream = listener.accept().await.unwrap().0;
        let mut stream = TlsAcceptor::from(certificates::server(b"http/1.1")).accept(stream).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        // The end, with or without a close_notify.
        assert_eq!(tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await.unwrap().unwrap_or(0), 0);
    };
    let (answer, ()) = tokio::join!(world.family.get("cdn.allowed.test", "/"), server);
    assert_eq!(answer.status, 200);
}

/// The upstream closes while the connection idles: the next request gets a new one.
#[tokio::test]
async fn a_connection_that_died_in_the_pool_is_replaced() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    upstream.on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            exchange.closed = true;
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await
        })
    });
    for path in ["/1", "/2", "/3"] {
        assert_eq!(world.family.get("cdn.allowed.test", path).await.status, 200, "{path}");
        world.settled().await;
    }
    assert_eq!(upstream.received().len(), 3, "each sent once");
}

/// Connections that were needed at the same time are kept, as many as may idle.
#[tokio::test]
async fn as_many_idle_as_may() {
    for (idle_upstreams, connections) in [(2, 2), (1, 3)] {
        let limits = proxy::Limits { idle_upstreams, ..proxy::Limits::default() };
        let world = World::with(crate::support::Setup { limits, ..Default::default() }).await;
        let both = Arc::new(Barrier::new(2));
        world.upstream("cdn.allowed.test").on(move |exchange| {
            let both = both.clone();
            Box::pin(async move {
                exchange.body().await?;
                both.wait().await;
                exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await
            })
        });
        for _ in 0..2 {
            let get = |path| world.family.get("cdn.allowed.test", path);
            let (one, other) = tokio::join!(get("/1"), get("/2"));
            assert_eq!((one.status, other.status), (200, 200));
            world.settled().await;
        }
        assert_eq!(world.upstream("cdn.allowed.test").connections(), connections, "{idle_upstreams} may idle");
    }
}

/// Half an answer leaves the connection in an unknown state.
#[tokio::test]
async fn a_connection_with_an_answer_left_over_is_not_reused() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    upstream.answers("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly the beginning");
    {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(get("cdn.allowed.test", "/1")).await;
        assert_eq!(client.head_answer().await.unwrap().status, 200);
    }
    // The client is gone; its part of the door ends.
    upstream.answers_as_usual();
    assert_eq!(world.family.get("cdn.allowed.test", "/2").await.text(), "ok");
    assert_eq!(upstream.connections(), 2);
}

/// A host that answers without reading a body parses what is left as the next request: nothing of
/// another request, least of all its key, may follow it.
#[tokio::test]
async fn what_a_host_leaves_unread_is_nobodys_request() {
    let smuggled = "DELETE /v1/admin HTTP/1.1\r\nX-A: ";
    let (bound, open) = ("api.bound.test", "cdn.allowed.test");
    let cases =
        [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("DELETE", 200), ("POST", 404), ("PUT", 500), ("PATCH", 200)];
    let cases = cases.map(|(method, status)| (open, method, status)).into_iter();
    for (host, method, status) in cases.chain([(bound, "GET", 200), (bound, "POST", 404)]) {
        let world = World::new().await;
        let upstream = world.upstream(host);
        upstream.on(move |exchange| {
            Box::pin(async move {
                let head = String::from_utf8_lossy(&exchange.head).to_ascii_lowercase();
                exchange.closed = head.contains("connection: close");
                exchange.send(format!("HTTP/1.1 {status} Now\r\nContent-Length: 0\r\n\r\n")).await
            })
        });
        let key =
            if host == bound { format!("Authorization: Bearer {}\r\n", world.surrogate()) } else { String::new() };
        let first = format!(
            "{method} /v1/x HTTP/1.1\r\nHost: {host}\r\n{key}Content-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        );
        let next = format!("GET /v1/next HTTP/1.1\r\nHost: {host}\r\n{key}\r\n");
        for request in [first, next] {
            let mut client = world.family.tunnel(&format!("{host}:443")).await;
            client.send(request).await;
            assert_eq!(client.head_answer().await.unwrap().status, status, "{host} {method}");
            world.settled().await;
        }
        let received = upstream.received();
        let swallowed = received.iter().any(|request| request.text().contains("X-A: GET"));
        assert!(!swallowed, "{host} {method}: {received:?}");
        let arrived = received.iter().any(|request| request.request_line() == "GET /v1/next HTTP/1.1");
        assert!(arrived, "{host} {method}: {received:?}");
    }
}

/// A search in the body of a GET is answered as before, and its connection ends with it.
#[tokio::test]
async fn a_get_with_a_body_is_answered_and_nothing_comes_behind_it() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    let query = r#"{"query":{"match_all":{}}}"#;
    let framings = [
        format!("Content-Length: {}\r\n\r\n{query}", query.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{query}\r\n0\r\n\r\n", query.len()),
    ];
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    for framing in framings {
        client.send(format!("GET /_search HTTP/1.1\r\nHost: cdn.allowed.test\r\n{framing}")).await;
        assert_eq!(client.answer().await.unwrap().text(), "ok");
        world.settled().await;
    }
    let received = upstream.received();
    assert!(received.iter().all(|request| request.complete && request.text().contains("match_all")), "{received:?}");
    assert!(received.iter().all(|request| request.header("connection").as_deref() == Some("close")), "{received:?}");
    assert_eq!(upstream.connections(), 2);
}
