//! No audit record, no request (invariant 9).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use policies::Code;

use crate::support::http2::Http2Client;
use crate::support::{Setup, World, get, until};

#[tokio::test]
async fn a_log_that_is_down_closes_the_door_until_it_is_up_again() {
    let world = World::new().await;
    world.log.down.store(true, Ordering::SeqCst);
    let answer = world.family.get("cdn.allowed.test", "/1").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("audit_unavailable"), "{}", answer.text());
    let denied = world.family.get("evil.test", "/").await;
    assert_eq!(denied.status, 403, "a refusal needs no log");
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
    assert!(world.names.asked().is_empty(), "not even resolved");

    world.log.down.store(false, Ordering::SeqCst);
    assert_eq!(world.family.get("cdn.allowed.test", "/2").await.status, 200);
    world.settled().await;
    assert!(world.log.only().is_allowed());
}

/// If a request has more than one reading, the log keeps it as it was sent, without the query.
#[tokio::test]
async fn what_could_not_be_read_is_kept_as_it_came() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("GET /a?key=1 HTTP/1.1\r\nHost: evil.test\r\n\r\n").await;
    client.finish().await;
    let decision = world.log.only().decision;
    assert_eq!((decision.code, decision.path), (Some(Code::AuthorityMismatch), None));
    let came = (decision.raw_target, decision.host_header, decision.method);
    assert_eq!(came, (Some("/a".to_owned()), Some("evil.test".to_owned()), Some("GET".to_owned())));
}

/// A later reader of the log does not need the policy.
#[tokio::test]
async fn a_refusal_is_kept_with_its_reasons() {
    let rules = "[[allow]]\nhost = \"cdn.allowed.test\"\naccess = \"read\"\n\
                 [[deny]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /no\"]\nwhy = \"not that page\"\n";
    let world = World::with(Setup { family: rules.to_owned(), ..Setup::default() }).await;
    assert_eq!(world.family.get("cdn.allowed.test", "/no").await.status, 403);
    let row = world.log.only();
    let decision = &row.decision;
    assert!(!row.is_allowed() && decision.code == Some(Code::DeniedByRule));
    assert_eq!(decision.why.as_deref(), Some("not that page"));
    assert_eq!(decision.rule.as_ref().unwrap().to_string(), "policies/family.toml:4");
    assert_eq!(decision.lift, ["# remove the [[deny]] at policies/family.toml:4"]);
    assert_eq!(decision.policy.as_deref(), Some(&*world.family.policy.load().hash().to_string()));
    assert_eq!((decision.path.as_deref(), &decision.raw_target, &decision.host_header), (Some("/no"), &None, &None));
}

/// Also on an existing connection to the upstream.
#[tokio::test]
async fn a_log_that_goes_down_stops_the_next_request_of_a_connection() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/1")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    world.settled().await;
    world.log.down.store(true, Ordering::SeqCst);
    client.send(get("cdn.allowed.test", "/2")).await;
    assert_eq!(client.answer().await.unwrap().status, 503);
    assert_eq!(world.upstream("cdn.allowed.test").only().request_line(), "GET /1 HTTP/1.1");
}

#[tokio::test]
async fn the_decision_is_stored_before_the_upstream_sees_a_byte() {
    let world = World::new().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, noted) = (world.log.clone(), seen.clone());
    world.upstream("cdn.allowed.test").on(move |exchange| {
        let rows = log.rows();
        let stored = rows.len() == 1 && rows[0].is_allowed() && rows[0].outcome.is_none();
        noted.lock().unwrap().push(stored);
        Box::pin(async {
            exchange.body().await?;
            exchange.send("HTTP/1.1 204 No Content\r\n\r\n").await
        })
    });
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 204);
    world.settled().await;
    assert_eq!(*seen.lock().unwrap(), [true], "an intent without an outcome");
}

#[tokio::test]
async fn an_outcome_tells_status_address_and_bytes() {
    let world = World::new().await;
    let upstream = world.upstream("cdn.allowed.test");
    upstream.answers("HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\ncreated");
    world.family.door.set_run(Some(7));
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send("POST /things?a=b HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: 12\r\n\r\nhello there!").await;
    assert_eq!(client.answer().await.unwrap().text(), "created");
    world.settled().await;
    let row = world.log.only();
    let (decision, outcome) = (&row.decision, row.outcome());
    assert_eq!((outcome.status, outcome.address), (Some(201), Some(upstream.address)));
    assert_eq!((outcome.bytes_up, outcome.bytes_down, outcome.code), (12, 7, None));
    assert_eq!((decision.run, decision.query_bytes), (Some(7), Some(3)));
    assert_eq!(decision.policy.as_deref(), Some(&*world.family.policy.load().hash().to_string()));
    assert!(decision.rule.as_ref().unwrap().to_string().starts_with("policies/family.toml:"));
}

#[tokio::test]
async fn requests_of_one_connection_share_its_number_and_no_other_does() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    for path in ["/1", "/2"] {
        client.send(get("cdn.allowed.test", path)).await;
        client.answer().await.unwrap();
    }
    world.work.get("cdn.allowed.test", "/3").await;
    world.settled().await;
    let numbers: Vec<_> = world.log.rows().iter().map(|row| row.decision.connection).collect();
    assert_eq!(numbers, [1, 1, 2]);
}

/// A connection is refused before a request could be read: this is logged.
#[tokio::test]
async fn what_is_no_request_is_logged_as_well() {
    let world = World::new().await;
    let mut client = world.family.connect().await;
    client.send("\x16\x03\x01 what is this\r\n\r\n").await;
    client.finish().await;
    until("it is logged", || !world.log.rows().is_empty()).await;
    let row = world.log.only();
    assert_eq!(row.code(), Some(Code::Framing));
    assert_eq!(row.decision.identity, *world.family.door.identity());
}

/// A secret that cannot be read now: nothing leaves, not even the surrogate in its place
/// (attack M06).
#[tokio::test]
async fn a_locked_vault_lets_nothing_out() {
    let world = World::new().await;
    world.safe.locked.store(true, Ordering::SeqCst);
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let request =
        format!("GET /v1/x HTTP/1.1\r\nHost: api.bound.test\r\nAuthorization: Bearer {}\r\n\r\n", world.surrogate());
    client.send(&request).await;
    assert_eq!(client.answer().await.unwrap().status, 503);
    assert_eq!(world.log.only().code(), Some(Code::SecretUnavailable));
    assert!(world.upstream("api.bound.test").received().is_empty());
    world.safe.locked.store(false, Ordering::SeqCst);
    let mut client = world.family.tunnel("api.bound.test:443").await;
    client.send(&request).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

/// A connection outlives the run that opened it: each request belongs to the run in which it arrived.
#[tokio::test]
async fn a_request_belongs_to_the_run_it_came_in() {
    let world = World::new().await;
    world.family.door.set_run(Some(1));
    let mut http1 = world.family.tunnel("cdn.allowed.test:443").await;
    let http2 = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let mut wanted = Vec::new();
    for run in [Some(1), Some(2), None] {
        world.family.door.set_run(run);
        http1.send(get("cdn.allowed.test", "/")).await;
        assert_eq!(http1.answer().await.unwrap().status, 200);
        assert_eq!(http2.get("https://cdn.allowed.test/").await.status, 200);
        wanted.extend([run, run]);
    }
    let runs: Vec<_> = world.log.rows().iter().map(|row| row.decision.run).collect();
    assert_eq!(runs, wanted);
}

/// A refused request may be long; the log keeps its beginning, and a hash that distinguishes it.
#[tokio::test]
async fn a_long_path_is_kept_short() {
    let world = World::new().await;
    let long = |end: &str| format!("/{}{end}", "a".repeat(30_000));
    for (host, end) in [("evil.test", "1"), ("evil.test", "2"), ("cdn.allowed.test", "3")] {
        world.family.get(host, &long(end)).await;
    }
    let surrogate = long(world.surrogate());
    assert_eq!(world.family.get("evil.test", &surrogate).await.status, 403);
    world.settled().await;
    let rows = world.log.rows();
    let paths: Vec<_> = rows.iter().map(|row| row.decision.path.clone().unwrap()).collect();
    assert!(rows.iter().all(|row| serde_json::to_string(&row.decision).unwrap().len() < 6000), "{rows:?}");
    assert!(paths[0] != paths[1] && paths[2].contains("30002 bytes"), "{paths:?}");
    assert!(paths[3].starts_with("(hidden: surrogate"), "{paths:?}");
    assert!(world.upstream("cdn.allowed.test").only().request_line().len() > 30_000, "what is sent is whole");
}
