//! `mode = "observe"`: hosts that no rule names are let through and marked, and nothing else is
//! relaxed.

use policies::Code;

use crate::support::{Setup, World, get};

/// `until`: the last day; in these tests it is the 23rd.
async fn observed(until: &str) -> World {
    let family = format!("mode = \"observe\"\nobserve_until = \"{until}\"\n\n{}", Setup::default().family);
    World::with(Setup { family, ..Setup::default() }).await
}

/// Let through as far as the address check: the web of these tests is on loopback, which
/// observation does not relax.
#[tokio::test]
async fn a_host_that_nobody_named_passes_and_is_marked() {
    let world = observed("2026-11-23").await;
    let answer = world.family.get("evil.test", "/a").await;
    assert!(answer.text().contains("resolved_private"), "{}", answer.text());
    world.settled().await;
    let row = world.log.only();
    assert!(row.is_allowed() && row.decision.observed && row.decision.by_wildcard);
    assert_eq!((row.code(), row.decision.credential.as_deref()), (Some(Code::ResolvedPrivate), None));
    assert_eq!((world.names.asked(), world.canary.hits()), (vec!["evil.test".to_owned()], 0));
}

#[tokio::test]
async fn a_host_that_a_rule_names_is_judged_as_always() {
    let world = observed("2026-11-30").await;
    for (host, path) in [("ro.allowed.test", "/private"), ("denied.glob.test", "/")] {
        assert_eq!(world.family.get(host, path).await.status, 403, "{host}");
    }
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 200);
    world.settled().await;
    assert_eq!(world.log.codes(), [Some(Code::PathDenied), Some(Code::DeniedByRule), None]);
    assert!(world.log.rows().iter().all(|row| !row.decision.observed));
}

#[tokio::test]
async fn it_ends_with_its_last_day() {
    let world = observed("2026-11-22").await;
    assert_eq!(world.family.get("evil.test", "/").await.status, 403);
    assert_eq!(world.log.only().code(), Some(Code::NotAllowed));
    assert!(world.names.asked().is_empty());
}

/// Invariants are enforced, not observed.
#[tokio::test]
async fn what_must_not_leave_does_not_leave() {
    let world = observed("2026-11-30").await;
    let mut client = world.family.tunnel("evil.test:443").await;
    client.send(get("evil.test", &format!("/{}", world.surrogate()))).await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    let row = world.log.only();
    assert_eq!((row.code(), row.alarm()), (Some(Code::SurrogateUnbound), true));
    assert!(world.names.asked().is_empty());
}

#[tokio::test]
async fn addresses_odd_ports_and_websockets_want_a_rule() {
    let world = observed("2026-11-30").await;
    for (authority, more) in [
        ("8.8.8.8:443", ""),
        ("evil.test:8443", ""),
        ("evil.test:443", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        ("doorward.internal:443", ""),
    ] {
        let mut client = world.family.tunnel(authority).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: {authority}\r\n{more}\r\n")).await;
        assert!(client.answer().await.unwrap().status >= 400, "{authority}");
    }
    assert!(world.log.rows().iter().all(|row| !row.is_allowed()), "{:?}", world.log.codes());
    assert_eq!((world.log.rows().len(), world.names.asked().len()), (4, 0));
}
