//! `tls = "tunnel"`: passed through unopened, but still named, checked and counted.

use policies::Code;
use proxy::audit::Protocol;

use crate::support::certificates;
use crate::support::{Client, PATIENCE, Setup, World, get, until};

pub const RULE: &str = "[[allow]]\nhost = \"cdn.allowed.test\"\ntls = \"tunnel\"\nprivate = [\"127.0.0.12/32\"]\n";

async fn world() -> World {
    World::with(Setup { family: RULE.to_owned(), ..Setup::default() }).await
}

async fn connected(world: &World) -> Client {
    world.family.connect().await.connected("cdn.allowed.test:443").await
}

/// The client's own TLS, which trusts the upstream and not the door.
pub async fn opened(world: &World) -> Client {
    let client = connected(world).await;
    client.tls_trusting(certificates::root(), "cdn.allowed.test", true, b"http/1.1").await.expect("a handshake")
}

/// Refused before anything was dialled.
async fn is_refused(world: &World, code: Code) {
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.code(), row.outcome().address, row.outcome().bytes_up), (Some(code), None, 0));
    assert!(world.names.asked().is_empty());
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
}

/// The client sees the upstream's own certificate, so no leaf was made; its data is not inspected,
/// not even for a surrogate.
#[tokio::test]
async fn bytes_go_both_ways_unopened_and_counted() {
    let world = world().await;
    let mut client = opened(&world).await;
    client.send(format!("GET /{} HTTP/1.1\r\nHost: anything.test\r\n\r\n", world.surrogate())).await;
    assert_eq!(client.answer().await.unwrap().text(), "ok");
    let received = world.upstream("cdn.allowed.test").only();
    assert_eq!(received.header("host").as_deref(), Some("anything.test"), "nothing was rewritten");
    client.finish().await;
    world.settled().await;
    let row = world.log.only();
    let (decision, outcome) = (&row.decision, row.outcome());
    assert_eq!(
        (decision.protocol, decision.host.as_deref(), decision.port),
        (Protocol::Tunnel, Some("cdn.allowed.test"), Some(443))
    );
    assert!(decision.rule.is_some() && decision.path.is_none() && decision.credential.is_none());
    assert_eq!(decision.policy.as_deref(), Some(&*world.family.policy.load().hash().to_string()));
    assert!(!decision.by_wildcard);
    assert_eq!((row.code(), outcome.address), (None, Some(world.upstream("cdn.allowed.test").address)));
    assert!(outcome.bytes_up > 200 && outcome.bytes_down > 500, "{outcome:?}");
}

#[tokio::test]
async fn a_large_transfer_passes_whole() {
    let world = world().await;
    let mut client = opened(&world).await;
    client.send("PUT / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 4000000\r\n\r\n").await;
    client.send(vec![b'.'; 4_000_000]).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.finish().await;
    world.settled().await;
    assert!(world.upstream("cdn.allowed.test").only().complete);
    assert!(world.log.only().outcome().bytes_up > 4_000_000);
}

#[tokio::test]
async fn a_handshake_for_another_host_is_refused() {
    let world = world().await;
    let client = connected(&world).await;
    assert!(client.tls_trusting(certificates::root(), "evil.test", true, b"http/1.1").await.is_err());
    is_refused(&world, Code::AuthorityMismatch).await;
}

#[tokio::test]
async fn a_handshake_that_names_no_host_is_refused() {
    let world = world().await;
    let client = connected(&world).await;
    assert!(client.tls_trusting(certificates::root(), "cdn.allowed.test", false, b"http/1.1").await.is_err());
    is_refused(&world, Code::AuthorityMismatch).await;
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    for bytes in
        [get("cdn.allowed.test", "/"), "SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "\x16\x03\x01\x00\x05hello".to_owned()]
    {
        let world = world().await;
        let mut client = connected(&world).await;
        client.send(bytes).await;
        assert!(client.some().await.is_empty());
        is_refused(&world, Code::NotTls).await;
    }
}

/// A name that only a pattern covers may never have been seen before: the log says so.
#[tokio::test]
async fn a_tunnel_by_a_pattern_is_marked() {
    let rules = "[[allow]]\nhost = \"*.glob.test\"\ntls = \"tunnel\"\n\
                 [[allow]]\nhost = \"ok.glob.test\"\ndo = [\"* /**\"]\n";
    let world = World::with(Setup { family: rules.to_owned(), ..Setup::default() }).await;
    let client = world.family.connect().await.connected("ok.glob.test:443").await;
    assert!(client.tls_trusting(certificates::root(), "ok.glob.test", true, b"http/1.1").await.is_err());
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.decision.by_wildcard, row.code()), (true, Some(Code::ResolvedPrivate)));
}

/// An address has no name to send; it is what was permitted all the same.
#[tokio::test]
async fn an_address_is_tunnelled_without_a_name() {
    let world = World::new().await;
    let address = world.upstream("api.bound.test").address;
    let rule = "[[allow]]\nhost = \"127.0.0.10\"\ntls = \"tunnel\"\nprivate = [\"127.0.0.10/32\"]\n";
    world.family.replace_policy(&format!("{rule}ports = [{}]\n", address.port()));
    let client = world.family.connect().await.connected(&address.to_string()).await;
    let opened = client.tls_trusting(certificates::root(), "127.0.0.10", false, b"http/1.1").await;
    let mut client = opened.expect("a handshake");
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.finish().await;
    world.settled().await;
    assert_eq!((world.log.only().code(), world.names.asked().len()), (None, 0));
}

/// A client that sends nothing, and one with an endless hello.
#[tokio::test]
async fn a_hello_is_there_and_is_short() {
    let world = world().await;
    let mut client = connected(&world).await;
    client.half_close().await;
    assert!(client.some().await.is_empty());
    is_refused(&world, Code::NotTls).await;

    let world = self::world().await;
    let mut client = connected(&world).await;
    // One ClientHello of 60,000 bytes, one byte per record.
    let mut hello = b"\x16\x03\x01\x00\x04\x01\x00\xea\x60".to_vec();
    for _ in 0..30_000 {
        hello.extend_from_slice(b"\x16\x03\x01\x00\x01\x03");
    }
    client.send(hello).await;
    assert!(client.some().await.is_empty());
    is_refused(&world, Code::NotTls).await;
}

/// A hello that arrives one byte at a time is read; one that never ends is given up.
#[tokio::test]
async fn a_hello_has_an_end() {
    let limits = proxy::Limits { handshake_time: std::time::Duration::from_millis(150), ..proxy::Limits::default() };
    let world = World::with(Setup { family: RULE.to_owned(), limits, ..Setup::default() }).await;
    let mut client = connected(&world).await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    assert!(client.some().await.is_empty());
    is_refused(&world, Code::Timeout).await;
}

#[tokio::test]
async fn a_private_address_is_refused() {
    let rule = "[[allow]]\nhost = \"cdn.allowed.test\"\ntls = \"tunnel\"\n";
    let world = World::with(Setup { family: rule.to_owned(), ..Setup::default() }).await;
    let client = connected(&world).await;
    assert!(client.tls_trusting(certificates::root(), "cdn.allowed.test", true, b"http/1.1").await.is_err());
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::ResolvedPrivate));
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
}

/// A mixed answer is what DNS rebinding looks like.
#[tokio::test]
async fn one_address_that_is_refused_refuses_all() {
    let world = world().await;
    world.resolves("cdn.allowed.test", &[vec!["127.0.0.12".parse().unwrap(), "127.0.0.66".parse().unwrap()]]);
    let client = connected(&world).await;
    assert!(client.tls_trusting(certificates::root(), "cdn.allowed.test", true, b"http/1.1").await.is_err());
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::ResolvedPrivate));
    assert_eq!((world.upstream("cdn.allowed.test").connections(), world.canary.hits()), (0, 0));
}

/// Denied: the client is told inside the door's own TLS, as for any denied host.
#[tokio::test]
async fn a_deny_beats_it() {
    let rules = format!("{RULE}[[deny]]\nhost = \"cdn.allowed.test\"\nwhy = \"not today\"\n");
    let world = World::with(Setup { family: rules, ..Setup::default() }).await;
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert!(answer.status == 403 && answer.text().contains("not today"), "{}", answer.text());
    assert_eq!(world.log.only().code(), Some(Code::DeniedByRule));
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
}

/// It applies to one host and port, and to one group.
#[tokio::test]
async fn others_are_opened_as_always() {
    let world = world().await;
    for authority in ["cdn.allowed.test:8443", "evil.test:443"] {
        let mut client = world.family.tunnel(authority).await;
        client.send(get(authority.trim_end_matches(":443"), "/")).await;
        assert_eq!(client.answer().await.unwrap().status, 403, "{authority}");
    }
    assert_eq!(world.work.get("cdn.allowed.test", "/").await.status, 200, "opened with the door's certificate");
}

/// No log, no tunnel (invariant 9).
#[tokio::test]
async fn a_log_that_is_down_closes_it() {
    let world = world().await;
    world.log.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut client = world.family.connect().await;
    client.send("CONNECT cdn.allowed.test:443 HTTP/1.1\r\nHost: cdn.allowed.test:443\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 503);
    assert!(world.names.asked().is_empty());
}

#[tokio::test]
async fn what_goes_up_counts_against_the_limits() {
    let rules = format!("[limits]\nupload_per_request = \"100 kB\"\n\n{RULE}");
    let world = World::with(Setup { family: rules, ..Setup::default() }).await;
    let mut client = opened(&world).await;
    client.send("PUT / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 1000000\r\n\r\n").await;
    client.send(vec![b'.'; 1_000_000]).await;
    assert!(client.answer().await.is_none());
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::LimitExceeded));
    assert!(world.log.only().outcome().bytes_up <= 100_000);
    until("the upstream has heard of the end", || world.upstream("cdn.allowed.test").received().len() == 1).await;
    assert!(!world.upstream("cdn.allowed.test").only().complete);
}

/// A tunnel counts against the same budget as a request.
#[tokio::test]
async fn tunnels_count_as_requests() {
    let rules = format!("[limits]\nrequests_per_minute = 1\n\n{RULE}");
    let world = World::with(Setup { family: rules, ..Setup::default() }).await;
    let mut first = opened(&world).await;
    first.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    first.finish().await;
    world.settled().await;
    let mut client = world.family.connect().await;
    client.send("CONNECT cdn.allowed.test:443 HTTP/1.1\r\nHost: cdn.allowed.test:443\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 429);
    assert_eq!(world.log.codes(), [None, Some(Code::LimitExceeded)]);
    assert!(!world.log.rows()[1].is_allowed());
    assert_eq!((world.upstream("cdn.allowed.test").connections(), world.wallet.spent().0), (1, 1));
}

/// The upstream ends first; the client learns of it and may still send.
#[tokio::test]
async fn one_side_may_end_first() {
    let world = world().await;
    world.upstream("cdn.allowed.test").answers("HTTP/1.1 200 OK\r\n\r\nto the end");
    let mut client = opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    let answer = tokio::time::timeout(PATIENCE, client.answer()).await.unwrap().unwrap();
    assert_eq!(answer.text(), "to the end");
    drop(client);
    world.settled().await;
    assert!(world.log.only().outcome().bytes_down > 500);
}
