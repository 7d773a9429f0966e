//! A tightened policy cuts requests in flight within a second; one that still allows them does not.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use http::Request;
use policies::Code;
use tokio_tungstenite::tungstenite::Message;

use super::{tunnel, websocket};
use crate::support::http2::{Http2Client, Http2Upstream, Reply, whole};
use crate::support::{Client, HELD, Setup, World, compile, get, until};

const NOTHING: &str = "";
const SOON: Duration = Duration::from_secs(1);

/// An answer that begins and does not end by itself.
pub fn goes_on(world: &World, host: &str, kind: &'static str) {
    world.upstream(host).on(move |exchange| {
        Box::pin(async move {
            exchange.body().await?;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
            exchange.send(head + "6\r\nfirst\n\r\n").await?;
            // Continues when the test says so, by sending anything.
            exchange.some().await?;
            exchange.send("4\r\nlast\r\n0\r\n\r\n").await
        })
    });
}

pub async fn begun(world: &World, host: &str) -> Client {
    let mut client = world.family.tunnel(&format!("{host}:443")).await;
    client.send(get(host, "/public/x")).await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    let some = client.some().await;
    assert!(some.ends_with(b"first\n\r\n"), "{:?}", String::from_utf8_lossy(&some));
    client
}

async fn is_cut(world: &World, since: Instant) {
    world.settled().await;
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    let row = world.log.only();
    assert_eq!((row.is_allowed(), row.code()), (true, Some(Code::Revoked)));
}

#[tokio::test]
async fn a_download_and_an_event_stream_are_cut() {
    for kind in ["application/octet-stream", "text/event-stream"] {
        let world = World::new().await;
        goes_on(&world, "cdn.allowed.test", kind);
        let mut client = begun(&world, "cdn.allowed.test").await;
        let since = Instant::now();
        world.family.replace_policy(NOTHING);
        assert!(client.some().await.is_empty(), "cut, and not ended as if it were whole");
        is_cut(&world, since).await;
    }
}

#[tokio::test]
async fn an_upload_is_cut() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("PUT / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 1000\r\n\r\n").await;
    client.send(".".repeat(HELD + 4)).await;
    until("the beginning is upstream", || upstream.received().iter().any(|one| one.body_bytes == 4)).await;
    let since = Instant::now();
    world.family.replace_policy(NOTHING);
    let answer = client.answer().await.unwrap();
    assert!(answer.status == 403 && answer.text().contains("revoked"), "{}", answer.text());
    is_cut(&world, since).await;
    client.send(".".repeat(1000 - HELD - 4)).await;
    assert!(!upstream.only().complete && upstream.only().body_bytes == 4);
}

/// What a body is searched for follows from the policy: a policy that would search for more cuts
/// it, but not a body that was completely sent.
#[tokio::test]
async fn a_body_that_would_be_looked_through_for_more_is_cut() {
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.12/32\"]\n";
    let denied = "[[deny]]\nhost = \"cdn.allowed.test\"\n";
    for (head, after) in [
        ("", format!("{rule}{denied}do = [\"DELETE /**\"]\n")),
        ("", format!("leaks = \"block\"\n{rule}")),
        ("x-amz-copy-source: /private/y\r\n", format!("{rule}{denied}do = [\"* /private/**\"]\n")),
    ] {
        let world = World::with(Setup { family: rule.to_owned(), ..Setup::default() }).await;
        let upstream = world.upstream("cdn.allowed.test");
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        client
            .send(format!("PUT / HTTP/1.1\r\nHost: cdn.allowed.test\r\n{kind}{head}Content-Length: 1000\r\n\r\n"))
            .await;
        client.send(".".repeat(HELD + 4)).await;
        until("the beginning is upstream", || upstream.received().iter().any(|one| one.body_bytes == 4)).await;
        let since = Instant::now();
        world.family.replace_policy(&after);
        let answer = client.answer().await.unwrap();
        assert!(answer.status == 403 && answer.text().contains("revoked"), "{after}: {}", answer.text());
        is_cut(&world, since).await;
    }
    // All of it was sent before: there is nothing left to search. The other one is cut by the same review.
    let other = "[[allow]]\nhost = \"ro.allowed.test\"\naccess = \"read\"\nprivate = [\"127.0.0.13/32\"]\n";
    let world = World::with(Setup { family: format!("{rule}{other}"), ..Setup::default() }).await;
    for host in ["cdn.allowed.test", "ro.allowed.test"] {
        goes_on(&world, host, "text/event-stream");
    }
    let mut stays = world.family.tunnel("cdn.allowed.test:443").await;
    stays.send("POST / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 3\r\n\r\na=b").await;
    assert_eq!(stays.head_answer().await.unwrap().status, 200);
    let mut goes = begun(&world, "ro.allowed.test").await;
    world.family.replace_policy(&format!("leaks = \"block\"\n{rule}{denied}do = [\"DELETE /**\"]\n"));
    assert!(goes.some().await.len() < 20);
    until("the other is over", || world.log.rows()[1].outcome.is_some()).await;
    assert!(world.log.rows()[0].outcome.is_none());
}

/// Waiting for the head of an answer.
#[tokio::test]
async fn a_request_that_waits_is_cut() {
    let world = World::new().await;
    world.upstream("cdn.allowed.test").never_answers();
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/")).await;
    until("it is upstream", || !world.upstream("cdn.allowed.test").received().is_empty()).await;
    let since = Instant::now();
    world.family.replace_policy(NOTHING);
    assert_eq!(client.answer().await.unwrap().status, 403);
    is_cut(&world, since).await;
}

/// The request itself would be allowed again, but not what was done under the permit.
#[tokio::test]
async fn what_lost_its_credential_its_range_or_its_condition_is_cut() {
    let rule = |more: &str| {
        format!("[[allow]]\nhost = \"api.bound.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.10/32\"]\n{more}")
    };
    let credential = "credential = \"first\"\n";
    let condition = "json = { tools = { not = [\"web*\"] } }\n";
    let other_condition = "json = { tools = { not = [\"web_fetch*\"] } }\n";
    for (before, after) in [
        (rule(credential), rule("")),
        (rule(""), rule(credential)),
        (rule(""), rule("").replace("127.0.0.10", "127.0.0.99")),
        (rule(""), rule(condition)),
        (rule(condition), rule(other_condition)),
        (rule(""), format!("{}[[deny]]\nhost = \"api.bound.test\"\ndo = [\"* /**\"]\n{condition}", rule(""))),
    ] {
        let world = World::with(Setup { family: before, ..Setup::default() }).await;
        goes_on(&world, "api.bound.test", "text/event-stream");
        let mut client = begun(&world, "api.bound.test").await;
        let since = Instant::now();
        world.family.replace_policy(&after);
        assert!(client.some().await.is_empty(), "{after}");
        is_cut(&world, since).await;
    }
}

/// Moved lines, one more range, one condition less: none of this is tighter. The other request is
/// cut by the same review, so this one was reviewed too.
#[tokio::test]
async fn what_keeps_all_that_it_had_goes_on() {
    let rule = |host: &str, more: &str| format!("[[allow]]\nhost = \"{host}\"\ndo = [\"* /**\"]\n{more}");
    let condition = "json = { tools = { not = [\"web*\"] } }\n";
    let (one, range) = ("private = [\"127.0.0.12/32\"]\n", "private = [\"127.0.0.0/24\"]\n");
    let other = rule("ro.allowed.test", "private = [\"127.0.0.13/32\"]\n");
    for (before, after) in [
        (format!("{one}{condition}"), format!("# moved\n\n{}", rule("cdn.allowed.test", &format!("{one}{condition}")))),
        (format!("{one}{condition}"), rule("cdn.allowed.test", one)),
        (one.to_owned(), rule("cdn.allowed.test", range)),
    ] {
        let family = format!("{}{other}", rule("cdn.allowed.test", &before));
        let world = World::with(Setup { family, ..Setup::default() }).await;
        for host in ["cdn.allowed.test", "ro.allowed.test"] {
            goes_on(&world, host, "text/event-stream");
        }
        let _stays = begun(&world, "cdn.allowed.test").await;
        let mut goes = begun(&world, "ro.allowed.test").await;
        world.family.replace_policy(&after);
        assert!(goes.some().await.is_empty());
        until("the other is over", || world.log.rows()[1].outcome.is_some()).await;
        assert!(world.log.rows()[0].outcome.is_none(), "{after}");
    }
}

#[tokio::test]
async fn a_tunnel_that_lost_its_range_is_cut() {
    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let since = Instant::now();
    world.family.replace_policy(&tunnel::RULE.replace("127.0.0.12", "127.0.0.99"));
    assert!(client.some().await.is_empty());
    is_cut(&world, since).await;
}

#[tokio::test]
async fn a_websocket_is_cut() {
    let world = World::with(Setup { family: websocket::RULES.to_owned(), ..Setup::default() }).await;
    let heard = websocket::echoes(world.upstream("cdn.allowed.test"));
    let mut socket = websocket::open(&world).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert!(websocket::next(&mut socket).await.is_some());
    let since = Instant::now();
    // The host stays allowed, without WebSockets.
    world.family.replace_policy(&websocket::RULES.replace("websocket = true\n", ""));
    assert_eq!(websocket::next(&mut socket).await, None);
    is_cut(&world, since).await;
    assert_eq!(*heard.lock().unwrap(), [Message::text("hello")]);
}

#[tokio::test]
async fn a_tunnel_is_cut() {
    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let since = Instant::now();
    world.family.replace_policy(&Setup::default().family);
    assert!(client.some().await.is_empty());
    is_cut(&world, since).await;
}

/// Streams of one connection, in both directions: the one that is still allowed goes on.
#[tokio::test]
async fn one_stream_is_cut_and_its_neighbour_is_not() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    upstream.answers(Reply { body: vec!["first".into()], early: true, ..Reply::default() });
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let post = |path: &str| Request::post(format!("https://cdn.allowed.test{path}")).body(()).unwrap();
    assert_eq!(client.get("https://cdn.allowed.test/stays/0").await.status, 200);
    upstream.answers(Reply { body: vec!["first".into()], stays: true, ..Reply::default() });
    let (goes, _) = client.begin(Request::get("https://cdn.allowed.test/goes").body(()).unwrap(), true).await;
    let goes = goes.await.unwrap();
    upstream.answers(Reply::default());
    let (stays, mut body) = client.begin(post("/stays/1"), false).await;
    body.send_data("a".into(), false).unwrap();
    until("all are under way", || upstream.received().len() == 3).await;
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /stays/**\"]\nprivate = [\"127.0.0.12/32\"]\n";
    let since = Instant::now();
    world.family.replace_policy(rule);
    let mut goes = goes.into_body();
    let cut = loop {
        match goes.data().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(cut, Some(Err(_))) && since.elapsed() < SOON, "{cut:?} {:?}", since.elapsed());
    body.send_data("b".into(), true).unwrap();
    assert_eq!(whole(stays).await.unwrap().status, 200);
    world.settled().await;
    let rows = world.log.rows();
    let codes: Vec<_> = rows.iter().map(|row| (row.decision.path.clone().unwrap(), row.code())).collect();
    assert!(codes.contains(&("/goes".to_owned(), Some(Code::Revoked))), "{codes:?}");
    assert!(codes.contains(&("/stays/1".to_owned(), None)), "{codes:?}");
    assert_eq!(upstream.connections(), 1);
}

/// The other one is cut by the same review, so this one was reviewed too.
#[tokio::test]
async fn a_change_that_still_allows_it_cuts_nothing() {
    let world = World::new().await;
    for host in ["cdn.allowed.test", "ro.allowed.test"] {
        goes_on(&world, host, "text/event-stream");
    }
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("POST / HTTP/1.1\r\nHost: cdn.allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    world.upstream("cdn.allowed.test").on(|exchange| {
        Box::pin(async {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirs.\r\n").await?;
            exchange.body().await?;
            exchange.send("4\r\nlast\r\n0\r\n\r\n").await
        })
    });
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    let mut other = begun(&world, "ro.allowed.test").await;
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /\"]\nprivate = [\"127.0.0.12/32\"]\n";
    world.family.replace_policy(rule);
    assert!(other.some().await.is_empty());
    client.send("3\r\n...\r\n0\r\n\r\n").await;
    assert!(client.finish().await.ends_with(b"4\r\nlast\r\n0\r\n\r\n"));
    world.settled().await;
    assert_eq!(world.log.codes(), [None, Some(Code::Revoked)]);
}

#[tokio::test]
async fn a_policy_of_one_group_cuts_nothing_of_another() {
    let world = World::new().await;
    goes_on(&world, "cdn.allowed.test", "text/event-stream");
    let mut family = begun(&world, "cdn.allowed.test").await;
    let mut work = world.work.tunnel("cdn.allowed.test:443").await;
    work.send("POST / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 4\r\n\r\n....").await;
    assert_eq!(work.head_answer().await.unwrap().status, 200);
    world.family.replace_policy(NOTHING);
    assert!(family.some().await.is_empty());
    until("family's is over", || world.log.rows()[0].outcome.is_some()).await;
    assert_eq!(world.log.rows()[1].code(), None);
    assert!(world.log.rows()[1].outcome.is_none(), "it goes on");
}

/// Tightened between the verdict and the first byte, while the name is being resolved.
#[tokio::test]
async fn a_handshake_under_a_policy_of_yesterday_is_not_sent() {
    let world = World::with(Setup { family: websocket::RULES.to_owned(), ..Setup::default() }).await;
    websocket::echoes(world.upstream("cdn.allowed.test"));
    let policy = world.family.policy.clone();
    world.names.meanwhile(move || policy.store(compile("family", NOTHING).into()));
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    client.send(format!("GET /ws HTTP/1.1\r\nHost: cdn.allowed.test\r\n{upgrade}\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Revoked));
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

#[tokio::test]
async fn a_tunnel_under_a_policy_of_yesterday_carries_nothing() {
    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let policy = world.family.policy.clone();
    world.names.meanwhile(move || policy.store(compile("family", NOTHING).into()));
    let client = world.family.connect().await.connected("cdn.allowed.test:443").await;
    let root = crate::support::certificates::root();
    assert!(client.tls_trusting(root, "cdn.allowed.test", true, b"http/1.1").await.is_err());
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().outcome().bytes_up), (Some(Code::Revoked), 0));
}
