//! A policy that changes while requests are in flight.

use policies::Code;

use crate::support::{Setup, World, get};

const NOTHING: &str = "";

#[tokio::test]
async fn the_next_request_is_judged_by_the_new_policy() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("cdn.allowed.test", "/1")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let before = world.family.policy.load().hash().to_string();
    world.family.replace_policy(NOTHING);
    client.send(get("cdn.allowed.test", "/2")).await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    world.settled().await;
    let rows = world.log.rows();
    assert_eq!(rows[1].code(), Some(Code::NotAllowed));
    assert_eq!(rows[0].decision.policy.as_deref(), Some(&*before));
    assert_ne!(rows[1].decision.policy, rows[0].decision.policy);
    assert_eq!(world.upstream("cdn.allowed.test").only().request_line(), "GET /1 HTTP/1.1");
}

/// Tightened between the verdict and the first byte: the permit is void.
#[tokio::test]
async fn a_permit_is_checked_again_when_it_is_used() {
    let world = World::new().await;
    let policy = world.family.policy.clone();
    world.names.meanwhile(move || policy.store(crate::support::compile("family", NOTHING).into()));
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    world.settled().await;
    let row = world.log.only();
    assert!(row.is_allowed(), "it was allowed when it was judged");
    assert_eq!(row.code(), Some(Code::Revoked));
    assert_eq!(row.outcome().bytes_up, 0);
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

/// A change that still allows the request does not disturb it.
#[tokio::test]
async fn a_change_elsewhere_disturbs_nothing() {
    let world = World::new().await;
    let policy = world.family.policy.clone();
    let text = format!("{}\n[[deny]]\nhost = \"other.test\"\n", Setup::default().family);
    world.names.meanwhile(move || policy.store(crate::support::compile("family", &text).into()));
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 200);
}

/// The new policy allows the request without the credential that is on it already.
#[tokio::test]
async fn a_credential_that_was_taken_away_does_not_leave() {
    let world = World::new().await;
    let policy = world.family.policy.clone();
    let text = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"* /v1/**\"]\nprivate = [\"127.0.0.10/32\"]\n";
    world.names.meanwhile(move || policy.store(crate::support::compile("family", text).into()));
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let authorization = format!("Authorization: Bearer {}", world.surrogate());
    client.send(format!("GET /v1/x HTTP/1.1\r\nHost: api.bound.test\r\n{authorization}\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 403);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Revoked));
    assert!(world.upstream("api.bound.test").received().is_empty());
}

/// An address that the new policy no longer exempts is not used.
#[tokio::test]
async fn an_address_that_was_taken_away_is_not_reached() {
    let world = World::new().await;
    let policy = world.family.policy.clone();
    let text = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.99/32\"]\n";
    world.names.meanwhile(move || policy.store(crate::support::compile("family", text).into()));
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 403);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Revoked));
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

/// The new policy has a condition on the body, which was never checked.
#[tokio::test]
async fn a_body_that_was_not_judged_by_the_new_condition_does_not_leave() {
    let world = World::new().await;
    let policy = world.family.policy.clone();
    let text = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.12/32\"]\n\
                json = { tools = { not = [\"web*\"] } }\n";
    world.names.meanwhile(move || policy.store(crate::support::compile("family", text).into()));
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 403);
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Revoked));
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

/// Dropping the door's server cuts everything in flight: `doorward stop`.
#[tokio::test]
async fn a_door_that_is_shut_cuts_its_connections() {
    let world = World::new().await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    world.upstream("cdn.allowed.test").never_answers();
    client.send(get("cdn.allowed.test", "/")).await;
    crate::support::until("the upstream has it", || world.upstream("cdn.allowed.test").received().len() == 1).await;
    world.family.shut();
    assert!(client.answer().await.is_none());
    world.settled().await;
    assert_eq!(world.log.only().outcome().status, None);
    assert_eq!(world.work.get("evil.test", "/").await.status, 403, "the other door stands");
}
