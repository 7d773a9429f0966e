//! `[limits]` at the door: asked before anything is stored, and again for every piece of a body.

use policies::Code;

use crate::support::http2::{Http2Client, Http2Upstream};
use crate::support::{HELD, Setup, World, get, until};

async fn limited(limits: &str) -> World {
    let family = format!("[limits]\n{limits}\n\n{}", Setup::default().family);
    World::with(Setup { family, ..Setup::default() }).await
}

fn put(length: usize) -> String {
    format!("PUT / HTTP/1.1\r\nHost: cdn.allowed.test\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn a_request_that_sends_too_much_is_cut_on_the_way() {
    let world = limited("upload_per_request = \"50 kB\"").await;
    let upstream = world.upstream("cdn.allowed.test");
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(put(100_000)).await;
    client.send(".".repeat(50_000)).await;
    let gone = 50_000 - HELD;
    until("what is decided is upstream", || upstream.received().iter().any(|one| one.body_bytes == gone)).await;
    client.send(".".repeat(50_000)).await;
    let answer = client.answer().await.unwrap();
    assert!(answer.text().contains("upload_per_request"), "{}", answer.text());
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.code(), row.outcome().bytes_up, row.alarm()), (Some(Code::LimitExceeded), 50_000, false));
    assert!(!upstream.only().complete && upstream.only().body_bytes == gone);
}

#[tokio::test]
async fn a_request_of_just_the_limit_passes() {
    let world = limited("upload_per_request = \"50 kB\"").await;
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    for _ in 0..2 {
        client.send(put(50_000)).await;
        client.send(".".repeat(50_000)).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "each request counts for itself");
    }
}

/// Over HTTP/2 on both sides, with a neighbour that goes on.
#[tokio::test]
async fn a_stream_that_sends_too_much_is_cut_alone() {
    let world = limited("upload_per_request = \"50 kB\"").await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let at = |path: &str| format!("https://cdn.allowed.test{path}");
    let (big, small) = tokio::join!(client.post(at("/big"), vec![b'.'; 200_000]), client.post(at("/small"), "."));
    assert!(big.status >= 400 && big.text().contains("limit_exceeded"), "{}", big.text());
    assert_eq!(small.status, 200);
    world.settled().await;
    let whole: Vec<_> = upstream.received().into_iter().filter(|got| got.complete).collect();
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].head.uri().path(), "/small");
}

#[tokio::test]
async fn requests_over_the_minute_are_refused_before_anything_is_done() {
    let world = limited("requests_per_minute = 2").await;
    for status in [200, 200, 429] {
        assert_eq!(world.family.get("cdn.allowed.test", "/").await.status, status);
        world.settled().await;
    }
    assert_eq!(world.log.codes(), [None, None, Some(Code::LimitExceeded)]);
    assert!(!world.log.rows()[2].is_allowed());
    assert_eq!(world.upstream("cdn.allowed.test").received().len(), 2);
    assert_eq!(world.wallet.spent().0, 2, "what is refused is not counted");
    assert_eq!(world.family.get("evil.test", "/").await.status, 403);
    assert_eq!(world.log.codes().last(), Some(&Some(Code::NotAllowed)), "denied first, counted after");
}

/// Heads count, because a path can carry data just as a body can.
#[tokio::test]
async fn heads_and_bodies_use_up_the_day() {
    let world = limited("upload_per_day = \"2 kB\"").await;
    assert_eq!(world.family.get("cdn.allowed.test", &format!("/{}", "a".repeat(1500))).await.status, 200);
    assert!(world.wallet.spent().1 >= 1500);
    world.settled().await;
    let head = world.log.only().decision.head_bytes.unwrap();
    assert_eq!((world.log.only().outcome().bytes_up, world.wallet.spent().1), (0, head));
    let refused = world.family.get("cdn.allowed.test", &format!("/{}", "a".repeat(1500))).await;
    assert_eq!(refused.status, 429);
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(put(1000)).await;
    client.send(".".repeat(1000)).await;
    assert!(client.answer().await.unwrap().text().contains("limit_exceeded"));
    world.settled().await;
    assert_eq!(world.log.codes(), [None, Some(Code::LimitExceeded), Some(Code::LimitExceeded)]);
    assert!(world.upstream("cdn.allowed.test").received().iter().all(|one| !one.complete || one.body_bytes == 0));
}

/// A WebSocket's messages count like a body, and so do their frames: at least six bytes each.
#[tokio::test]
async fn messages_count_as_well() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;

    use super::websocket::{RULES, echoes, next, open};
    let family = format!("[limits]\nupload_per_request = \"20 B\"\n{RULES}");
    let world = World::with(Setup { family, ..Setup::default() }).await;
    let heard = echoes(world.upstream("cdn.allowed.test"));
    let mut socket = open(&world).await;
    socket.send(Message::text("0123456")).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::text("0123456")));
    socket.send(Message::text("0123456")).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().outcome().bytes_up), (Some(Code::LimitExceeded), 13));
    assert_eq!(*heard.lock().unwrap(), [Message::text("0123456")]);
}

const TIGHTER: [&str; 2] = ["upload_per_request = \"10 B\"", "upload_per_day = \"1 kB\""];

/// Limits that are tightened, or added, apply to requests in flight, including what they sent
/// before.
#[tokio::test]
async fn a_body_under_way_is_held_against_limits_that_come() {
    for limits in TIGHTER {
        let world = World::new().await;
        let upstream = world.upstream("cdn.allowed.test");
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(put(100_000)).await;
        client.send(".".repeat(990)).await;
        let gone = 990 - HELD;
        until("the beginning is upstream", || upstream.received().iter().any(|one| one.body_bytes == gone)).await;
        world.family.replace_policy(&format!("[limits]\n{limits}\n\n{}", Setup::default().family));
        client.send(".".repeat(20)).await;
        let answer = client.answer().await.unwrap();
        assert!(answer.text().contains("limit_exceeded"), "{limits}: {}", answer.text());
        world.settled().await;
        assert_eq!(
            (world.log.only().code(), upstream.only().body_bytes),
            (Some(Code::LimitExceeded), gone),
            "{limits}"
        );
    }
}

/// The same for messages.
#[tokio::test]
async fn a_websocket_under_way_is_held_against_limits_that_come() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;

    use super::websocket::{RULES, echoes, next, open};
    for limits in TIGHTER {
        let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
        let heard = echoes(world.upstream("cdn.allowed.test"));
        let mut socket = open(&world).await;
        socket.send(Message::text(".".repeat(990))).await.unwrap();
        assert!(next(&mut socket).await.is_some());
        world.family.replace_policy(&format!("[limits]\n{limits}\n{RULES}"));
        socket.send(Message::text(".".repeat(20))).await.unwrap();
        assert_eq!(next(&mut socket).await, None);
        world.settled().await;
        assert_eq!((world.log.only().code(), heard.lock().unwrap().len()), (Some(Code::LimitExceeded), 1), "{limits}");
    }
}

/// The limits of one group do not affect another.
#[tokio::test]
async fn another_group_is_not_limited() {
    let world = limited("upload_per_request = \"1 B\"").await;
    let mut client = world.work.tunnel("cdn.allowed.test:443").await;
    client.send(put(1000)).await;
    client.send(".".repeat(1000)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.send(get("cdn.allowed.test", "/")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}
