//! While the owner is away, groups reach their models and nothing else.

use policies::Code;

use super::revoked::{begun, goes_on};
use super::tunnel;
use crate::support::{Setup, World, get};

/// A model, a page, and a host that the owner is asked about.
const RULES: &str = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"POST /v1/messages\"]\nmodel = true\nprivate = [\"127.0.0.10/32\"]\n\n\
                     [[allow]]\nhost = \"cdn.allowed.test\"\naccess = \"read\"\nprivate = [\"127.0.0.12/32\"]\n\n\
                     [[ask]]\nhost = \"cdn.allowed.test\"\ndo = [\"GET /asked\"]\n";

async fn world() -> World {
    World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await
}

fn message() -> String {
    "POST /v1/messages HTTP/1.1\r\nHost: api.bound.test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        .to_owned()
}

#[tokio::test]
async fn a_model_is_asked_and_nothing_else() {
    let world = world().await;
    world.away(true);
    let mut client = world.family.tunnel("api.bound.test:443").await;
    client.send(message()).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let resolved = world.names.asked().len();
    for path in ["/public/x", "/asked"] {
        let answer = world.family.get("cdn.allowed.test", path).await;
        assert!(answer.status == 403 && answer.text().contains("\"owner_away\""), "{path}: {}", answer.text());
    }
    let answer = world.family.get("evil.test", "/").await;
    assert!(answer.text().contains("\"not_allowed\""), "what no rule names is refused as ever: {}", answer.text());
    assert_eq!(world.names.asked().len(), resolved);
    world.away(false);
    assert_eq!(world.family.get("cdn.allowed.test", "/public/x").await.status, 200);
}

#[tokio::test]
async fn what_is_under_way_is_cut() {
    let world = world().await;
    goes_on(&world, "cdn.allowed.test", "application/octet-stream");
    let mut client = begun(&world, "cdn.allowed.test").await;
    world.away(true);
    assert!(client.some().await.is_empty(), "cut, and not ended as if it were whole");
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::OwnerAway));
}

#[tokio::test]
async fn a_tunnel_is_cut_and_none_is_begun() {
    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    world.away(true);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::OwnerAway));
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert!(answer.status == 403 && answer.text().contains("\"owner_away\""), "{}", answer.text());
}

/// Judged before, and sent afterwards.
#[tokio::test]
async fn what_was_judged_before_is_not_sent_after() {
    let world = world().await;
    let latch = world.gateway.latch.clone();
    world.names.meanwhile(move || latch.set_away(true));
    let answer = world.family.get("cdn.allowed.test", "/public/x").await;
    assert!(answer.status == 403 && answer.text().contains("\"owner_away\""), "{}", answer.text());
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}
