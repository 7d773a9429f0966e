//! HTTP/2 connections to upstreams, shared by a door's requests: a client that does not read or
//! never ends, or an upload that is stuck, delays no other request, and is ended alone.

use std::time::{Duration, Instant};

use http::Request;
use policies::Code;
use proxy::Limits;

use crate::support::http2::{Http2Client, Http2Upstream, Reply};
use crate::support::raw_http2::{Frame, RawHttp2, Say};
use crate::support::{Client, Setup, World, get, until};

const CDN: &str = "cdn.allowed.test";
const SHORT: Duration = Duration::from_millis(150);
/// Streams per line.
const STREAMS: usize = 8;

async fn with(limits: Limits) -> World {
    World::with(Setup { limits, ..Setup::default() }).await
}

/// `/big` is long, `/stays` never ends, `/hold` is not read; everything else is `200 ok`.
fn replies(head: &Request<()>) -> Reply {
    match head.uri().path() {
        "/big" => Reply { body: vec![vec![b'.'; 16 << 20].into()], ..Reply::default() },
        "/stays" => Reply { body: vec!["first".into()], stays: true, ..Reply::default() },
        "/hold" => Reply { unread: true, stays: true, ..Reply::default() },
        "/bye" => Reply { goaway: true, ..Reply::default() },
        "/hold-early" => Reply { early: true, unread: true, stays: true, ..Reply::default() },
        _ => Reply { body: vec!["ok".into()], ..Reply::default() },
    }
}

async fn upstream(world: &World, streams: Option<u32>) -> Http2Upstream {
    let upstream = Http2Upstream::taking(world, CDN, streams).await;
    upstream.answers_by(replies);
    upstream
}

/// A request whose answer begins and is then left unread.
async fn begun(world: &World, path: &str) -> Client {
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get(CDN, path)).await;
    assert_eq!(client.head_answer().await.unwrap().status, 200);
    client
}

async fn small_comes(world: &World) {
    let answer = world.family.get(CDN, "/small").await;
    assert_eq!((answer.status, &*answer.text()), (200, "ok"));
}

/// Each stream's buffer is its own: the window of a line has room for all of its streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stall_hold_up_nobody_else() {
    let world = World::new().await;
    let upstream = upstream(&world, None).await;
    let mut stalled = Vec::new();
    for number in 1..=STREAMS + 3 {
        stalled.push(begun(&world, "/big").await);
        small_comes(&world).await;
        assert!(upstream.connections() <= 1 + number / STREAMS, "no more connections than are needed");
    }
    assert_eq!(upstream.connections(), 2);
    // A window each, plus the socket buffers of clients and door.
    assert!(upstream.sent() < stalled.len() << 20, "{}", upstream.sent());
    drop(stalled);
    world.settled().await;
    small_comes(&world).await;
    assert_eq!(upstream.connections(), 2, "and the places are free again");
}

/// RFC 9113 §5.1.2: a host states how many concurrent streams it takes.
#[tokio::test]
async fn streams_beyond_what_a_host_takes_go_over_other_connections() {
    let world = World::new().await;
    let upstream = upstream(&world, Some(2)).await;
    let mut held = Vec::new();
    for number in 0..5 {
        held.push(begun(&world, "/stays").await);
        assert_eq!(upstream.connections(), number / 2 + 1);
    }
    small_comes(&world).await;
    assert_eq!(upstream.connections(), 3);
    let over: Vec<_> = upstream.received().iter().map(|got| got.connection).collect();
    assert_eq!(over, [0, 0, 1, 1, 2, 2]);
}

/// The wait is bounded: a request is refused after a moment, and gets its turn when a place becomes free.
#[tokio::test]
async fn a_wait_for_a_place_has_an_end() {
    let limits = Limits { idle_upstreams: 1, place_time: SHORT, ..Limits::default() };
    let world = with(limits).await;
    let upstream = upstream(&world, Some(2)).await;
    let held = [begun(&world, "/stays").await, begun(&world, "/stays").await];
    let answer = world.family.get(CDN, "/small").await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(
        answer.text().contains("group_limit") && answer.text().contains("requests of its own"),
        "{}",
        answer.text()
    );
    assert_eq!(upstream.received().len(), 2, "it was not sent");
    let work = world.work.get(CDN, "/small").await;
    assert_eq!(work.status, 200, "another sandbox has connections of its own");
    drop(held);
    until("a place is free", || world.log.rows().iter().filter(|row| row.outcome.is_none()).count() == 0).await;
    small_comes(&world).await;
    assert_eq!(world.log.codes().iter().flatten().collect::<Vec<_>>(), [&Code::GroupLimit]);
}

/// A client that closes its connection is gone at once, whatever its answer still waits for.
#[tokio::test]
async fn a_client_that_hangs_up_frees_its_place_at_once() {
    let world = with(Limits { idle_upstreams: 1, place_time: Duration::from_secs(30), ..Limits::default() }).await;
    let upstream = upstream(&world, Some(1)).await;
    for path in ["/stays", "/stays"] {
        let held = begun(&world, path).await;
        let waiting = async {
            small_comes(&world).await;
            Instant::now()
        };
        let hanging_up = async {
            tokio::task::yield_now().await;
            drop(held);
            Instant::now()
        };
        let (came, hung_up) = tokio::join!(waiting, hanging_up);
        assert!(came.duration_since(hung_up) < Duration::from_secs(5), "long before it would be given up");
    }
    assert_eq!(upstream.connections(), 1);
}

/// Before its answer and after: the stuck stream is reset, and the others on the line go on.
#[tokio::test]
async fn an_upload_that_its_host_leaves_unread_ends_alone() {
    for path in ["/hold", "/hold-early"] {
        let world = with(Limits { idle_body_time: SHORT, ..Limits::default() }).await;
        let upstream = upstream(&world, None).await;
        let mut quiet = begun(&world, "/stays").await;
        let mut upload = world.family.tunnel("cdn.allowed.test:443").await;
        upload.send(format!("PUT {path} HTTP/1.1\r\nHost: {CDN}\r\nContent-Length: 1000000\r\n\r\n")).await;
        upload.send("x".repeat(300_000)).await;
        until("the upload is given up", || {
            world.log.rows().iter().any(|row| row.outcome.as_ref().and_then(|it| it.code) == Some(Code::Timeout))
        })
        .await;
        // The same line, with the quiet stream still on it.
        small_comes(&world).await;
        assert_eq!(upstream.connections(), 1, "{path}");
        assert!(world.log.rows()[0].outcome.is_none(), "{path}: the quiet one goes on");
        assert!(String::from_utf8_lossy(&quiet.some().await).contains("first"), "{path}");
        drop(quiet);
        world.settled().await;
    }
}

/// Sequential requests share one connection, which is closed when it has been idle for a while.
#[tokio::test]
async fn a_line_is_used_again_and_idles_out() {
    let world = with(Limits { idle_time: Duration::from_millis(400), ..Limits::default() }).await;
    let upstream = upstream(&world, None).await;
    for _ in 0..20 {
        small_comes(&world).await;
    }
    assert_eq!(upstream.connections(), 1);
    world.settled().await;
    // A line in use is not idle, even without new requests.
    let held = begun(&world, "/stays").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    small_comes(&world).await;
    assert_eq!(upstream.connections(), 1);
    drop(held);
    world.settled().await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    small_comes(&world).await;
    assert_eq!(upstream.connections(), 2);
}

/// As many requests as for a whole page, to a host that takes few streams: each is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_all_answered() {
    let world = with(Limits { idle_upstreams: 3, ..Limits::default() }).await;
    let _upstream = upstream(&world, Some(2)).await;
    let asking = (0..60).map(|_| small_comes(&world));
    futures_util::future::join_all(asking).await;
    world.settled().await;
    assert!(world.log.codes().iter().all(Option::is_none));
}

/// Uploads and answers on one line, with complete bodies: the end of one stream is never another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_side_by_side_arrive_whole() {
    let world = World::new().await;
    let upstream = upstream(&world, None).await;
    let one = async |number: usize| {
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        let body = number.to_string().repeat(100_000);
        let head = format!("PUT /up{number} HTTP/1.1\r\nHost: {CDN}\r\nContent-Length: {}\r\n\r\n", body.len());
        client.send(head + &body).await;
        assert_eq!(client.answer().await.unwrap().text(), "ok");
    };
    futures_util::future::join_all((0..10).map(one)).await;
    let received = upstream.received();
    assert_eq!(received.len(), 10);
    for got in received {
        let number = got.head.uri().path().trim_start_matches("/up").to_owned();
        assert!(got.complete && got.body == number.repeat(100_000).as_bytes(), "{number}");
    }
}

/// The window of a host's connection is shared by all uploads on it: one that is left unread uses
/// it up, and later ones go over another line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_left_unread_holds_up_no_later_one() {
    let world = World::new().await;
    let upstream = upstream(&world, None).await;
    small_comes(&world).await;
    let mut unread = world.family.tunnel("cdn.allowed.test:443").await;
    unread.send(format!("PUT /hold HTTP/1.1\r\nHost: {CDN}\r\nContent-Length: 1000000\r\n\r\n")).await;
    unread.send("x".repeat(300_000)).await;
    until("it is upstream", || upstream.received().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let body = "y".repeat(200_000);
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(format!("PUT /up HTTP/1.1\r\nHost: {CDN}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    let begun = Instant::now();
    assert_eq!(client.answer().await.unwrap().text(), "ok");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(upstream.connections(), 2);
}

/// A stream that its client resets is over, although the client's connection remains.
#[tokio::test]
async fn a_stream_that_its_client_resets_frees_its_place_at_once() {
    let world = with(Limits { idle_upstreams: 1, place_time: Duration::from_secs(30), ..Limits::default() }).await;
    let upstream = upstream(&world, Some(1)).await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    for _ in 0..3 {
        let request = Request::get("https://cdn.allowed.test/stays").body(()).unwrap();
        let (answer, _) = client.begin(request, true).await;
        drop(answer.await.unwrap());
        let answer = client.get("https://cdn.allowed.test/small").await;
        assert_eq!((answer.status, &*answer.text()), (200, "ok"));
    }
    assert_eq!(upstream.connections(), 1);
}

/// A host that sends GOAWAY finishes what it has begun (RFC 9113 §6.8): that goes on, and new
/// requests go over another line.
#[tokio::test]
async fn a_goodbye_cuts_nothing_that_is_under_way() {
    let world = World::new().await;
    let upstream = upstream(&world, None).await;
    let mut quiet = begun(&world, "/stays").await;
    assert_eq!(world.family.get(CDN, "/bye").await.status, 200);
    for _ in 0..3 {
        small_comes(&world).await;
    }
    assert_eq!(upstream.connections(), 2);
    assert!(String::from_utf8_lossy(&quiet.some().await).contains("first"));
    // Long enough for unused connections to be dropped.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(world.log.rows()[0].outcome.is_none(), "{:?}", world.log.rows()[0]);
}

/// 200, and the end of the stream.
const OK: Frame = (1, 5, true, &[0x88]);

/// Frames that servers rarely send, but that RFC 9113 allows.
const LAWFUL: [(&str, &[Frame]); 14] = [
    ("a setting that nobody knows", &[(4, 0, false, &[0xff, 0xff, 0, 0, 0, 1]), OK]),
    ("fewer streams from now on", &[(4, 0, false, &[0, 3, 0, 0, 0, 1]), OK]),
    ("no streams from now on", &[(4, 0, false, &[0, 3, 0, 0, 0, 0]), OK]),
    ("no room for bodies, later", &[(4, 0, false, &[0, 4, 0, 0, 0, 0]), OK]),
    ("frames that nobody knows", &[(0x42, 0xff, true, b"x"), (0x0a, 0, false, &[0, 0]), (0x0c, 0, false, &[]), OK]),
    ("a padded head", &[(1, 0x0d, true, &[3, 0x88, 0, 0, 0])]),
    ("a head with a priority", &[(1, 0x25, true, &[0, 0, 0, 0, 16, 0x88])]),
    ("a head in two frames", &[(1, 1, true, &[]), (9, 4, true, &[0x88])]),
    ("a head in six frames", &[(1, 1, true, &[]), (9, 0, true, &[]), (9, 0, true, &[]), (9, 4, true, &[0x88])]),
    ("a table of no entries", &[(1, 5, true, &[0x20, 0x88])]),
    ("pings", &[(6, 0, false, b"abcdefgh"), (6, 0, false, b"ijklmnop"), OK]),
    ("an early hint", &[(1, 4, true, &[0x08, 3, b'1', b'0', b'3']), OK]),
    ("a reset without an error behind the answer", &[OK, (3, 0, true, &[0, 0, 0, 0])]),
    ("a goodbye for later", &[(7, 0, false, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]), OK]),
];

/// And frames that it forbids.
const UNLAWFUL: [(&str, &[Frame]); 9] = [
    ("a push", &[(5, 4, true, &[0, 0, 0, 2, 0x82, 0x84, 0x87]), OK]),
    ("data before a head", &[(0, 1, true, b"x")]),
    ("a ping of seven bytes", &[(6, 0, false, b"abcdefg"), OK]),
    ("room of nothing", &[(8, 0, false, &[0, 0, 0, 0]), OK]),
    ("settings of five bytes", &[(4, 0, false, &[0, 3, 0, 0, 0]), OK]),
    ("a window of more than there is", &[(4, 0, false, &[0, 4, 0xff, 0xff, 0xff, 0xff]), OK]),
    ("a head that goes on nowhere", &[(1, 1, true, &[0x88]), (6, 0, false, b"abcdefgh")]),
    ("more padding than there is", &[(1, 0x0d, true, &[9, 0x88])]),
    ("an entry of no table", &[(1, 5, true, &[0xff, 0x7f])]),
];

#[tokio::test]
async fn hosts_that_are_odd_and_lawful_are_understood() {
    for (what, frames) in LAWFUL {
        let world = World::new().await;
        let upstream = RawHttp2::instead_of(&world, CDN, &[Say::Frames(frames)]).await;
        for number in ["first", "second"] {
            let answer = world.family.get(CDN, "/x").await;
            assert_eq!(answer.status, 200, "{what}, {number}: {}", answer.text());
        }
        assert_eq!(upstream.opened().len(), 2, "{what}");
        assert!(world.log.codes().iter().all(Option::is_none), "{what}");
    }
}

/// It is unknown what the host did, so this is reported and nothing is resent; later requests use another line.
#[tokio::test]
async fn a_host_that_breaks_the_rules_is_told_and_left() {
    for (what, frames) in UNLAWFUL {
        let world = World::new().await;
        let upstream = RawHttp2::instead_of(&world, CDN, &[Say::Frames(frames)]).await;
        let answer = world.family.get(CDN, "/x").await;
        assert_eq!((answer.status, upstream.opened().len()), (502, 1), "{what}: {}", answer.text());
        assert!(answer.text().contains("may have been carried out"), "{what}: {}", answer.text());
        world.settled().await;
        assert_eq!(world.log.codes(), [Some(Code::UpstreamUnreadable)], "{what}: nobody broke it off");
        assert_eq!(world.family.get(CDN, "/x").await.status, 200, "{what}");
        assert_ne!(upstream.opened()[0].connection, upstream.opened()[1].connection, "{what}");
    }
}
