//! Secrets that are put on as Basic credentials or as a query parameter, and how they come back.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use support::{Answer, World, spelled};

const OK: &str = "HTTP/1.1 200 OK\r\n";

async fn ask(world: &World, host: &str, target: &str, authorization: Option<String>) -> Answer {
    let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    let mut client = world.family.tunnel(&format!("{host}:443")).await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}\r\n")).await;
    client.answer().await.unwrap()
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", spelled::base64(&format!("{username}:{password}")))
}

/// The answer contains the header's value at each alignment of base64, for all lengths of the user
/// name.
#[tokio::test]
async fn echoed_basic_credentials_hold_no_secret() {
    let world = World::new().await;
    let (real, surrogate) = (&world.values["REAL3"], &world.values["SUR3"]);
    for username in ["", "a", "ab", "x-access-token"] {
        let header = basic(username, real);
        let body = format!("you sent {header}, which is {real}");
        let length = body.len();
        world
            .upstream("git.bound.test")
            .answers(format!("{OK}X-Echo: {header}\r\nContent-Length: {length}\r\n\r\n{body}"));
        let answer = ask(&world, "git.bound.test", "/", Some(basic(username, surrogate))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(world.upstream("git.bound.test").received().last().unwrap().header("authorization"), Some(header));
        for shown in [answer.text(), answer.header("x-echo").unwrap()] {
            assert_eq!(spelled::find(real, shown.as_bytes()), None, "{username}: {shown}");
        }
        assert!(answer.text().ends_with(surrogate.as_str()), "{}", answer.text());
    }
}

/// What `git clone https://x-access-token:TOKEN@host/…` does: it asks without
/// credentials, is told to authenticate, and asks again on the same connection.
#[tokio::test]
async fn git_asks_without_credentials_first() {
    let world = World::new().await;
    world.upstream("git.bound.test").on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            let known = support::upstream::header(&exchange.head, "authorization").is_some();
            let refused =
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\r\n";
            exchange.send(if known { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" } else { refused }).await
        })
    });
    let target = "/me/notes.git/info/refs?service=git-upload-pack";
    let first = ask(&world, "git.bound.test", target, None).await;
    assert_eq!((first.status, first.header("www-authenticate")), (401, Some("Basic realm=\"git\"".to_owned())));
    let second = ask(&world, "git.bound.test", target, Some(basic("x-access-token", &world.values["SUR3"]))).await;
    assert_eq!(second.status, 200);
    world.settled().await;
    let swaps: Vec<_> = world.log.rows().iter().map(|row| row.decision.swap.clone()).collect();
    assert_eq!(swaps, [None, Some("basic:password".to_owned())]);
}

/// In a redirect and in a body, unescaped and escaped; and the log keeps no query.
#[tokio::test]
async fn an_echoed_query_holds_no_secret() {
    let world = World::new().await;
    let (real, surrogate) = (&world.values["REAL4"], &world.values["SUR4"]);
    let escaped = spelled::component(real);
    let body = format!("{{\"asked\":\"/v1?key={escaped}\",\"key\":\"{real}\"}}");
    let length = body.len();
    world.upstream("query.bound.test").answers(format!(
        "HTTP/1.1 302 Found\r\nLocation: https://evil.test/?key={escaped}\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let answer = ask(&world, "query.bound.test", &format!("/v1?key={surrogate}&page=2"), None).await;
    let received = world.upstream("query.bound.test").only();
    assert_eq!(received.request_line(), format!("GET /v1?key={escaped}&page=2 HTTP/1.1"));
    let location = answer.header("location").unwrap();
    for shown in [&answer.text(), &location] {
        assert_eq!(spelled::find(real, shown.as_bytes()), None, "{shown}");
    }
    assert_eq!(location, format!("https://evil.test/?key={surrogate}"));
    world.settled().await;
    let row = world.log.only();
    assert_eq!(row.decision.swap.as_deref(), Some("query:key"));
    let logged = format!("{:?}", row.decision);
    assert!(!logged.contains(surrogate.as_str()) && spelled::find(real, logged.as_bytes()).is_none(), "{logged}");
}
