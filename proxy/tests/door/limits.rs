//! The resources that one sandbox can use: heads, times, connections.

use std::time::Duration;

use policies::Code;
use proxy::Limits;

use crate::support::http2::{Http2Upstream, Reply};
use crate::support::packing::{self, packed};
use crate::support::{Client, PATIENCE, Setup, World, get, until};

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

/// A connection that idles after its request is no attack, and is not logged.
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
    // A record would precede the one of the next connection.
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

/// An upstream that accepts connections but does not answer the handshake.
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

/// No listener: the answer and the log say so, and the next request is not affected.
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

/// One sandbox's connections wait for one another, and delay no other sandbox.
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

/// Many names through one door: leaves are made and evicted (attack M03).
#[tokio::test]
async fn leaves_are_bounded() {
    let world = with(Limits { leaves: 4, leaf_pace: Duration::from_millis(1), ..Limits::default() }).await;
    for number in 0..12 {
        let host = format!("n{}.glob.test", number % 6);
        let mut client = world.family.tunnel(&format!("{host}:443")).await;
        client.send(get(&host, "/")).await;
        assert_eq!(client.answer().await.unwrap().status, 502, "it does not resolve");
    }
}

/// A client that stops in the middle of its body (attack M01): the upstream is dropped, and the log says why.
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

/// A quiet stream violates no limit: it lasts, and late data arrives.
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

/// An HTTP/2 client whose window never opens: nothing waits on the socket, and the stream is ended
/// all the same; the other streams on the connection go on.
#[tokio::test]
async fn a_window_that_the_client_never_opens_ends_its_stream() {
    let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
    world
        .upstream("cdn.allowed.test")
        .answers(format!("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n{}", "x".repeat(200_000)));
    let (stream, _) = world.family.connect().await.tunnel_http2("cdn.allowed.test:443").await.into_parts();
    let mut builder = h2::client::Builder::new();
    let (mut sender, connection) =
        builder.initial_connection_window_size(1 << 20).handshake::<_, bytes::Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    let ask = || http::Request::get("https://cdn.allowed.test/").body(()).unwrap();
    let (stuck, _) = sender.send_request(ask(), true).unwrap();
    let stuck = stuck.await.unwrap();
    until("it was allowed", || world.log.rows().len() == 1).await;
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().outcome().status), (Some(Code::Timeout), Some(200)));
    world.upstream("cdn.allowed.test").answers_as_usual();
    let (answer, _) = sender.send_request(ask(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200, "the connection stands");
    drop(stuck);
}

/// The same for an upstream, before its answer and after.
#[tokio::test]
async fn a_window_that_the_upstream_never_opens_ends_the_request() {
    for early in [false, true] {
        let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
        let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
        let body = vec!["first".into()];
        upstream.answers(Reply { early, unread: true, stays: true, body, ..Reply::default() });
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send("PUT /up HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 1000000\r\n\r\n").await;
        client.send("x".repeat(300_000)).await;
        let answer = client.head_answer().await.unwrap();
        assert_eq!(answer.status, if early { 200 } else { 504 });
        world.settled().await;
        assert_eq!(world.log.only().code(), Some(Code::Timeout), "{early}");
        assert!(world.log.only().outcome().bytes_up < 300_000);
    }
}

/// An answer that its client does not read waits at the upstream, with little of it in memory.
#[tokio::test]
async fn little_of_an_answer_that_nobody_reads_is_held() {
    let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    upstream.answers(Reply { body: vec![vec![b'.'; 16 << 20].into()], ..Reply::default() });
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/big")).await;
    until("the request was allowed", || world.log.rows().len() == 1).await;
    world.settled().await;
    // The size of the windows, plus the socket buffers of client and door.
    assert!((1..1 << 20).contains(&upstream.sent()), "{}", upstream.sent());
    drop(client);
}

/// Looking into packed data takes memory, even if little arrives: a second body waits until the
/// first is complete, and then arrives unchanged.
#[tokio::test]
async fn packed_bodies_wait_for_one_another() {
    let world = with(Limits { whole_bodies: 1, ..Limits::default() }).await;
    let upstream = world.upstream("cdn.allowed.test");
    let put = async |body: &[u8], coding: &str, sent: usize| {
        let mut client: Client = world.family.tunnel("cdn.allowed.test:443").await;
        let coding = if coding.is_empty() { String::new() } else { format!("Content-Encoding: {coding}\r\n") };
        let head =
            format!("PUT /up HTTP/1.1\r\nHost: cdn.allowed.test\r\n{coding}Content-Length: {}\r\n\r\n", body.len());
        client.send([head.as_bytes(), &body[..sent]].concat()).await;
        client
    };
    let whole = || upstream.received().iter().filter(|received| received.complete).count();
    for coding in ["gzip", "br", "zstd", ""] {
        let body = packed(if coding.is_empty() { "gzip" } else { coding }, &b"nothing to see here; ".repeat(100));
        let (before, sent) = (whole(), upstream.received().len());
        let mut first = put(&body, coding, body.len() / 2).await;
        until("the first is upstream", || upstream.received().len() == sent + 1).await;
        let mut second = put(&body, coding, body.len()).await;
        // A body that need not be unpacked passes meanwhile.
        assert_eq!(put(b"plain", "", 5).await.answer().await.unwrap().status, 200);
        assert_eq!(whole(), before + 1, "{coding}");
        first.send(&body[body.len() / 2..]).await;
        for client in [&mut first, &mut second] {
            assert_eq!(client.answer().await.unwrap().status, 200, "{coding}");
        }
        assert_eq!(whole(), before + 3, "{coding}");
        let packed = upstream.received()[sent..].iter().filter(|received| received.body == body).count();
        assert_eq!(packed, 2, "{coding}");
    }
}

/// Long work is done aside: the only thread serves another sandbox while a request of this one is
/// being judged.
async fn holds_up_nobody_else(world: World, host: &str, request: String) {
    let (judging, is_judging) = std::sync::mpsc::channel();
    let (served, is_served) = std::sync::mpsc::channel();
    let (in_time, was_in_time) = std::sync::mpsc::channel();
    let is_served = std::sync::Mutex::new(is_served);
    *world.safe.meanwhile.lock().unwrap() = Some(Box::new(move || {
        judging.send(()).unwrap();
        in_time.send(is_served.lock().unwrap().recv_timeout(PATIENCE).is_ok()).unwrap();
    }));
    let mut client = world.family.tunnel(&format!("{host}:443")).await;
    client.send(request).await;
    until("it is judged", || is_judging.try_recv().is_ok()).await;
    let another = tokio::time::timeout(PATIENCE, world.work.get("cdn.allowed.test", "/")).await;
    let _ = served.send(());
    assert_eq!(another.expect("another sandbox is served meanwhile").status, 200);
    assert!(was_in_time.recv().unwrap());
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_that_is_judged_holds_up_nobody_else() {
    let world = World::new().await;
    let key = &world.values["SUR6"];
    let body = format!("{{\"auth\":{{\"api_key\":\"{key}\"}},\"x\":\"{}\"}}", ".".repeat(100_000));
    let head = format!("POST /search HTTP/1.1\r\nHost: json.bound.test\r\nContent-Length: {}\r\n\r\n", body.len());
    holds_up_nobody_else(world, "json.bound.test", head + &body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_head_holds_up_nobody_else() {
    let world = World::new().await;
    let (surrogate, long) = (world.surrogate().to_owned(), "%D0%B0a".repeat(1_000));
    let head = format!(
        "GET /v1/x HTTP/1.1\r\nHost: api.bound.test\r\nAuthorization: Bearer {surrogate}\r\nX-Note: {long}\r\n\r\n"
    );
    holds_up_nobody_else(world, "api.bound.test", head).await;
}

/// A client that goes away while it waits takes its request with it.
#[tokio::test]
async fn a_client_that_went_away_holds_no_place() {
    let world = with(Limits { requests: 1, head_time: SHORT * 4, ..Limits::default() }).await;
    world.upstream("cdn.allowed.test").never_answers();
    for plain in [false, true] {
        let mut client =
            if plain { world.family.connect().await } else { world.family.tunnel("cdn.allowed.test:443").await };
        let target = if plain { "http://cdn.allowed.test/" } else { "/" };
        client.send(format!("GET {target} HTTP/1.1\r\nHost: cdn.allowed.test\r\n\r\n")).await;
        until("it is upstream", || world.upstream("cdn.allowed.test").received().len() == 1 + usize::from(plain)).await;
        assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 429, "there is one place");
        client.half_close().await;
        world.settled().await;
    }
    world.upstream("cdn.allowed.test").answers_as_usual();
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 200);
}

/// Requests for ever new hosts need ever new certificates (attack M03): these are made at a limited
/// pace, for which existing ones and other sandboxes do not wait.
#[tokio::test]
async fn new_leaves_are_made_at_a_pace() {
    let limits = Limits { leaves: 2, leaf_pace: Duration::from_secs(3600), ..Limits::default() };
    let world = with(limits).await;
    for host in ["1.glob.test", "2.glob.test"] {
        assert_eq!(world.family.get(host, "/").await.status, 502, "it does not resolve");
    }
    let third = world.family.connect().await.connected("3.glob.test:443").await;
    assert!(third.tls("3.glob.test", true).await.is_err());
    until("it is logged", || world.log.codes().last() == Some(&Some(Code::GroupLimit))).await;
    assert_eq!(world.family.get("2.glob.test", "/").await.status, 502);
    assert_eq!(world.work.get("cdn.allowed.test", "/").await.status, 200);
}

/// One sandbox has used up all its limits, in each way: another does not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worst_of_one_sandbox_is_nothing_to_another() {
    let limits = Limits { connections: 10, requests: 5, whole_bodies: 1, leaves: 4, ..Limits::default() };
    let rules = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"POST /json\"]\nprivate = [\"127.0.0.12/32\"]\n\
                 json = { a = { not = [\"b\"] } }\n";
    let family = format!("{}{rules}", Setup::default().family.replace("do = [\"* /**\"]", "do = [\"* /x/**\"]"));
    let world = World::with(Setup { limits, family, ..Setup::default() }).await;
    world.upstream("cdn.allowed.test").never_answers();
    // Bodies that are waited for, packed ones too, and unanswered requests: no place is left.
    let mut held = Vec::new();
    for request in ["POST /json", "POST /json", "GET /x/1", "GET /x/2", "PUT /x/3"] {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        let length = if request.starts_with("GET") { 0 } else { 100 };
        client.send(format!("{request} HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: {length}\r\n\r\n")).await;
        if request.starts_with("PUT") {
            client.send(&packing::gzip(b"packed")[..20]).await;
        }
        held.push(client);
    }
    until("they are upstream", || world.upstream("cdn.allowed.test").received().len() == 3).await;
    let full = async || world.family.get("cdn.allowed.test", "/x/3").await.status;
    while full().await != 429 {}
    // And a flood of refused requests, for as long as it takes.
    let refused = async || assert!(world.family.get("cdn.allowed.test", "/denied").await.status >= 400);
    let flood = async {
        loop {
            tokio::join!(refused(), refused(), refused());
        }
    };
    let others = async {
        world.upstream("cdn.allowed.test").answers_as_usual();
        for _ in 0..20 {
            assert_eq!(world.work.get("cdn.allowed.test", "/").await.status, 200);
        }
        assert_eq!(full().await, 429, "and it is still as bad as it was");
    };
    tokio::select! {
        () = flood => unreachable!("it goes on"),
        () = others => {}
    }
    drop(held);
}
