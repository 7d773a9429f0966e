//! A locked group sends nothing, and its requests in flight are cut.

use policies::{Code, GroupName};
use proxy::Locked;

use super::revoked::{begun, goes_on};
use super::tunnel;
use crate::support::{Setup, World, get};

fn only_family() -> Locked {
    Locked { all: false, groups: [GroupName::parse("family").unwrap()].into() }
}

#[tokio::test]
async fn a_download_under_way_is_cut_and_nothing_begins() {
    let world = World::new().await;
    goes_on(&world, "cdn.allowed.test", "application/octet-stream");
    let mut client = begun(&world, "cdn.allowed.test").await;
    world.lock(only_family());
    assert!(client.some().await.is_empty(), "cut, and not ended as if it were whole");
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.is_allowed(), row.code()), (true, Some(Code::Locked)));

    let (asked, resolved) = (world.upstream("cdn.allowed.test").received().len(), world.names.asked().len());
    let mut again = world.family.tunnel("cdn.allowed.test:443").await;
    again.send(get("cdn.allowed.test", "/public/x")).await;
    let answer = again.answer().await.unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("\"locked\""), "{}", answer.text());
    assert_eq!((world.upstream("cdn.allowed.test").received().len(), world.names.asked().len()), (asked, resolved));
}

#[tokio::test]
async fn a_tunnel_under_way_is_cut_and_none_is_begun() {
    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    world.lock(Locked { all: true, ..Locked::default() });
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::Locked));

    let connections = world.upstream("cdn.allowed.test").connections();
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert!(answer.status == 403 && answer.text().contains("\"locked\""), "{}", answer.text());
    assert_eq!(world.upstream("cdn.allowed.test").connections(), connections);
}

/// Locked while the name was being resolved: judged before, but not sent.
#[tokio::test]
async fn what_was_judged_before_the_lock_is_not_sent_after_it() {
    let world = World::with(Setup { family: tunnel::RULE.to_owned(), ..Setup::default() }).await;
    let latch = world.gateway.latch.clone();
    world.names.meanwhile(move || latch.set(only_family()));
    let client = world.family.connect().await.connected("cdn.allowed.test:443").await;
    let root = crate::support::certificates::root();
    assert!(client.tls_trusting(root, "cdn.allowed.test", true, b"http/1.1").await.is_err());
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().outcome().bytes_up), (Some(Code::Locked), 0));
}

#[tokio::test]
async fn another_group_goes_on_and_an_unlocked_one_begins_again() {
    let world = World::new().await;
    world.lock(Locked { all: false, groups: [GroupName::parse("work").unwrap()].into() });
    assert_eq!(world.family.get("cdn.allowed.test", "/public/x").await.status, 200);
    world.lock(only_family());
    assert_eq!(world.family.get("cdn.allowed.test", "/public/x").await.status, 403);
    world.lock(Locked::default());
    assert_eq!(world.family.get("cdn.allowed.test", "/public/x").await.status, 200);
}
