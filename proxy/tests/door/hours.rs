//! `hours`: requests in flight are cut when they end, and nothing starts before them.

use futures_util::SinkExt;
use policies::Code;
use tokio_tungstenite::tungstenite::Message;

use super::revoked::{begun, goes_on};
use super::{tunnel, websocket};
use crate::support::{Setup, World, get, until};

const BY_DAY: &str = "hours = \"07:00-21:00\"\ndays = [\"mon\"]\n";
const READ: &str = "[[allow]]\nhost = \"cdn.allowed.test\"\naccess = \"read\"\nprivate = [\"127.0.0.12/32\"]\nhours = \"07:00-21:00\"\n";

async fn world(family: String) -> World {
    World::with(Setup { family, ..Setup::default() }).await
}

/// Allowed during the hours, and cut at their end.
async fn is_cut(world: &World) {
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.is_allowed(), row.code()), (true, Some(Code::Revoked)));
    let why = row.outcome().why.clone().unwrap_or_default();
    assert!(why.contains("only 07:00-21:00") && why.contains("it is mon 21:00"), "{why}");
}

#[tokio::test]
async fn a_stream_is_cut_when_they_end() {
    let world = world(READ.to_owned()).await;
    goes_on(&world, "cdn.allowed.test", "text/event-stream");
    world.turn_clock("20:59");
    let mut client = begun(&world, "cdn.allowed.test").await;
    world.turn_clock("21:00");
    assert!(client.some().await.is_empty(), "cut, and not ended as if it were whole");
    is_cut(&world).await;
}

#[tokio::test]
async fn a_tunnel_is_cut_when_they_end() {
    let world = world(format!("{}{BY_DAY}", tunnel::RULE)).await;
    let mut client = tunnel::opened(&world).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    world.turn_clock("21:00");
    assert!(client.some().await.is_empty());
    is_cut(&world).await;
}

#[tokio::test]
async fn a_websocket_is_cut_when_they_end() {
    let world = world(websocket::RULES.replace("websocket = true\n", &format!("websocket = true\n{BY_DAY}"))).await;
    websocket::echoes(world.upstream("cdn.allowed.test"));
    let mut socket = websocket::open(&world).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert!(websocket::next(&mut socket).await.is_some());
    world.turn_clock("21:00");
    assert_eq!(websocket::next(&mut socket).await, None);
    is_cut(&world).await;
}

/// A connection that is already open does not get around them.
#[tokio::test]
async fn nothing_begins_outside_of_them() {
    let world = world(READ.to_owned()).await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    for (time, want) in [("07:00", 200), ("20:59", 200), ("21:00", 403)] {
        world.turn_clock(time);
        client.send(get("cdn.allowed.test", "/")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, want, "{time}");
        if want == 403 {
            let text = answer.text();
            assert!(text.contains("outside_hours") && text.contains(&format!("it is mon {time}")), "{text}");
            assert!(text.contains("change or remove hours = "), "{text}");
        }
    }
    world.turn_clock("06:59");
    assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, 403);
    world.settled().await;
    let closed = Some(Code::OutsideHours);
    assert_eq!(world.log.codes(), [None, None, closed, closed]);
    assert_eq!(world.upstream("cdn.allowed.test").received().len(), 2);
}

/// A rule that begins opens by itself, to a connection that is open already too, and cuts nothing; what ends at the same moment is
/// cut by the same review.
#[tokio::test]
async fn a_rule_begins_by_itself_and_cuts_nothing() {
    let hours = "hours = \"07:00-21:00\"";
    let always = READ.replace(hours, "").replace("access = \"read\"", "do = [\"GET /public/**\"]");
    let later = READ.replace(hours, "from = \"2026-11-23 21:00\"");
    let ends = READ.replace(hours, "until = \"2026-11-23 21:00\"").replace("cdn", "ro").replace(".12/", ".13/");
    let world = world(format!("{always}{later}{ends}")).await;
    let hosts = ["cdn.allowed.test", "ro.allowed.test"];
    hosts.iter().for_each(|host| goes_on(&world, host, "text/event-stream"));
    world.turn_clock("20:59");
    let _stays = begun(&world, hosts[0]).await;
    let mut goes = begun(&world, hosts[1]).await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    let early = world.family.get("cdn.allowed.test", "/").await;
    let text = early.text();
    assert!(early.status == 403 && text.contains("outside_hours"), "{text}");
    assert!(text.contains("only from mon 2026-11-23 21:00") && text.contains("it is mon 2026-11-23 20:59"), "{text}");
    world.turn_clock("21:00");
    assert!(goes.some().await.is_empty());
    until("the other is over", || world.log.rows()[1].outcome.is_some()).await;
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    let rows = world.log.rows();
    let under_way: Vec<_> = rows.iter().map(|row| row.is_allowed() && row.outcome.is_none()).collect();
    assert_eq!(under_way, [true, false, false, true]);
}

/// A client that has said its host outside of them is opened, and hears why inside.
#[tokio::test]
async fn what_comes_to_a_closed_tunnel_is_told() {
    let world = world(format!("{}{BY_DAY}", tunnel::RULE)).await;
    world.turn_clock("21:00");
    let answer = world.family.get("cdn.allowed.test", "/").await;
    assert!(answer.status == 403 && answer.text().contains("outside_hours"), "{}", answer.text());
    assert_eq!(world.log.only().code(), Some(Code::OutsideHours));
    assert_eq!(world.upstream("cdn.allowed.test").connections(), 0);
}
