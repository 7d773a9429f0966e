//! Messages that break off in the middle, in every way: a body is complete only if it was ended.

use http::Request;
use policies::Code;

use crate::support::http2::{Http2Client, Http2Upstream, whole};
use crate::support::raw_http2::{Frame, RawHttp2, Say};
use crate::support::{HELD, Setup, World, until};

const CDN: &str = "cdn.allowed.test";
const BOUND: &str = "api.bound.test";

const HEAD: Frame = (1, 4, true, &[0x88]);
const HEAD_WITH_A_LENGTH: Frame = (1, 4, true, &[0x88, 0x0f, 0x0d, 3, b'1', b'0', b'0']);
const HALF: Frame = (0, 0, true, b"{\"half\":1");
const WHOLE: Frame = (0, 1, true, b"{\"half\":2}");
const LONG: Frame = (0, 1, true, &[b'x'; 200]);
const RESET_WITHOUT_AN_ERROR: Frame = (3, 0, true, &[0; 4]);
const GOODBYE_WITHOUT_AN_ERROR: Frame = (7, 0, false, &[0; 8]);

/// Like front ends whose own host broke off.
#[tokio::test]
async fn only_its_end_ends_an_answer() {
    let answers: [&[Frame]; 4] = [
        &[HEAD, HALF, RESET_WITHOUT_AN_ERROR],
        &[HEAD, HALF, GOODBYE_WITHOUT_AN_ERROR],
        &[HEAD_WITH_A_LENGTH, HALF, RESET_WITHOUT_AN_ERROR],
        &[HEAD, RESET_WITHOUT_AN_ERROR],
    ];
    for frames in answers {
        for (host, token) in [(CDN, false), (BOUND, true)] {
            let world = World::new().await;
            let _upstream = RawHttp2::instead_of(&world, host, &[Say::Frames(frames); 2]).await;
            let token = if token { format!("Bearer {}", world.surrogate()) } else { "none".to_owned() };
            let client = Http2Client::connect(&world.family, &format!("{host}:443")).await;
            let request = Request::get(format!("https://{host}/v1/x"));
            let request = if host == BOUND { request.header("authorization", &token) } else { request };
            let answer = client.send(request.body(()).unwrap(), None).await.unwrap();
            assert!(answer.broken.is_some() || answer.status == 502, "{host} {frames:?}: {answer:?}");

            let mut client = world.family.tunnel(&format!("{host}:443")).await;
            let token = if host == BOUND { format!("Authorization: {token}\r\n") } else { String::new() };
            client.send(format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\n{token}\r\n")).await;
            let answer = client.answer().await.unwrap();
            assert!(!answer.complete || answer.status == 502, "{host} {frames:?}: {}", answer.text());

            world.settled().await;
            assert_eq!(world.log.codes(), [Some(Code::UpstreamFailed); 2], "{host} {frames:?}");
            assert!(world.log.rows().iter().all(|row| row.outcome().why.as_ref().unwrap().contains("in the middle")));
        }
    }
}

/// Heads that our end of HTTP/2 rejects.
const MALFORMED: [(&str, &[Frame]); 4] = [
    ("no status", &[(1, 5, true, &[0, 1, b'a', 1, b'b'])]),
    ("a name in capitals", &[(1, 5, true, &[0x88, 0, 1, b'A', 1, b'b'])]),
    ("two lengths", &[(1, 4, true, &[0x88, 0x0f, 0x0d, 1, b'1', 0x0f, 0x0d, 1, b'2']), (0, 1, true, b"x")]),
    ("a header of HTTP/1.1", &[(1, 5, true, &[0x88, 0x0f, 0x2a, 7, b'c', b'h', b'u', b'n', b'k', b'e', b'd'])]),
];

#[tokio::test]
async fn a_head_that_is_not_well_formed_is_unreadable() {
    for (what, frames) in MALFORMED {
        let world = World::new().await;
        let _upstream = RawHttp2::instead_of(&world, CDN, &[Say::Frames(frames)]).await;
        let answer = world.family.get(CDN, "/x").await;
        assert!(answer.status == 502 && answer.text().contains("is not well-formed"), "{what}: {}", answer.text());
        world.settled().await;
        assert_eq!(world.log.only().code(), Some(Code::UpstreamUnreadable), "{what}");
    }
}

/// It was not broken off: the owner need not look for a network fault.
#[tokio::test]
async fn an_answer_of_another_length_than_it_says_is_unreadable() {
    for frames in [&[HEAD_WITH_A_LENGTH, WHOLE], &[HEAD_WITH_A_LENGTH, LONG]] {
        let world = World::new().await;
        let _upstream = RawHttp2::instead_of(&world, CDN, &[Say::Frames(frames)]).await;
        let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
        let answer = client.get("https://cdn.allowed.test/").await;
        assert!(answer.broken.is_some(), "{answer:?}");
        world.settled().await;
        let row = world.log.only();
        assert_eq!(row.code(), Some(Code::UpstreamUnreadable), "{row:?}");
        assert!(row.outcome().why.as_ref().unwrap().contains("as long as it says"), "{row:?}");
    }
}

/// RFC 9110 §6.4.1, whatever frames the host sends.
#[tokio::test]
async fn a_status_without_a_body_has_none() {
    // 204 and 304, in HPACK's static table.
    const ANSWERS: [&[Frame]; 2] = [&[(1, 4, true, &[0x89]), WHOLE], &[(1, 4, true, &[0x8b]), WHOLE]];
    for frames in ANSWERS {
        let world = World::new().await;
        let _upstream = RawHttp2::instead_of(&world, CDN, &[Say::Frames(frames)]).await;
        let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
        let answer = client.send(Request::get("https://cdn.allowed.test/").body(()).unwrap(), None).await;
        let came = answer.as_ref().map_or(0, |answer| answer.body.len() + usize::from(answer.broken.is_none()));
        assert_eq!(came, 0, "{answer:?}");
        world.settled().await;
        assert_eq!(world.log.only().code(), Some(Code::UpstreamUnreadable), "{frames:?}");
    }
}

/// A key in it is not stored, and not reported.
#[tokio::test]
async fn an_answer_without_its_end_brings_no_key() {
    const FRAMES: &[Frame] = &[HEAD, (0, 0, true, b"{\"token\":\"key-0123456789abcdef-XYZ\"}"), RESET_WITHOUT_AN_ERROR];
    let world = World::new().await;
    let _upstream = RawHttp2::instead_of(&world, BOUND, &[Say::Frames(FRAMES)]).await;
    let client = Http2Client::connect(&world.family, "api.bound.test:443").await;
    let request = Request::post(format!("https://{BOUND}/v1/api_keys"));
    let request = request.header("authorization", format!("Bearer {}", world.surrogate())).body(()).unwrap();
    let answer = client.send(request, None).await.unwrap();
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.text().contains("broke off") && !answer.text().contains("0123456789"), "{}", answer.text());
    world.settled().await;
    assert_eq!(world.log.only().code(), Some(Code::UpstreamUnreadable));
}

/// RFC 9113 §8.1: a host that wants no more of a request says so after its answer.
#[tokio::test]
async fn an_answer_before_its_request_is_a_whole_one() {
    const FRAMES: &[Frame] = &[HEAD, WHOLE, RESET_WITHOUT_AN_ERROR];
    for host in [CDN, BOUND] {
        let world = World::new().await;
        let _upstream = RawHttp2::instead_of(&world, host, &[Say::Frames(FRAMES)]).await;
        let client = Http2Client::connect(&world.family, &format!("{host}:443")).await;
        let request = Request::post(format!("https://{host}/v1/x")).body(()).unwrap();
        let (answer, mut body) = client.begin(request, false).await;
        body.send_data("begun".into(), false).unwrap();
        let answer = whole(answer).await.unwrap();
        assert!(answer.broken.is_none(), "{host}: {answer:?}");
        assert_eq!((answer.status, &*answer.text()), (200, "{\"half\":2}"), "{host}");
        world.settled().await;
        assert_eq!(world.log.only().code(), None, "{host}");
    }
}

/// The client resets its stream in the middle of its body.
#[tokio::test]
async fn a_stream_that_is_reset_leaves_no_whole_request() {
    for reason in [h2::Reason::CANCEL, h2::Reason::NO_ERROR] {
        for speaks_http2 in [false, true] {
            let world = World::new().await;
            let http2 = if speaks_http2 { Some(Http2Upstream::instead_of(&world, CDN).await) } else { None };
            let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
            let request = Request::post("https://cdn.allowed.test").body(()).unwrap();
            let (_answer, mut body) = client.begin(request, false).await;
            body.send_data(".".repeat(HELD + 5).into(), false).unwrap();
            let upstream = world.upstream(CDN);
            let begun = || match &http2 {
                Some(http2) => http2.received().iter().any(|got| !got.body.is_empty()),
                None => upstream.received().iter().any(|got| !got.body.is_empty()),
            };
            until("the beginning is upstream", begun).await;
            body.send_reset(reason);
            world.settled().await;
            let complete = http2.as_ref().map_or_else(|| upstream.only().complete, |http2| http2.only().complete);
            assert!(!complete, "{reason:?}, to HTTP/2: {speaks_http2}");
            assert_eq!(world.log.only().code(), Some(Code::Framing), "{reason:?}, to HTTP/2: {speaks_http2}");
            assert!(client.is_open().await);
        }
    }
}

/// Half a body is not judged either, if a rule looks into it.
#[tokio::test]
async fn half_a_body_is_not_judged() {
    const RULE: &str = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"POST /m\"]\nprivate = [\"127.0.0.12/32\"]\n\
                        json = { a = { not = [\"b\"] } }\n";
    for reason in [h2::Reason::CANCEL, h2::Reason::NO_ERROR] {
        let world = World::with(Setup { family: RULE.to_owned(), ..Setup::default() }).await;
        let client = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
        let request = Request::post("https://cdn.allowed.test/m").header("content-type", "application/json");
        let (answer, mut body) = client.begin(request.body(()).unwrap(), false).await;
        body.send_data("{\"c\":1}".into(), false).unwrap();
        body.send_reset(reason);
        assert!(answer.await.is_err());
        // It follows the other on one connection.
        let after = client.get("https://cdn.allowed.test/other").await;
        assert_eq!(after.status, 403);
        world.settled().await;
        assert!(world.upstream(CDN).received().is_empty(), "{reason:?}");
        assert!(!world.log.rows().iter().any(|row| row.is_allowed()), "{reason:?}");
    }
}
