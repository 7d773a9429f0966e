//! HTTP/2 at the door and upstream: every stream is a request of its own, judged,
//! checked, stored and scrubbed like any other.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use policies::Code;
use proxy::audit::Protocol;

use crate::support::http2::{Http2Client, Http2Upstream, Reply, whole};
use crate::support::{HELD, Setup, World, until};

const CDN: &str = "https://cdn.allowed.test";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
    };
    pairs.iter().map(pair).collect()
}

#[tokio::test]
async fn a_request_goes_on_to_an_upstream_of_http1() {
    let world = World::new().await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let answer = client.post(format!("{CDN}/a?b=c"), "hello").await;
    assert_eq!((answer.status, &*answer.text()), (200, "ok"));
    world.settled().await;
    let received = world.upstream("cdn.allowed.test").only();
    assert!(received.complete);
    assert_eq!(
        received.text(),
        "POST /a?b=c HTTP/1.1\r\nhost: cdn.allowed.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    let row = world.log.only();
    assert_eq!((row.decision.protocol, row.decision.path.as_deref()), (Protocol::Https, Some("/a")));
    assert_eq!((row.outcome().status, row.outcome().bytes_up, row.outcome().bytes_down), (Some(200), 5, 2));
}

#[tokio::test]
async fn a_request_goes_on_to_an_upstream_of_http2() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    upstream.answers(Reply { body: vec!["o".into(), "k".into()], ..Reply::default() });
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let request = Request::post(format!("{CDN}/a?b=c")).header("host", "cdn.allowed.test").body(()).unwrap();
    let answer = client.send(request, Some(Bytes::from_static(b"hello"))).await.unwrap();
    assert_eq!((answer.status, &*answer.text()), (200, "ok"));
    // Also from HTTP/1.1, over the same connection.
    world.settled().await;
    assert_eq!(world.family.get("cdn.allowed.test", "/b").await.text(), "ok");
    world.settled().await;
    let received = upstream.received();
    assert_eq!(received[0].head.uri(), "https://cdn.allowed.test/a?b=c");
    assert_eq!((received[0].header("host"), received[0].header("te")), (None, Some("trailers")));
    assert_eq!((&*received[0].body, received[0].complete), (&b"hello"[..], true));
    assert_eq!((received[1].head.uri().path(), received[1].header("host")), ("/b", None));
    assert_eq!(upstream.connections(), 1);
    assert_eq!(world.log.codes(), [None, None]);
}

/// Denying one stream does not affect the others on its connection.
#[tokio::test]
async fn each_stream_is_judged_alone() {
    let world = World::new().await;
    let client = Http2Client::connect(&world.family, "ro.allowed.test:443").await;
    let at = |path: &str| format!("https://ro.allowed.test{path}");
    let (allowed, path, method, again) = tokio::join!(
        client.get(at("/public/1")),
        client.get(at("/private")),
        client.post(at("/public/2"), vec![b'.'; 200_000]),
        client.get(at("/public/3")),
    );
    assert_eq!([allowed.status, path.status, method.status, again.status], [200, 403, 403, 200]);
    assert!(path.text().contains("path_denied") && method.text().contains("method_denied"), "{path:?} {method:?}");
    world.settled().await;
    let rows = world.log.rows();
    assert_eq!(rows.iter().filter(|row| row.is_allowed()).count(), 2);
    assert!(rows.len() == 4 && rows.iter().all(|row| row.decision.connection == rows[0].decision.connection));
    assert_eq!(world.upstream("ro.allowed.test").received().len(), 2);
}

/// Denied bodies are not read, and the part of them that was sent does not use up the connection's
/// window: 40 of them are larger than it.
#[tokio::test]
async fn denied_bodies_do_not_stop_a_connection() {
    let world = World::new().await;
    let client = Http2Client::connect(&world.family, "ro.allowed.test:443").await;
    for _ in 0..40 {
        let answer = client.post("https://ro.allowed.test/public/x", vec![b'.'; 400_000]).await;
        assert_eq!(answer.status, 403);
    }
    assert_eq!(client.get("https://ro.allowed.test/public/1").await.status, 200);
}

/// As in gRPC answers: the result is in the trailers.
#[tokio::test]
async fn a_secret_is_put_on_and_taken_off_head_body_and_trailers() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "api.bound.test").await;
    let real = world.real().to_owned();
    let (half, rest) = real.split_at(10);
    upstream.answers(Reply {
        headers: headers(&[("x-echo", &real), ("content-type", "application/grpc"), ("set-cookie", "a=b")]),
        body: vec![prefixed(format!("you sent {half}"), rest).into(), format!("{rest}, thanks").into()],
        trailers: Some(headers(&[("grpc-status", "0"), ("grpc-message", &real), ("set-cookie", "a=b")])),
        ..Reply::default()
    });
    let client = Http2Client::connect(&world.family, "api.bound.test:443").await;
    let surrogate = world.surrogate();
    let request = Request::post("https://api.bound.test/v1/x").header("authorization", format!("Bearer {surrogate}"));
    let request = request.header("te", "trailers").body(()).unwrap();
    let answer = client.send(request, Some(Bytes::from_static(b"hi"))).await.unwrap();
    assert_eq!(answer.body[5..], *format!("you sent {surrogate}, thanks").as_bytes());
    assert_eq!((answer.headers["x-echo"].as_bytes(), answer.headers.get("set-cookie")), (surrogate.as_bytes(), None));
    let trailers = answer.trailers.expect("trailers");
    assert_eq!(trailers, headers(&[("grpc-status", "0"), ("grpc-message", surrogate)]));
    assert_eq!(upstream.only().header("authorization"), Some(&*format!("Bearer {real}")));
    world.settled().await;
    assert_eq!((world.log.only().code(), world.log.only().outcome().scrubbed), (None, 3));
    assert!(!format!("{:?}", world.log.rows()).contains(&real));
}

/// The beginning of an uncompressed message; `rest` and some words follow.
fn prefixed(text: String, rest: &str) -> Vec<u8> {
    let length = (text.len() + rest.len() + ", thanks".len()) as u32;
    [&[0], &length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// A trailer may have the secret as its name, like a header (attack I02).
#[tokio::test]
async fn a_trailer_whose_name_is_the_secret_does_not_come_back() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "api.bound.test").await;
    let hex = crate::support::spelled::hex(world.real());
    let mut trailers = headers(&[("grpc-status", "0")]);
    trailers.insert(HeaderName::from_bytes(hex.as_bytes()).unwrap(), HeaderValue::from_static("1"));
    upstream.answers(Reply { trailers: Some(trailers), ..Reply::default() });
    let client = Http2Client::connect(&world.family, "api.bound.test:443").await;
    let authorization = format!("Bearer {}", world.surrogate());
    let request = Request::get("https://api.bound.test/v1/x").header("authorization", authorization).body(()).unwrap();
    let answer = client.send(request, None).await.unwrap();
    assert_eq!(answer.trailers, Some(headers(&[("grpc-status", "0")])));
}

/// RFC 9113 §8.2.3.
#[tokio::test]
async fn cookies_in_several_fields_are_joined() {
    let world = World::new().await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let request = Request::get(CDN).header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3");
    assert_eq!(client.send(request.body(()).unwrap(), None).await.unwrap().status, 200);
    let received = world.upstream("cdn.allowed.test").only();
    assert_eq!(received.header("cookie").as_deref(), Some("a=1; b=2; c=3"));
    assert_eq!(received.text().matches("cookie").count(), 1);
}

/// The leak check sees a cookie in pieces as one.
#[tokio::test]
async fn a_surrogate_in_one_of_several_cookies_is_found() {
    let world = World::new().await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    let request = Request::get(CDN).header("cookie", "a=1").header("cookie", format!("b={}", world.surrogate()));
    assert_eq!(client.send(request.body(()).unwrap(), None).await.unwrap().status, 403);
    assert_eq!((world.log.only().code(), world.log.only().alarm()), (Some(Code::SurrogateUnbound), true));
    assert!(world.upstream("cdn.allowed.test").received().is_empty());
}

#[tokio::test]
async fn requests_of_one_door_share_a_connection_at_the_same_time() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    upstream.answers(Reply { stays: true, ..Reply::default() });
    let mut held = Vec::new();
    for number in 0..5 {
        // Each over a connection of its own.
        let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
        let request = Request::get(format!("{CDN}/{number}")).body(()).unwrap();
        let (answer, _) = client.begin(request, true).await;
        held.push((client, answer.await.unwrap()));
    }
    assert_eq!((upstream.received().len(), upstream.connections()), (5, 1));
    let client = Http2Client::connect(&world.work, "cdn.allowed.test:443").await;
    let (answer, _) = client.begin(Request::get(CDN).body(()).unwrap(), true).await;
    answer.await.unwrap();
    assert_eq!(upstream.connections(), 2, "another door has its own");
}

/// As over HTTP/1.1 (attack I12).
#[tokio::test]
async fn credentials_share_no_connection() {
    let with = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"* /v1/**\"]\ncredential = \"first\"\nprivate = [\"127.0.0.10/32\"]\n";
    let without = "[[allow]]\nhost = \"api.bound.test\"\ndo = [\"* /open/**\"]\nprivate = [\"127.0.0.10/32\"]\n";
    let world = World::with(Setup { family: format!("{with}{without}"), ..Default::default() }).await;
    let upstream = Http2Upstream::instead_of(&world, "api.bound.test").await;
    let client = Http2Client::connect(&world.family, "api.bound.test:443").await;
    for path in ["/v1/1", "/open/2", "/v1/3"] {
        let mut request = Request::get(format!("https://api.bound.test{path}"));
        if path.starts_with("/v1") {
            request = request.header("authorization", format!("Bearer {}", world.surrogate()));
        }
        assert_eq!(client.send(request.body(()).unwrap(), None).await.unwrap().status, 200, "{path}");
        world.settled().await;
    }
    let connections: Vec<_> = upstream.received().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 0]);
}

/// The beginning has already gone upstream; the other streams on both connections go on.
#[tokio::test]
async fn a_leak_found_on_the_way_resets_its_stream_alone() {
    let world = World::new().await;
    let upstream = Arc::new(Http2Upstream::instead_of(&world, "cdn.allowed.test").await);
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    assert_eq!(client.get(CDN).await.status, 200);
    let post = |path: &str| Request::post(format!("{CDN}{path}")).body(()).unwrap();
    let (neighbour, mut neighbours_body) = client.begin(post("/neighbour"), false).await;
    let (answer, mut body) = client.begin(post("/leak"), false).await;
    body.send_data(".".repeat(HELD + 5).into(), false).unwrap();
    let seen = |path: &str| upstream.received().into_iter().find(|got| got.head.uri().path() == path);
    until("the beginning is upstream", || seen("/leak").is_some_and(|got| got.body == b".....")).await;
    body.send_data(format!("{}{}", world.surrogate(), ".".repeat(HELD)).into(), false).unwrap();
    let answer = whole(answer).await.unwrap();
    assert!(answer.status == 403 && answer.text().contains("surrogate_unbound"), "{answer:?}");
    neighbours_body.send_data("whole".into(), true).unwrap();
    assert_eq!(whole(neighbour).await.unwrap().status, 200);
    world.settled().await;
    let (leak, neighbour) = (seen("/leak").unwrap(), seen("/neighbour").unwrap());
    assert_eq!((&*leak.body, leak.complete), (&b"....."[..], false));
    assert_eq!((&*neighbour.body, neighbour.complete, upstream.connections()), (&b"whole"[..], true, 1));
    let codes = [None, None, Some(Code::SurrogateUnbound)];
    assert!(world.log.codes().iter().all(|code| codes.contains(code)));
    assert_eq!(world.log.rows().iter().filter(|row| row.alarm()).count(), 1);
}

/// An upstream that sends GOAWAY finishes what it has begun, and the next request goes elsewhere.
#[tokio::test]
async fn a_goodbye_of_the_upstream_loses_nothing() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    upstream.answers(Reply { goaway: true, body: vec!["whole".into()], ..Reply::default() });
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    for number in 0..4 {
        let answer = client.get(format!("{CDN}/{number}")).await;
        assert_eq!((answer.status, &*answer.text()), (200, "whole"));
        world.settled().await;
    }
    assert_eq!((upstream.received().len(), upstream.connections()), (4, 4));
    assert_eq!(world.log.codes(), [None; 4]);
}

/// Attack F02, with an upstream that also speaks HTTP/2; for others it is among the vectors.
#[tokio::test]
async fn a_wrong_content_length_never_makes_a_whole_request() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    for (said, body) in [("3", "GET /"), ("30", "short")] {
        let request = Request::post(format!("{CDN}/{said}")).header("content-length", said).body(()).unwrap();
        let answer = client.send(request, Some(body.into())).await;
        assert!(answer.as_ref().map_or(true, |answer| answer.status >= 400), "{said}: {answer:?}");
    }
    assert_eq!(client.get(format!("{CDN}/after")).await.status, 200, "the connection stands");
    world.settled().await;
    let received = upstream.received();
    let whole: Vec<_> = received.iter().filter(|got| got.complete).map(|got| got.head.uri().path()).collect();
    assert_eq!(whole, ["/after"]);
    let refused: Vec<_> = world.log.codes().into_iter().flatten().collect();
    assert!(!refused.is_empty() && refused.iter().all(|code| *code == Code::Framing), "{refused:?}");
}
