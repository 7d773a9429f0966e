//! What one sandbox can make us spend: heads, times, connections.

use std::time::Duration;

use policies::Code;
use proxy::Limits;

use crate::support::{Setup, World, get, until};

async fn with(limits: Limits) -> World {
    World::with(Setup { limits, ..Setup::default() }).await
}

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_head_over_the_limit_is_refused_and_logged() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("GET / HTTP/1.1\r\nHost: cdn.allowed.test\r\nX: ").await;
    client.send("a".repeat(128 << 10)).await;
    assert_eq!(client.answer().await.unwrap().status, 431);
    until("it is logged", || world.log.codes() == [Some(Code::TooLarge)]).await;
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

/// Slowloris: a head that never ends (attack M01).
#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let world = with(Limits { head_time: SHORT, ..Limits::default() }).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHost: cdn.all"] {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(beginning).await;
        assert!(client.answer().await.is_none_or(|answer| answer.status == 408), "{beginning:?}");
    }
    let mut client = world.family.connect().await;
    client.send("CONNECT cdn.allowed").await;
    assert!(client.answer().await.is_none_or(|answer| answer.status == 408));
    until("each is logged", || world.log.codes() == [Some(Code::Timeout); 3]).await;
}

/// A connection that idles after its request is no attack, and nothing to log.
#[tokio::test]
async fn a_kept_alive_connection_that_idles_is_closed_without_a_record() {
    let world = with(Limits { head_time: SHORT, ..Limits::default() }).await;
    for plain in [false, true] {
        let mut client =
            if plain { world.family.connect().await } else { world.family.tunnel("cdn.allowed.test:443").await };
        let target = if plain { "http://cdn.allowed.test/" } else { "/" };
        client.send(format!("GET {target} HTTP/1.1\r\nHost: cdn.allowed.test\r\n\r\n")).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        assert!(client.answer().await.is_none(), "it is closed");
    }
    // A record would come before the next connection's own.
    assert_eq!(world.family.get("evil.test", "/").await.status, 403);
    until("all is logged", || world.log.codes().contains(&Some(Code::NotAllowed))).await;
    assert_eq!(world.log.codes(), [None, None, Some(Code::NotAllowed)]);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let world = with(Limits { handshake_time: SHORT, ..Limits::default() }).await;
    let mut client = world.family.connect().await;
    client.send("CONNECT cdn.allowed.test:443 HTTP/1.1\r\nHost: cdn.allowed.test:443\r\n\r\n").await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    assert!(client.answer().await.is_none());
    until("it is logged", || world.log.codes() == [Some(Code::Timeout)]).await;
    assert!(world.names.asked().is_empty());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_given_up() {
    let world = with(Limits { answer_time: SHORT, ..Limits::default() }).await;
    world.upstream("cdn.allowed.test").never_answers();
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert_eq!(answer.status, 504);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Timeout));
}

/// An upstream that accepts and says nothing in the handshake.
#[tokio::test]
async fn an_upstream_that_does_not_shake_hands_is_given_up() {
    let world = with(Limits { handshake_time: SHORT, ..Limits::default() }).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.14:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let resolved = proxy::ports::Resolved { ip: address.ip(), port: Some(address.port()) };
    world.names.set("ok.glob.test", vec![vec![resolved]]);
    assert_eq!(world.family.get("ok.glob.test", "/").await.status, 504);
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().outcome().bytes_up), (Some(Code::Timeout), 0));
}

/// Nobody listens: the answer says so and the log too, and nothing is held against the name.
#[tokio::test]
async fn an_upstream_that_is_down_is_told() {
    let world = World::new().await;
    let free = tokio::net::TcpListener::bind("127.0.0.14:0").await.unwrap().local_addr().unwrap();
    let resolved = proxy::ports::Resolved { ip: free.ip(), port: Some(free.port()) };
    world.names.set("ok.glob.test", vec![vec![resolved]]);
    let answer = world.family.get("ok.glob.test", "/").await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("cannot be reached"), "{}", answer.text());
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::UpstreamFailed));
}

/// One sandbox's connections wait for one another, and hold up nobody else.
#[tokio::test]
async fn a_sandbox_that_opens_too_many_connections_waits_for_itself() {
    let world = with(Limits { connections: 2, ..Limits::default() }).await;
    let first = world.family.tunnel("cdn.allowed.test:443").await;
    let _second = world.family.tunnel("cdn.allowed.test:443").await;
    let mut third = world.family.connect().await;
    third.send("GET http://cdn.allowed.test/ HTTP/1.1\r\nHost: cdn.allowed.test\r\n\r\n").await;
    assert_eq!(world.work.get("cdn.allowed.test", "/").await.status, 200, "another sandbox is not held up");
    assert_eq!(world.upstream("cdn.allowed.test").received().len(), 1);
    drop(first);
    assert_eq!(third.answer().await.unwrap().status, 200, "its turn came");
}

/// Many names through one door: leaves are made and forgotten (attack M03).
#[tokio::test]
async fn leaves_are_bounded() {
    let world = with(Limits { leaves: 4, ..Limits::default() }).await;
    for number in 0..12 {
        let host = format!("n{}.glob.test", number % 6);
        let mut client = world.family.tunnel(&format!("{host}:443")).await;
        client.send(get(&host, "/")).await;
        assert_eq!(client.answer().await.unwrap().status, 502, "it does not resolve");
    }
}

/// A client that stops in the middle of its body (attack M01): the upstream is let go, the log says why.
#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
    for framing in ["Content-Length: 100\r\n\r\n!!!", "Transfer-Encoding: chunked\r\n\r\n3\r\n!!!\r\n"] {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(format!("PUT /up HTTP/1.1\r\nHost: cdn.allowed.test\r\n{framing}")).await;
        assert!(client.answer().await.is_none_or(|answer| answer.status == 504), "{framing}");
    }
    until("each is logged", || world.log.codes() == [Some(Code::Timeout); 2]).await;
    let sent: Vec<_> = world.log.rows().iter().map(|row| row.outcome().bytes_up).collect();
    assert_eq!(sent, [3, 3]);
    assert!(world.upstream("cdn.allowed.test").received().iter().all(|received| !received.complete));
}

/// A client that stops reading (attack M01): its connection ends, and the upstream's with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_reads_is_given_up() {
    let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            // Until the door hangs up.
            while exchange.send(format!("10000\r\n{}\r\n", "x".repeat(0x10000))).await.is_ok() {}
            Ok(())
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/endless")).await;
    until("the request was allowed", || world.log.rows().len() == 1).await;
    world.settled().await;
    assert_eq!(world.log.only().outcome().status, Some(200));
    drop(client);
}

/// An upstream that stops reading: the request that waits for it is given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_reads_is_given_up() {
    let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
    world.upstream("cdn.allowed.test").on(|_| Box::pin(std::future::pending()));
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("PUT /up HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 1000000000\r\n\r\n").await;
    let piece = vec![b'x'; 1 << 20];
    while client.write_some(&piece, Duration::from_secs(20)).await.is_ok() {}
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::UpstreamFailed));
}

/// A quiet stream owes nobody anything: it lasts, and what comes late arrives.
#[tokio::test]
async fn a_quiet_stream_is_not_cut() {
    let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            tokio::time::sleep(SHORT * 4).await;
            exchange.send("4\r\nlate\r\n0\r\n\r\n").await
        })
    });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/quiet")).await;
    assert_eq!(client.answer().await.unwrap().text(), "late");
}
